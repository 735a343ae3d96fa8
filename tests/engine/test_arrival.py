"""An object that comes starts the DAG of its source, whatever becomes of the triggerer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from stack.dag_runs import DagRuns
from stack.lifecycle import Stack
from stack.supervision import Supervisor
from tests.engine.conftest import Platform, event, lines
from tests.engine.test_killed_engine import kill

pytestmark = [pytest.mark.engine, pytest.mark.disruptive]

DAG = "ingest_files__pgr_events_jsonl"
PAUSE_SECONDS = 1.0
#: Longer than the watch, the run and a machine that is busy; a sweep has a run of another name.
ARRIVES_SECONDS = 300.0


@pytest.fixture
def landing(platform: Platform) -> Iterator[str]:
    """What the keys of one test begin with, where the shipped contract looks."""
    prefix = f"staging/pgr_events_test_{uuid.uuid4().hex[:12]}_"
    yield prefix
    platform.store.delete_prefix(bucket=platform.settings.names.bucket, prefix=prefix)


@pytest.fixture
def put(platform: Platform, landing: str, dag_runs: DagRuns) -> Callable[[range], None]:
    """Puts objects of one event each while the DAG is on."""
    dag_runs.api.unpause(DAG)

    def put(numbers: range) -> None:
        for number in numbers:
            key = f"{landing}{number}.jsonl"
            platform.store.put(lines([event(number)]).encode(), bucket=platform.settings.names.bucket, key=key)

    return put


def recorded(platform: Platform, landing: str) -> list[tuple[str, str]]:
    """The sources of the ledger that begin so, each with the run that recorded it."""
    return platform.rows(
        "select source, run from iceberg.bronze.ledger where starts_with(source, ?)",
        f"s3://{platform.settings.names.bucket}/{landing}",
    )


def arrived(platform: Platform, landing: str, *, objects: int) -> list[tuple[str, str]]:
    """What is recorded, once it is as many objects."""
    started = time.monotonic()
    while len(found := recorded(platform, landing)) < objects:
        assert time.monotonic() - started < ARRIVES_SECONDS, f"{len(found)} of {objects} objects arrived"
        time.sleep(PAUSE_SECONDS)
    return found


def test_objects_that_come_start_few_runs_and_each_is_recorded_once(
    platform: Platform, landing: str, put: Callable[[range], None]
):
    put(range(20))
    found = arrived(platform, landing, objects=20)
    assert len({source for source, _ in found}) == len(found) == 20
    runs = {run.split("/")[1] for _, run in found}
    assert len(runs) <= 3


def test_objects_that_come_after_the_plan_of_a_run_start_another_and_need_no_sweep(
    platform: Platform, landing: str, put: Callable[[range], None], dag_runs: DagRuns
):
    put(range(3))
    first = dag_runs.start(DAG, params={"key": f"{landing}*"}, note="tests")
    while ("plan", "success") not in {
        (task.task_id, task.state) for task in dag_runs.api.task_instances(DAG, first.run_id)
    }:
        time.sleep(PAUSE_SECONDS)
    planned = datetime.now(UTC)
    put(range(3, 6))
    assert dag_runs.api.run_state(DAG, first.run_id) == "running"
    found = arrived(platform, landing, objects=6)
    assert len({source for source, _ in found}) == len(found) == 6
    started = time.monotonic()
    # A sweep may have been faster; it is not what they waited for.
    while not any(run.startswith("asset_triggered") for run in dag_runs.api.runs(DAG, since=planned)):
        assert time.monotonic() - started < ARRIVES_SECONDS, "no arrival started a run"
        time.sleep(PAUSE_SECONDS)


def test_objects_that_come_while_the_triggerer_is_dead_arrive_when_it_is_back(
    platform: Platform, landing: str, put: Callable[[range], None], running_stack: Stack, dag_runs: DagRuns
):
    supervisor = Supervisor(running_stack.layout)
    put(range(5))
    kill(running_stack, "triggerer")
    supervisor.stop("triggerer")
    # No run that began before may be the one that finds what comes now.
    while dag_runs.api.runs(DAG, active=True):
        time.sleep(PAUSE_SECONDS)
    put(range(5, 25))
    began = datetime.now(UTC)
    supervisor.start("triggerer")
    found = arrived(platform, landing, objects=25)
    assert len({source for source, _ in found}) == len(found) == 25
    started = max(run.split("/")[1].partition("__")[2].rpartition("_")[0] for _, run in found)
    assert datetime.fromisoformat(started) > began
