from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lakehouse import insert_events
from lakehouse.certificate import read_certificate
from lakehouse.cli import main
from lakehouse.contracts import RowsContract
from lakehouse.contracts.loading import load_contract
from lakehouse.contracts.reason import Reason
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.errors import IdempotencyKeyError, OtherRowsError, RowsRefusedError, TooManyRowsError
from lakehouse.load.files import finish_attempt
from lakehouse.load.ledger import Ledger
from lakehouse.load.rows import RowsReport, load_rows
from lakehouse.maintenance import sweep_attempts
from lakehouse.readers.row_lines import lines_of_rows
from tests.engine.conftest import BRONZE, Platform, SourceOfOneTest, event

pytestmark = pytest.mark.engine

WORKER = Path(__file__).parent / "rows_worker.py"
INDIA = timezone(timedelta(hours=5, minutes=30))


@dataclass(frozen=True)
class RowsSource(SourceOfOneTest):
    """A contract of rows that only one test hands rows to."""

    contract: RowsContract
    path: Path

    def insert(self, rows: list[Any], *, key: str | None = None, **options: Any) -> RowsReport:
        # An engine of its own: calls may be made at once.
        engine = TrinoEngine(connect_with(self.platform.settings, source="tests"))
        return load_rows(
            lines_of_rows(rows),
            idempotency_key=key,
            contract=self.contract,
            table=self.platform.table,
            engine=engine,
            store=self.platform.store,
            ledger=Ledger(engine=engine, run="tests"),
            names=self.platform.settings.names,
            **options,
        )


@pytest.fixture
def make_rows_source(platform: Platform, tmp_path: Path) -> Callable[..., RowsSource]:
    def make(text: str = "") -> RowsSource:
        name = f"test_{uuid.uuid4().hex[:12]}"
        path = tmp_path / f"{name}.yaml"
        path.write_text(
            f"name: {name}\nkind: rows\ntarget: {BRONZE}\ntimes: {{zone: Asia/Kolkata}}\n"
            "columns: {event_time: {required: true}, tenant_id: {required: true}}\n" + text
        )
        contract = load_contract(path, {BRONZE: platform.table})
        assert isinstance(contract, RowsContract)
        return RowsSource(platform=platform, contract=contract, path=path)

    return make


@pytest.fixture
def source(make_rows_source: Callable[..., RowsSource]) -> RowsSource:
    return make_rows_source()


def mixed(count: int) -> list[dict[str, Any]]:
    """Rows of which every tenth is bad."""
    return [event(number, **({"event_time": "soon"} if number % 10 == 9 else {})) for number in range(count)]


def test_rows_are_loaded_once_and_what_came_of_them_is_told_again(source: RowsSource):
    rows = [event(0), event(1, event_time="soon"), "no row", event(2, channel={1}), event(3, status=float("nan"))]
    first = source.insert(rows, key="form 7")
    assert (first.rows, first.already_loaded) == (1, False)
    assert [(reject.index, reject.reason, reject.column) for reject in first.rejects] == [
        (1, Reason.WRONG_TYPE, "event_time"),
        (2, Reason.WRONG_TYPE, None),
        (3, Reason.WRONG_TYPE, "channel"),
        (4, Reason.WRONG_TYPE, "status"),
    ]
    assert "'soon'" in first.rejects[0].detail
    in_another_order = [dict(reversed(row.items())) if isinstance(row, dict) else row for row in rows]
    tomorrow = source.insert(in_another_order, key="form 7", clock=lambda: datetime.now(UTC) + timedelta(days=1))
    assert tomorrow == replace(first, already_loaded=True)
    [account] = source.accounts()
    assert (account.source, account.records_read) == (f"rows://{source.contract.name}/form 7", 5)
    assert (account.bronze_rows, account.open_rejects, account.problems) == (1, 4, "")


