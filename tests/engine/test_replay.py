"""Rejects that are judged again under another contract, on the real engines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.contracts.loading import load_contract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import Ledger
from lakehouse.repair.replay import Replay, ReplayFilter, ReplayReport
from tests.engine.conftest import BRONZE, Source, event, lines

pytestmark = pytest.mark.engine

GOOD = 5
WARD = "  ward_id: {required: true}\n"


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


def fixed(source: Source, tmp_path, change: Callable[[str], str]) -> Source:
    """The same source, after somebody changed its contract."""
    path = tmp_path / f"{source.contract.name}.yaml"
    path.write_text(change(path.read_text()))
    return dataclasses.replace(source, contract=load_contract(path, {BRONZE: source.platform.table}))


def replay(
    source: Source,
    wanted: ReplayFilter | None = None,
    *,
    dry_run: bool = False,
    on_step: Callable[[str], None] = lambda _step: None,
) -> ReplayReport:
    platform = source.platform
    engine = TrinoEngine(connect_with(platform.settings))
    return Replay(
        source.contract,
        table=platform.table,
        engine=engine,
        store=platform.store,
        ledger=Ledger(engine=engine, run="tests"),
        names=platform.settings.names,
        actor="tester",
        why="the contract was wrong",
        on_step=on_step,
    ).run(wanted, dry_run=dry_run)


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    """Three records lack what their contract wants, and one is no JSON under any."""
    source = make_source(text=WARD + "reject_budget: {share: 1.0}\n")
    bad = [{**event(number), "ward_id": None} for number in range(GOOD, GOOD + 3)]
    good = [{**event(number), "ward_id": "1"} for number in range(GOOD)]
    source.put("events.jsonl", "{not json\n" + lines(bad) + lines(good))
    source.load()
    return source


@pytest.fixture
def corrected(source: Source, tmp_path) -> Source:
    return fixed(source, tmp_path, lambda text: text.replace(WARD, ""))


def positions(source: Source) -> list[int]:
    return [row[0] for row in source.bronze("_position")]


def replays(source: Source, columns: str) -> list[tuple[object, ...]]:
    return source.platform.rows(
        f"select {columns} from iceberg.bronze.ledger where contract = ? and kind = 'replay' order by finished_at",
        source.contract.name,
    )


def test_what_passes_is_in_bronze_at_its_own_position_and_the_rest_stays_open(source: Source, corrected: Source):
    assert (replay(corrected, dry_run=True).rows, positions(source)) == (3, [4, 5, 6, 7, 8])
    report = replay(corrected)
    assert (report.rejects, report.rows, dict(report.failed)) == (4, 3, {"invalid_json": 1})
    assert positions(source) == [1, 2, 3, 4, 5, 6, 7, 8]
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.open_rejects, account.problems) == (9, 8, 1, "")
    [recorded] = replays(source, "records_read, rows_loaded, rejects, actor, reason, cardinality(touched)")
    assert recorded == (4, 3, 1, "tester", "the contract was wrong", 3)
    # What failed again has both of its judgements.
    history = source.platform.rows(
        "select count(distinct contract_fingerprint) from iceberg.bronze.rejects where contract = ? "
        "and record_position = 0",
        source.contract.name,
    )
    assert history == [(2,)]
    assert replay(corrected).rows == 0
    assert positions(source) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_filter_says_which_rejects_are_replayed(source: Source, corrected: Source):
    assert replay(corrected, ReplayFilter(load_id="none of that name")).rejects == 0
    assert replay(corrected, ReplayFilter(reason="missing_field"), dry_run=True).rejects == 3


@pytest.mark.parametrize("place", ["staged", "rows", "rejects", "verified", "recorded"])
def test_a_replay_that_dies_anywhere_is_finished_by_another(source: Source, corrected: Source, place: str):
    def die(step: str) -> None:
        if step == place:
            raise KilledError

    with pytest.raises(KilledError):
        replay(corrected, on_step=die)
    replay(corrected)
    assert positions(source) == [1, 2, 3, 4, 5, 6, 7, 8]
    [account] = source.accounts()
    assert (account.bronze_rows, account.open_rejects, account.problems) == (8, 1, "")
    # Silver and gold follow the ledger: every row that was replayed is in one row of it.
    assert sum(row[0] for row in replays(source, "rows_loaded")) == 3


def test_two_replays_at_once_bring_each_row_in_once(source: Source, corrected: Source):
    with ThreadPoolExecutor(max_workers=2) as pool:
        reports = list(pool.map(lambda _number: replay(corrected), range(2)))
    assert {report.rows for report in reports} <= {0, 3}
    assert positions(source) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sum(row[0] for row in replays(source, "rows_loaded")) == 3


def test_a_record_of_a_csv_file_is_judged_under_the_header_of_its_file(make_source, tmp_path):
    source = make_source(file_format="csv", text=WARD + "csv: {delimiter: ';'}\nreject_budget: {share: 1.0}\n")
    source.put(
        "events.csv",
        "entity_id;tenant_id;event_time;ward_id\n"
        '1;pb.amritsar;2026-10-01T00:00:00Z;\n2;"pb;\nx";2026-10-01T00:00:00Z;\n3;a;2026-10-01T00:00:00Z;7\n4;a\n',
    )
    source.load()
    source = fixed(source, tmp_path, lambda text: text.replace(WARD, ""))
    report = replay(source)
    assert (report.rows, dict(report.failed)) == (2, {"missing_field": 1})
    assert source.bronze("_position, entity_id, tenant_id") == [
        (0, "1", "pb.amritsar"),
        (1, "2", "pb;\nx"),
        (2, "3", "a"),
    ]
    bucket = source.platform.settings.names.bucket
    source.platform.store.delete(bucket=bucket, key=f"{source.prefix}events.csv")
    report = replay(source)
    [why] = report.not_replayable
    assert "is gone or was overwritten" in why
    assert report.rows == 0
