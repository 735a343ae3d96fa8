"""Loads that are taken out of bronze again on the real engines, also while the same source is loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.engine import Progress, TrinoEngine, connect_with
from lakehouse.load.files import load_files
from lakehouse.load.ledger import Ledger
from lakehouse.repair.errors import NothingToUnloadError
from lakehouse.repair.unload import Unload, UnloadReport, UnloadStep, find_ranges
from tests.engine.conftest import BRONZE, Source, event, lines

pytestmark = pytest.mark.engine

RECORDS = 100
BAD = 2
MANY = 60_000


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


#: What is there after these is there after the step before or behind them, too.
LIKE_ANOTHER = frozenset({UnloadStep.DELETE, UnloadStep.COUNT, UnloadStep.REGISTER})


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    source = make_source()
    source.put("events.jsonl", lines(event(number) for number in range(RECORDS)) + "{\n" * BAD)
    source.put("others.jsonl", lines(event(number) for number in range(5)))
    source.load()
    return source


def unload(
    source: Source,
    name: str = "events.jsonl",
    *,
    reload: bool = False,
    on_step: Callable[[UnloadStep], None] = lambda _step: None,
) -> UnloadReport:
    platform = source.platform
    ledger = Ledger(engine=platform.engine, run="tests")
    [found] = find_ranges(
        source.contract.name,
        target=BRONZE,
        engine=platform.engine,
        ledger=ledger,
        source=f"s3://{platform.settings.names.bucket}/{source.prefix}{name}",
    )
    what = Unload(engine=platform.engine, ledger=ledger, actor="tester", reason="wrong file", on_step=on_step)
    return what.run(found, reload=reload)


def standing(source: Source) -> list[tuple[int, int, int, str]]:
    """Read, in bronze, among the open rejects, and what is wrong, by source id."""
    return [
        (account.records_read, account.bronze_rows, account.open_rejects, account.problems)
        for account in sorted(source.accounts(), key=lambda account: (str(account.source), account.records_read))
    ]


def ledger_of(source: Source, columns: str) -> list[tuple[object, ...]]:
    return source.platform.rows(
        f"select {columns} from iceberg.bronze.ledger where contract = ? "
        "order by source, started_at, finished_at nulls first",
        source.contract.name,
    )


def source_id_of(source: Source) -> str:
    """The id of what was taken out."""
    [source_id] = {row[0] for row in ledger_of(source, "source_id")}
    return str(source_id)


def test_what_is_taken_out_is_gone_and_its_neighbours_stay(source: Source):
    report = unload(source)
    assert (report.rows, report.rejects, report.reloads_as) == (RECORDS, BAD, None)
    assert standing(source) == [(0, 0, 0, ""), (5, 5, 0, "")]
    kinds = ledger_of(source, "kind, actor, reason")
    assert ("unload_intent", "tester", "wrong file") in kinds
    assert ("unload", "tester", "wrong file") in kinds


def test_what_is_taken_out_is_not_loaded_again_by_the_next_load(source: Source):
    unload(source)
    assert source.load() == []
    assert standing(source) == [(0, 0, 0, ""), (5, 5, 0, "")]


def test_what_is_taken_out_to_be_loaded_again_is_loaded_once_by_the_next_load(source: Source):
    again = unload(source, reload=True).reloads_as
    [report] = source.load()
    assert (report.rows, report.rejects) == (RECORDS, BAD)
    assert standing(source) == [(0, 0, 0, ""), (RECORDS + BAD, RECORDS, BAD, ""), (5, 5, 0, "")]
    assert {row[0] for row in source.bronze("_source_id") if row[0] == again} == {again}
    assert source.load() == []


def test_what_was_loaded_again_can_be_taken_out_again(source: Source):
    unload(source, reload=True)
    source.load()
    assert unload(source).rows == RECORDS
    assert unload(source, reload=True).rows == 0
    source.load()
    assert [line for line in standing(source) if line[0]] == [(RECORDS + BAD, RECORDS, BAD, ""), (5, 5, 0, "")]


def test_what_was_never_loaded_cannot_be_taken_out(source: Source):
    with pytest.raises(NothingToUnloadError, match="has loaded nothing"):
        unload(source, "nowhere.jsonl")


@pytest.mark.parametrize(
    "place",
    [pytest.param(step, marks=[pytest.mark.long] if step in LIKE_ANOTHER else []) for step in UnloadStep],
)
def test_an_unload_that_dies_anywhere_is_finished_by_another(source: Source, place: UnloadStep):
    def die(step: UnloadStep) -> None:
        if step is place:
            raise KilledError

    with pytest.raises(KilledError):
        unload(source, reload=True, on_step=die)
    if place != UnloadStep.END:
        assert "unload not finished" in " ".join(line[-1] for line in standing(source))
    # A sweep in between loads nothing of what is being taken out, unless it may already be loaded again.
    source.load()
    if place != UnloadStep.END:
        unload(source, reload=True)
    source.load()
    assert [line[:3] for line in standing(source)] == [(0, 0, 0), (RECORDS + BAD, RECORDS, BAD), (5, 5, 0)]
    assert [problems for *_, problems in standing(source)] == [""] * len(source.accounts())
    keys = source.bronze("_source_id, _position")
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("reload", [False, True])
def test_a_source_may_be_taken_out_while_it_is_merged(make_source: Callable[..., Source], reload: bool):
    source = make_source(text="batch: {records: 30000, bytes: 1GB}\n")
    source.put("events.jsonl", lines(event(number) for number in range(MANY)))
    platform = source.platform
    merging = threading.Event()

    def on_progress(progress: Progress) -> None:
        if progress.statement == "load/merge_rows.sql" and progress.state == "RUNNING":
            merging.set()

    def load() -> None:
        engine = TrinoEngine(connect_with(platform.settings), on_progress=on_progress)
        for _report in load_files(
            source.contract,
            table=platform.table,
            engine=engine,
            store=platform.store,
            names=platform.settings.names,
        ):
            pass

    with ThreadPoolExecutor(max_workers=1) as pool:
        loading = pool.submit(load)
        assert merging.wait(300)
        unload(source, reload=reload)
        loading.result()
    assert {line[0:2] for line in standing(source)} <= {(0, 0)}
    assert {problems for *_, problems in standing(source)} <= {""}
    # Nothing of the fence is left either.
    taken_out = source_id_of(source)
    assert platform.rows(f"select count(*) from {BRONZE} where _source_id = ?", taken_out) == [(0,)]
    source.load()
    loaded = MANY if reload else 0
    assert sum(account.bronze_rows for account in source.accounts()) == loaded
    assert {problems for *_, problems in standing(source)} <= {""}
