from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from lakehouse.load.files import finish_attempt
from lakehouse.load.ledger import Ledger
from lakehouse.maintenance import sweep_attempts
from tests.engine.conftest import BRONZE, Source, event, lines

pytestmark = pytest.mark.engine

WORKER = Path(__file__).parent / "load_worker.py"
RECORDS = 20_000
BAD = 3


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    source = make_source()
    good = lines(event(number) for number in range(RECORDS - BAD))
    source.put("events.jsonl", "{\n" * BAD + good)
    return source


def run_worker(source: Source, place: str, tmp_path: Path) -> int:
    contract = tmp_path / f"{source.contract.name}.yaml"
    command = [sys.executable, str(WORKER), str(contract), place]
    return subprocess.run(command, check=False, timeout=300).returncode


@pytest.mark.parametrize("place", ["staged", "merging", "rows", "rejects", "verify", "record"])
def test_a_worker_that_is_killed_leaves_what_the_next_one_finishes(source: Source, place: str, tmp_path: Path):
    assert run_worker(source, place, tmp_path) == -signal.SIGKILL
    reports = source.load()
    assert [report.failures for report in reports] == ([] if place == "record" else [()])
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.open_rejects) == (RECORDS, RECORDS - BAD, BAD)
    assert (account.ranges, account.problems) == (1, "")
    assert source.load() == []


@pytest.mark.parametrize("place", ["record 0", "rows 1", "record 1"])
def test_a_file_that_was_half_loaded_is_not_certified_until_another_run_loads_the_rest(
    make_source: Callable[..., Source], place: str, tmp_path: Path
):
    # The bad records are behind the place where the worker dies: within the file's budget, over that of the rest.
    source = make_source(text="batch: {records: 6000, bytes: 1GB}\nreject_budget: {share: 0.1}\n")
    good = lines(event(number) for number in range(RECORDS - 1500))
    source.put("events.jsonl", good + "{\n" * 1500)
    assert run_worker(source, place, tmp_path) == -signal.SIGKILL
    [account] = source.accounts()
    assert "not read to its end" in account.problems
    [report] = source.load()
    assert report.failures == ()
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.open_rejects) == (RECORDS, RECORDS - 1500, 1500)
    assert (account.gap_positions, account.overlap_positions, account.problems) == (0, 0, "")


def test_what_a_killed_worker_began_is_finished_though_the_object_is_gone(source: Source, tmp_path: Path):
    run_worker(source, "rows", tmp_path)
    platform = source.platform
    names = platform.settings.names
    platform.store.delete(bucket=names.bucket, key=f"{source.prefix}events.jsonl")
    finish = partial(
        finish_attempt,
        tables={BRONZE: platform.table},
        engine=platform.engine,
        ledger=Ledger(engine=platform.engine),
        store=platform.store,
        names=names,
    )
    report = sweep_attempts(
        platform.engine,
        store=platform.store,
        names=names,
        clock=lambda: datetime.now(UTC) + timedelta(days=2),
        finish=finish,
    )
    assert (report.kept, report.spools >= 1) == ((), True)
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.problems) == (RECORDS, RECORDS - BAD, "")


def test_a_half_loaded_file_is_not_continued_when_its_contract_cuts_it_into_other_records(
    make_source: Callable[..., Source], tmp_path: Path
):
    source = make_source(file_format="csv", text="batch: {records: 100, bytes: 1GB}\n")
    rows = "".join(f"pb.amritsar,2026-10-01T00:00:00Z,{number}\n" for number in range(300))
    source.put("events.csv", "tenant_id,event_time,entity_id\n" + rows)
    assert run_worker(source, "record 0", tmp_path) == -signal.SIGKILL
    contract = source.contract.model_copy(update={"csv": source.contract.csv.model_copy(update={"quote": "'"})})
    # A copy of a frozen model carries what was computed for the original.
    contract = type(contract).model_validate(contract.model_dump(by_alias=True, exclude_unset=True))
    [report] = dataclasses.replace(source, contract=contract).load()
    [failure] = report.failures
    assert failure.is_terminal
    assert "recorded up to record" in failure.message
    [report] = source.load()
    assert report.failures == ()
    [account] = source.accounts()
    assert (account.bronze_rows, account.problems) == (300, "")


def test_what_a_killed_worker_left_behind_is_swept_when_no_attempt_can_live_any_more(
    source: Source, tmp_path: Path
):
    run_worker(source, "rows", tmp_path)
    platform = source.platform
    names = platform.settings.names

    def sweep(at: datetime) -> int:
        return sweep_attempts(platform.engine, store=platform.store, names=names, clock=lambda: at).tables

    now = datetime.now(UTC)
    assert sweep(now) == 0
    assert sweep(now + timedelta(days=2)) >= 1
    assert platform.rows("select * from staging.information_schema.tables where table_schema = 'attempts'") == []
    assert list(platform.store.list_objects(bucket=names.bucket, prefix="_spool/")) == []
