from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.maintenance import sweep_attempts
from tests.engine.conftest import Source, event, lines

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
