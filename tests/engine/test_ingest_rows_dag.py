"""The DAG that inserts rows, run by a running Airflow and from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from stack.dag_runs import DagRuns
from stack.errors import RunFailedError
from tests.engine.conftest import BRONZE, Platform, event

pytestmark = pytest.mark.engine

DAG_ID = "ingest_rows"
SOURCE = "rows://pgr_events_rows/"


def in_bronze(platform: Platform, key: str) -> list[str]:
    """The complaints that were loaded under a key."""
    rows = platform.rows(
        f"select entity_id from {BRONZE} join iceberg.bronze.sources as s on _source_id = s.source_id "
        "where s.source = ? order by _position",
        SOURCE + key,
    )
    return [entity_id for (entity_id,) in rows]


def test_rows_are_inserted_once_however_often_the_run_is_made(dag_runs: DagRuns, platform: Platform):
    key = str(uuid.uuid4())
    rows = [event(0), event(1, event_time="soon", channel="9876543210"), event(2)]
    log = ""
    for _ in range(2):
        dag_run = dag_runs.start(DAG_ID, params={"rows": rows, "idempotency_key": key}, note="tests")
        [task] = dag_runs.follow([dag_run])[dag_run]
        assert task.state == "success"
        log += dag_runs.log(dag_run, task).read_text()
    assert in_bronze(platform, key) == ["PB-PGR-0", "PB-PGR-2"]
    assert "Row 1 is rejected: wrong_type event_time" in log
    assert "soon" not in log
    assert "9876543210" not in log


def test_without_a_key_the_run_is_the_key_and_other_rows_under_it_fail(dag_runs: DagRuns, platform: Platform):
    first = dag_runs.start(DAG_ID, params={"rows": [event(0)]}, note="tests")
    dag_runs.follow([first])
    assert in_bronze(platform, first.run_id) == ["PB-PGR-0"]
    other = dag_runs.start(DAG_ID, params={"rows": [event(1)], "idempotency_key": first.run_id}, note="tests")
    with pytest.raises(RunFailedError):
        dag_runs.follow([other])
    assert in_bronze(platform, first.run_id) == ["PB-PGR-0"]


def test_rows_are_inserted_by_dags_test(stack_environment: dict[str, str], platform: Platform, tmp_path: Path):
    key = str(uuid.uuid4())
    # A home of its own: the scheduler of the running Airflow would take tasks of a run it finds in its database.
    environment = {
        **stack_environment,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    airflow(["db", "migrate"], environment)
    conf: dict[str, Any] = {"rows": [event(0)], "idempotency_key": key}
    airflow(["dags", "test", DAG_ID, "--conf", json.dumps(conf)], environment)
    assert in_bronze(platform, key) == ["PB-PGR-0"]


def airflow(arguments: list[str], environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
