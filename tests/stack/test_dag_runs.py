from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from rich.console import Console

from stack.airflow_api import TaskInstance
from stack.dag_runs import DagRun, DagRuns, Waiting
from stack.errors import DagMissingError, RunFailedError
from stack.layout import StackLayout

CSV = DagRun("ingest_csv", "manual__1")
JSONL = DagRun("ingest_jsonl", "manual__2")


class Clock:
    """Goes on only when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class ScriptedAirflow:
    """Plays back states; the last one stays."""

    def __init__(self, *, runs=(), tasks=(), dag_appears_after=0, import_errors=()):
        self.runs = {run: list(states) for run, states in runs}
        self.tasks = {run: list(instances) for run, instances in tasks}
        self.asked_for_dag = 0
        self.dag_appears_after = dag_appears_after
        self.errors = list(import_errors)
        self.unpaused: list[str] = []
        self.triggered: list[tuple[str, dict[str, object]]] = []

    def has_dag(self, dag_id: str) -> bool:
        self.asked_for_dag += 1
        return self.asked_for_dag > self.dag_appears_after

    def import_errors(self) -> list[str]:
        return self.errors

    def unpause(self, dag_id: str) -> None:
        self.unpaused.append(dag_id)

    def trigger(self, dag_id: str, *, params: dict[str, object], note: str) -> str:
        self.triggered.append((dag_id, params))
        return "manual__1"

    def run_state(self, dag_id: str, run_id: str) -> str:
        return _next(self.runs[DagRun(dag_id, run_id)])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        return _next(self.tasks.get(DagRun(dag_id, run_id), [[]]))

    def run_page(self, dag_id: str, run_id: str) -> str:
        return f"http://airflow/dags/{dag_id}/runs/{run_id}"


def _next(script: list) -> object:
    return script.pop(0) if len(script) > 1 else script[0]


def _task(task_id: str, state: str, *, map_index: int = -1, try_number: int = 1) -> TaskInstance:
    return TaskInstance(task_id=task_id, map_index=map_index, state=state, try_number=try_number, seconds=2.0)


@pytest.fixture
def runs_of(tmp_path: Path) -> Callable[[ScriptedAirflow], tuple[DagRuns, io.StringIO]]:
    def build(airflow: ScriptedAirflow) -> tuple[DagRuns, io.StringIO]:
        output, clock = io.StringIO(), Clock()
        waiting = Waiting(dag_appears_seconds=20, run_ends_seconds=30, clock=lambda: clock.now, sleep=clock.sleep)
        layout = StackLayout(tmp_path, tmp_path / ".env")
        return DagRuns(airflow, layout, Console(file=output, width=300), waiting), output

    return build


def _lines(output: io.StringIO, words: Iterable[str]) -> list[str]:
    return [line for line in output.getvalue().splitlines() if all(word in line for word in words)]


def test_run_is_started_once_airflow_has_read_the_dag(runs_of):
    airflow = ScriptedAirflow(dag_appears_after=3)
    runs, _ = runs_of(airflow)
    assert runs.start("ingest_csv", params={"key": "a.csv"}, note="test") == CSV
    assert airflow.unpaused == ["ingest_csv"]
    assert airflow.triggered == [("ingest_csv", {"key": "a.csv"})]


def test_dag_that_does_not_appear_is_told_with_what_is_wrong_in_the_files(runs_of):
    airflow = ScriptedAirflow(dag_appears_after=1_000, import_errors=["ingest.py: SyntaxError"])
    runs, _ = runs_of(airflow)
    with pytest.raises(DagMissingError, match=r"ingest\.py: SyntaxError") as caught:
        runs.start("ingest_csv", params={}, note="test")
    assert "dag-processor.log" in caught.value.remedy
    assert airflow.triggered == []


def test_each_task_that_ends_is_told_once(runs_of):
    airflow = ScriptedAirflow(
        runs=[(CSV, ["running", "running", "success"]), (JSONL, ["running", "success"])],
        tasks=[
            (CSV, [[_task("plan", "running")], [_task("plan", "success")]]),
            (JSONL, [[_task("load.stage", "success", map_index=4)]]),
        ],
    )
    runs, output = runs_of(airflow)
    tasks = runs.follow([CSV, JSONL])
    assert tasks[CSV] == [_task("plan", "success")]
    assert len(_lines(output, ["ingest_csv", "plan", "success", "2.0 s"])) == 1
    assert len(_lines(output, ["ingest_jsonl", "load.stage[4]", "success"])) == 1


def test_failed_run_names_the_failed_tasks_with_their_logs_and_not_what_only_followed(runs_of, tmp_path):
    tasks = [
        _task("plan", "success"),
        _task("load.insert", "failed", map_index=2, try_number=3),
        _task("report", "upstream_failed"),
    ]
    runs, _ = runs_of(ScriptedAirflow(runs=[(CSV, ["failed"])], tasks=[(CSV, [tasks])]))
    with pytest.raises(RunFailedError, match="ingest_csv failed") as caught:
        runs.follow([CSV])
    log = (
        tmp_path / "airflow/logs/dag_id=ingest_csv/run_id=manual__1/task_id=load.insert/map_index=2/attempt=3.log"
    )
    assert f"load.insert[2] is failed: {log}" in caught.value.problem
    assert "report" not in caught.value.problem
    assert "http://airflow/dags/ingest_csv/runs/manual__1" in caught.value.remedy


def test_retried_task_is_told_while_it_waits(runs_of):
    airflow = ScriptedAirflow(
        runs=[(CSV, ["running", "success"])],
        tasks=[(CSV, [[_task("plan", "up_for_retry")], [_task("plan", "success", try_number=2)]])],
    )
    runs, output = runs_of(airflow)
    runs.follow([CSV])
    assert len(_lines(output, ["tries it again", "task_id=plan", "attempt=1.log"])) == 1


def test_run_that_does_not_end_is_given_up_with_what_it_waits_for(runs_of):
    airflow = ScriptedAirflow(
        runs=[(CSV, ["success"]), (JSONL, ["running"])], tasks=[(JSONL, [[_task("wait", "deferred")]])]
    )
    runs, _ = runs_of(airflow)
    with pytest.raises(RunFailedError, match="has not ended after 31 s") as caught:
        runs.follow([CSV, JSONL])
    assert caught.value.dag_id == "ingest_jsonl"
    assert "wait is deferred" in caught.value.problem