def test_values_are_stored_as_they_were_given(source: RowsSource):
    row = {
        "event_time": datetime(2026, 11, 25, 10, 0, 0, 1, tzinfo=UTC),
        "event_date": date(2026, 11, 24),
        "tenant_id": "pb.ਅੰਮ੍ਰਿਤਸਰ",
        "entity_id": 12345678901234567890,
        "channel": None,
        "attributes_json": {"b": Decimal("1.10"), "a": [True, None, "ਅ"]},
        "raw_payload": '{"as":  "it was"}',
    }
    local = {"event_time": datetime(2026, 11, 25, 10, 0), "tenant_id": "pb"}  # noqa: DTZ001 - in the contract's zone
    source.insert([row, local, local | {"event_time": datetime(2026, 11, 25, 10, 0, tzinfo=INDIA)}])
    columns = "cast(event_time as varchar), cast(event_date as varchar), tenant_id, entity_id, channel, "
    assert source.bronze(columns + "attributes_json, raw_payload") == [
        (
            "2026-11-25 10:00:00.000001", "2026-11-24", "pb.ਅੰਮ੍ਰਿਤਸਰ", "12345678901234567890", None,
            '{"b": 1.10, "a": [true, null, "ਅ"]}', '{"as":  "it was"}',
        ),
        ("2026-11-25 04:30:00.000000", "2026-11-25", "pb", None, None, None, None),
        ("2026-11-25 04:30:00.000000", "2026-11-25", "pb", None, None, None, None),
    ]  # fmt: skip


def test_other_rows_under_a_key_are_refused_and_nothing_of_them_is_loaded(source: RowsSource):
    source.insert([event(0)], key="k")
    for other in ([event(1)], [event(0), event(1)], []):
        with pytest.raises(OtherRowsError, match="under the key 'k' before"):
            source.insert(other, key="k")
    assert source.bronze("entity_id") == [("PB-PGR-0",)]


def test_without_a_key_the_rows_name_themselves(source: RowsSource):
    first = source.insert([event(0)])
    assert source.insert([event(0)]) == replace(first, already_loaded=True)
    assert source.insert([event(1)]).source_id != first.source_id
    assert len(source.bronze("entity_id")) == 2


def test_calls_at_once_under_one_key_load_once(source: RowsSource):
    rows = mixed(200)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: source.insert(rows, key="k"), range(4)))
    assert {(report.rows, len(report.rejects), report.source_id) for report in reports} == {
        (180, 20, reports[0].source_id)
    }
    [account] = source.accounts()
    assert (account.ranges, account.bronze_rows, account.open_rejects, account.problems) == (1, 180, 20, "")


def test_ten_thousand_rows_are_loaded_and_one_more_is_refused(source: RowsSource):
    assert source.insert([event(number) for number in range(10_000)], key="k").rows == 10_000
    with pytest.raises(TooManyRowsError):
        source.insert([event(number) for number in range(10_001)], key="more")
    assert len(source.accounts()) == 1


def test_no_rows_are_a_request_of_nothing(source: RowsSource):
    report = source.insert([], key="nothing")
    assert (report.rows, report.rejects, report.already_loaded) == (0, (), False)
    assert source.insert([], key="nothing").already_loaded
    [account] = source.accounts()
    assert (account.records_read, account.problems) == (0, "")


@pytest.mark.parametrize("key", ["", "a\nb", "a\0", "\ud800", "k" * 501])
def test_a_key_that_cannot_be_kept_is_refused(source: RowsSource, key: str):
    with pytest.raises(IdempotencyKeyError):
        source.insert([event(0)], key=key)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("reject_budget: {share: 0}", {"event_time": "soon"}),
        ("unknown_columns: fail", {"colour": "red"}),
    ],
)
def test_rows_that_are_refused_as_a_whole_leave_their_key_free_for_corrected_ones(
    make_rows_source: Callable[..., RowsSource], text: str, bad: dict[str, Any]
):
    source = make_rows_source(text + "\n")
    with pytest.raises(RowsRefusedError) as caught:
        source.insert([event(0), event(1, **bad)], key="k")
    assert [index for index, _ in caught.value.rejects] in ([1], [])
    assert source.accounts() == []
    assert source.insert([event(0), event(1)], key="k").rows == 2


