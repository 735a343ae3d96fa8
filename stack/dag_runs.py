"""Starting runs of DAGs and following them to their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from stack.airflow_api import AirflowApi, TaskInstance
from stack.errors import DagMissingError, RunFailedError
from stack.layout import StackLayout

#: New DAG files are read every ten seconds; the first reading imports Airflow and its providers.
DAG_APPEARS_SECONDS = 120
RUN_ENDS_SECONDS = 600
PAUSE_SECONDS = 1.0

_GOOD = frozenset({"success", "skipped"})
_BAD = frozenset({"failed", "upstream_failed", "up_for_retry"})


@dataclass(frozen=True)
class DagRun:
    """A run that was started."""

    dag_id: str
    run_id: str


@dataclass(frozen=True)
class Waiting:
    """How long to wait for Airflow, and by which clock.

    :param sleep: takes seconds.
    """

    dag_appears_seconds: float = DAG_APPEARS_SECONDS
    run_ends_seconds: float = RUN_ENDS_SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class DagRuns:
    """Runs DAGs of a stack's Airflow, and shows how far they are."""

    api: AirflowApi
    layout: StackLayout
    console: Console
    waiting: Waiting = field(default_factory=Waiting)

    def start(self, dag_id: str, *, params: dict[str, object], note: str) -> DagRun:
        """Start a run as soon as Airflow has read the DAG; DagMissingError when it does not in time."""
        started = self.waiting.clock()
        with self.console.status(f"Waiting until Airflow has read {dag_id}"):
            while not self.api.has_dag(dag_id):
                waited = self.waiting.clock() - started
                if waited > self.waiting.dag_appears_seconds:
                    raise DagMissingError(
                        dag_id=dag_id,
                        seconds=waited,
                        import_errors=self.api.import_errors(),
                        log=self.layout.logs / "dag-processor.log",
                    )
                self.waiting.sleep(PAUSE_SECONDS)
        self.api.unpause(dag_id)
        return DagRun(dag_id=dag_id, run_id=self.api.trigger(dag_id, params=params, note=note))

    def follow(self, runs: Sequence[DagRun]) -> dict[DagRun, list[TaskInstance]]:
        """Return the tasks of every run when all have succeeded, with a line for each task that ends on the way.

        RunFailedError as soon as one has failed, or when one has not ended in time.
        """
        started = self.waiting.clock()
        told: set[tuple[object, ...]] = set()
        width = max(len(run.dag_id) for run in runs)
        tasks: dict[DagRun, list[TaskInstance]] = {}
        unfinished = list(runs)
        with self.console.status("Waiting for Airflow") as status:
            while unfinished:
                # The state first: what ended before it was asked for is among the tasks asked for after.
                states = {run: self.api.run_state(run.dag_id, run.run_id) for run in unfinished}
                tasks |= {run: self.api.task_instances(run.dag_id, run.run_id) for run in unfinished}
                for run in unfinished:
                    self._tell(run, tasks[run], told, width=width)
                    if states[run] == "failed":
                        raise self._failure(run, tasks[run], "failed")
                unfinished = [run for run in unfinished if states[run] != "success"]
                waited = self.waiting.clock() - started
                if unfinished and waited > self.waiting.run_ends_seconds:
                    run = unfinished[0]
                    raise self._failure(run, tasks[run], f"has not ended after {waited:.0f} s")
                if unfinished:
                    status.update(escape(f"{waited:.0f} s: {_summary(unfinished, tasks)}"))
                    self.waiting.sleep(PAUSE_SECONDS)
        return tasks

    def _tell(
        self, run: DagRun, tasks: Sequence[TaskInstance], told: set[tuple[object, ...]], *, width: int
    ) -> None:
        for task in tasks:
            news = (run, task.task_id, task.map_index, task.try_number, task.state)
            if task.state in _GOOD | _BAD and news not in told:
                told.add(news)
                colour = "green" if task.state in _GOOD else "red"
                seconds = f"{task.seconds:6.1f} s" if task.seconds and task.state == "success" else ""
                name = f"  {run.dag_id:<{width}}  {_name(task):<16}"
                self.console.print(f"{escape(name)}[{colour}]{task.state:<8}[/{colour}]{seconds}")
                if task.state == "up_for_retry":
                    self.console.print(f"    Airflow tries it again; its log: {self.log(run, task)}")

    def _failure(self, run: DagRun, tasks: Sequence[TaskInstance], reason: str) -> RunFailedError:
        return RunFailedError(
            dag_id=run.dag_id,
            run_id=run.run_id,
            reason=reason,
            tasks=[
                f"{_name(task)} is {task.state}: {self.log(run, task)}"
                for task in tasks
                # What failed only because of another has no log.
                if task.state not in _GOOD | {"none", "upstream_failed"}
            ],
            page=self.api.run_page(run.dag_id, run.run_id),
        )

    def log(self, run: DagRun, task: TaskInstance) -> Path:
        """Return where Airflow writes what a task's last attempt says."""
        directory = (
            self.layout.airflow_home
            / "logs"
            / f"dag_id={run.dag_id}"
            / f"run_id={run.run_id}"
            / f"task_id={task.task_id}"
        )
        if task.map_index >= 0:
            directory /= f"map_index={task.map_index}"
        return directory / f"attempt={max(task.try_number, 1)}.log"


def _name(task: TaskInstance) -> str:
    return task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"


def _summary(runs: Sequence[DagRun], tasks: dict[DagRun, list[TaskInstance]]) -> str:
    parts = []
    for run in runs:
        active = [
            f"{_name(task)} {task.state}" for task in tasks[run] if task.state not in _GOOD | _BAD | {"none"}
        ]
        parts.append(f"{run.dag_id} {', '.join(active) or 'between two tasks'}")
    return "; ".join(parts)
