"""The DAG of silver and gold, run by a running Airflow."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from lakehouse import insert_events
from stack.dag_runs import DagRun, DagRuns
from stack.errors import RunFailedError
from tests.engine.conftest import Platform, event, lines

pytestmark = pytest.mark.engine

DAG = "transform_events"
INGEST = "ingest_files__pgr_events_jsonl"
FUNNEL = "iceberg.gold.gold_pgr_funnel_daily"
WAIT_SECONDS = 300


@pytest.fixture
def tenant() -> str:
    """A city that only one test knows."""
    return f"pb.test{uuid.uuid4().hex[:8]}"


@pytest.fixture
def put(platform: Platform) -> Iterator[Callable[[str, list[dict[str, Any]]], str]]:
    """Puts events where the shipped contract looks, and gives the key; for the length of a test."""
    bucket = platform.settings.names.bucket
    prefix = f"staging/pgr_events_test_{uuid.uuid4().hex[:12]}_"

    def put(name: str, events: list[dict[str, Any]]) -> str:
        key = f"{prefix}{name}.jsonl"
        platform.store.put(lines(events).encode(), bucket=bucket, key=key)
        return key

    yield put
    platform.store.delete_prefix(bucket=bucket, prefix=prefix)


def cases(tenant: str, numbers: range) -> list[dict[str, Any]]:
    return [
        event(number, tenant_id=tenant, attributes_json={"event_id": f"{tenant}-{number}", "sla_hours": 24})
        for number in numbers
    ]


def in_gold(platform: Platform, tenant: str) -> tuple[int, int]:
    """Cases, and submissions by the funnel."""
    [[number]] = platform.rows(
        "select count(*) from iceberg.gold.gold_pgr_case_lifecycle where tenant_id = ?", tenant
    )
    [[submitted]] = platform.rows(
        f"select coalesce(sum(submitted_events), 0) from {FUNNEL} where tenant_id = ?", tenant
    )
    return number, submitted


def load(dag_runs: DagRuns, *keys: str) -> None:
    dag_runs.follow([dag_runs.start(INGEST, params={"key": key, "wait_minutes": 1}, note="tests") for key in keys])


def wait_for(reached: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"{what}: not after {WAIT_SECONDS} s"
        time.sleep(1)


def states(dag_runs: DagRuns, run: DagRun) -> dict[str, str]:
    return {task.task_id: task.state for task in dag_runs.api.task_instances(run.dag_id, run.run_id)}


def wait_until_idle(dag_runs: DagRuns) -> None:
    """Until neither a load nor a transformation runs: a load's end starts one."""
    wait_for(
        lambda: not any(dag_runs.api.runs(dag_id, active=True) for dag_id in (INGEST, DAG)), what="the runs' end"
    )


def test_a_burst_of_loads_reaches_gold_by_itself_and_nothing_of_it_stays_pending(
    dag_runs: DagRuns, platform: Platform, tenant: str, put: Callable[..., str]
):
    dag_runs.follow([dag_runs.start(DAG, params={}, note="tests")])
    begun = datetime.now(UTC)
    keys = [put(f"burst{number}", cases(tenant, range(number * 50, number * 50 + 50))) for number in range(4)]
    load(dag_runs, *keys)
    wait_for(lambda: in_gold(platform, tenant) == (200, 200), what="200 cases in gold")
    wait_until_idle(dag_runs)
    runs = dag_runs.api.runs(DAG, since=begun)
    assert {dag_runs.api.run_state(DAG, run) for run in runs} == {"success"}
    built = [run for run in runs if states(dag_runs, DagRun(DAG, run))["silver.silver_pgr_events"] == "success"]
    # Loads that end during a run start one more, together; the arrival of the objects may have started loads, too.
    assert 1 <= len(built) < len(keys)
    # The first run of all has filled them, and they have not changed since.
    assert {states(dag_runs, DagRun(DAG, run))["silver.seeds"] for run in built} == {"skipped"}
    [[pending]] = platform.rows("select max(loads_pending) from iceberg.gold.gold_pgr_freshness")
    assert pending == 0


def test_a_model_that_failed_is_corrected_and_cleared_and_runs_again_with_what_comes_after_it(
    dag_runs: DagRuns, platform: Platform, tenant: str
):
    # Rows that come past Airflow start no run of their own, which would meet what this test breaks.
    wait_until_idle(dag_runs)
    insert_events(cases(tenant, range(50)), settings=platform.settings)
    # Nothing can be merged into what the lifecycle is stored in while its key has another name.
    facts = "iceberg.gold.gold_pgr_case_lifecycle_facts"
    platform.rows(f"alter table {facts} rename column complaint_id to mistaken")
    try:
        run = dag_runs.start(DAG, params={}, note="tests")
        with pytest.raises(RunFailedError):
            dag_runs.follow([run])
        wait_until_idle(dag_runs)
        failed = states(dag_runs, run)
    finally:
        platform.rows(f"alter table {facts} rename column mistaken to complaint_id")
    assert failed["silver.silver_pgr_events"] == "success"
    assert failed["gold.gold_pgr_case_lifecycle"] == "failed"
    assert failed["gold.gold_pgr_kpis"] == "upstream_failed"
    dag_runs.api.clear(DAG, run.run_id, task_id="gold.gold_pgr_case_lifecycle")
    dag_runs.follow([run])
    found = states(dag_runs, run)
    # Whether the seeds were filled before depends on what ran first.
    assert found.pop("silver.seeds") in {"success", "skipped"}
    assert set(found.values()) == {"success"}
    assert in_gold(platform, tenant) == (50, 50)


def test_a_selection_runs_what_it_takes_and_skips_the_rest(dag_runs: DagRuns):
    run = dag_runs.start(DAG, params={"select": "gold_pgr_kpis mv_pgr_ward_summary"}, note="tests")
    dag_runs.follow([run])
    found = states(dag_runs, run)
    ran = {task for task, state in found.items() if state == "success"}
    assert ran == {"plan", "gold.gold_pgr_kpis", "gold.mv_pgr_ward_summary"}
    assert set(found.values()) == {"success", "skipped"}


@pytest.mark.parametrize(
    "path", ["/lakehouse-dbt-docs/", "/lakehouse-dbt-docs/openapi.json", "/cosmos/openapi.json"]
)
def test_the_documentation_of_the_models_is_for_those_who_are_signed_in(
    dag_runs: DagRuns, stack_environment: dict[str, str], path: str
):
    with requests.Session() as anonymous:
        anonymous.trust_env = False
        answer = anonymous.get(f"{stack_environment['AIRFLOW_URL']}{path}", timeout=30)
    assert answer.status_code in {401, 404} or "gold_pgr" not in answer.text