@pytest.mark.parametrize("place", ["staged", "merging", "rows", "rejects", "verify", "record"])
def test_a_worker_that_is_killed_leaves_what_the_same_call_finishes(
    source: RowsSource, place: str, tmp_path: Path
):
    # As many as a call may have: the merge of a few is over before anybody is told that it runs.
    rows = mixed(10_000)
    assert run_worker(source, rows, place, tmp_path) == -signal.SIGKILL
    report = source.insert(rows, key="k")
    assert (report.rows, len(report.rejects)) == (9_000, 1_000)
    assert report.already_loaded is (place == "record")
    [account] = source.accounts()
    assert (account.ranges, account.problems) == (1, "")
    assert (account.bronze_rows, account.open_rejects) == (9_000, 1_000)


def test_what_a_killed_worker_began_is_finished_by_the_sweep_when_nobody_calls_again(
    source: RowsSource, tmp_path: Path
):
    run_worker(source, mixed(500), "rows", tmp_path)
    assert [account.problems for account in source.accounts()] != [""]
    platform = source.platform
    names = platform.settings.names
    finish = partial(
        finish_attempt,
        tables={BRONZE: platform.table},
        engine=platform.engine,
        ledger=Ledger(engine=platform.engine),
        store=platform.store,
        names=names,
    )
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    swept = sweep_attempts(
        platform.engine, store=platform.store, names=names, clock=lambda: in_two_days, finish=finish
    )
    assert (swept.kept, swept.spools >= 1) == ((), True)
    [account] = source.accounts()
    assert (account.bronze_rows, account.open_rejects, account.problems) == (450, 50, "")
    assert source.insert(mixed(500), key="k").already_loaded


def run_worker(source: RowsSource, rows: list[Any], place: str, tmp_path: Path) -> int:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(rows))
    command = [sys.executable, str(WORKER), str(source.path), str(file), "k", place]
    return subprocess.run(command, check=False, timeout=300).returncode


def test_a_program_needs_nothing_but_its_rows(platform: Platform):
    key = str(uuid.uuid4())
    report = insert_events([event(0), {}], idempotency_key=key, settings=platform.settings)
    assert (report.source, report.rows) == ("pgr_events_rows", 1)
    assert [(reject.index, reject.reason) for reject in report.rejects] == [(1, Reason.MISSING_FIELD)]
    assert platform.rows(f"select count(*) from {BRONZE} where _source_id = ?", report.source_id) == [(1,)]


def test_rows_are_inserted_from_the_command_line(platform: Platform, tmp_path: Path):
    key = str(uuid.uuid4())
    text = json.dumps(event(0)) + "\n{}\n" + json.dumps(event(1)) + "\n"
    (tmp_path / "rows.jsonl").write_text(text)
    of_file = ["insert", "--file", str(tmp_path / "rows.jsonl"), "--key", key]
    done = CliRunner().invoke(main, of_file)
    assert done.exit_code == 1, done.output
    assert "2 rows are in bronze, 1 were rejected" in done.output
    assert "row 1: missing_field event_time" in done.output
    again = CliRunner().invoke(main, ["insert", "--key", key, "--json"], input=text)
    assert json.loads(again.stdout)["already_loaded"] is True
    other = CliRunner().invoke(main, ["insert", "--key", key], input=json.dumps([event(0)]))
    assert other.exit_code == 1
    assert "Other rows were handed over" in other.output


def test_rows_by_sql_that_name_the_columns_are_counted_apart(platform: Platform):
    before = read_certificate(platform.engine).rows_by_hand
    columns = ", ".join(platform.table.column_names)
    assert len(platform.table.column_names) == 15
    platform.rows(
        f"insert into {BRONZE} ({columns}) values (date '2026-10-01', timestamp '2026-10-01 10:00:00', "
        "'pb.amritsar', 'PGR', 'complaint', 'PB-PGR-1', 'CaseSubmitted', 'OPEN', null, null, null, null, null, "
        "null, null)"
    )
    after = read_certificate(platform.engine)
    assert after.rows_by_hand == before + 1
    assert [account.problems for account in after.by_hand if account.problems] == []
