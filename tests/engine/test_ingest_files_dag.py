"""The DAG of a file source, run by a running Airflow and from the command line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.airflow_api import TaskInstance
from stack.dag_runs import DagRuns
from stack.errors import RunFailedError
from tests.engine.conftest import BRONZE, Platform, event, lines

pytestmark = pytest.mark.engine

JSONL = "ingest_files__pgr_events_jsonl"
CSV = "ingest_files__pgr_events_csv"
CSV_HEADER = "event_date,event_time,tenant_id,service,entity_type,entity_id,event_type,status"


@pytest.fixture
def landing() -> str:
    """What the keys of one test begin with, where the shipped contracts look."""
    return f"staging/pgr_events_test_{uuid.uuid4().hex[:12]}_"


@pytest.fixture
def put(platform: Platform, landing: str) -> Iterator[Callable[[str, bytes | str], None]]:
    """Puts an object for the length of a test: no sweep meets it later."""
    bucket = platform.settings.names.bucket

    def put(name: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        platform.store.put(data, bucket=bucket, key=landing + name)

    yield put
    platform.store.delete_prefix(bucket=bucket, prefix=landing)


def run(dag_runs: DagRuns, dag_id: str, **params: object) -> dict[str, str]:
    """The states of a run's tasks when it has succeeded, by task."""
    dag_run = dag_runs.start(dag_id, params=params, note="tests")
    return states(dag_runs.follow([dag_run])[dag_run])


def states(tasks: list[TaskInstance]) -> dict[str, str]:
    return {task.task_id: task.state for task in tasks}


def in_bronze(platform: Platform, landing: str) -> dict[str, int]:
    """Rows in bronze by the rest of the key."""
    uri = f"s3://{platform.settings.names.bucket}/{landing}"
    rows = platform.rows(
        f"select s.source, count(*) from {BRONZE} join iceberg.bronze.sources as s on _source_id = s.source_id "
        "where starts_with(s.source, ?) group by s.source",
        uri,
    )
    return {source.removeprefix(uri): count for source, count in rows}


def csv_lines(numbers: range) -> str:
    rows = [
        f"2026-10-01,2026-10-01T10:00:00Z,pb.amritsar,PGR,complaint,PB-PGR-{number},CaseSubmitted,OPEN"
        for number in numbers
    ]
    return "\n".join([CSV_HEADER, *rows]) + "\n"


def test_a_file_in_s3_is_in_bronze_once_however_often_the_dag_runs(
    dag_runs: DagRuns, platform: Platform, landing: str, put: Callable[..., None]
):
    put("1.jsonl", lines(event(number) for number in range(200)))
    put("2.jsonl", lines(event(number) for number in range(200, 250)))
    dry = run(dag_runs, JSONL, key=f"{landing}*", dry_run=True)
    assert (dry["plan"], dry["load.insert"]) == ("success", "skipped")
    # The run that the arrival of the objects starts may be faster.
    run(dag_runs, JSONL, key=f"{landing}*")
    again = run(dag_runs, JSONL, key=f"{landing}*")
    assert (again["plan"], again["load.insert"]) == ("success", "skipped")
    assert in_bronze(platform, landing) == {"1.jsonl": 200, "2.jsonl": 50}


def test_a_damaged_file_fails_the_run_after_the_good_one_beside_it_was_loaded(
    dag_runs: DagRuns, platform: Platform, landing: str, put: Callable[..., None]
):
    good = lines(event(number) for number in range(100))
    put("good.jsonl", good)
    put("cut.jsonl.gz", gzip.compress(good.encode())[:-20])
    dag_run = dag_runs.start(JSONL, params={"key": f"{landing}*"}, note="tests")
    with pytest.raises(RunFailedError):
        dag_runs.follow([dag_run])
    tasks = {task.task_id: task for task in dag_runs.api.task_instances(JSONL, dag_run.run_id)}
    assert [tasks[task].state for task in ("wait", "plan", "report")] == ["success", "success", "failed"]
    assert in_bronze(platform, landing) == {"good.jsonl": 100}
    message = dag_runs.log(dag_run, tasks["report"]).read_text()
    assert f"{landing}cut.jsonl.gz: The file is damaged" in message
    assert "good.jsonl: " not in message


def test_a_run_whose_object_does_not_come_is_skipped_and_not_failed(dag_runs: DagRuns, landing: str):
    tasks = run(dag_runs, JSONL, key=f"{landing}never.jsonl", wait_minutes=0)
    assert tasks["wait"] == "skipped"
    assert tasks["plan"] == "skipped"


def test_a_file_is_loaded_from_the_command_line(
    stack_environment: dict[str, str],
    platform: Platform,
    landing: str,
    put: Callable[..., None],
    tmp_path: Path,
):
    put("1.csv", csv_lines(range(30)))
    # A home of its own: the scheduler of the running Airflow would take tasks of a run it finds in its database.
    environment = {
        **stack_environment,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    airflow([*["db", "migrate"]], environment)
    airflow(["dags", "test", CSV, "--conf", json.dumps({"key": f"{landing}1.csv"})], environment)
    assert in_bronze(platform, landing) == {"1.csv": 30}


def airflow(arguments: list[str], environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
