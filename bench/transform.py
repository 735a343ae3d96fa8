"""How long ``transform_events`` takes, from its start to its end, in Airflow, with every engine running.

    make bench-transform                                        every case, on a stack of the run's own
    .venv/bin/python -m bench.transform --case late_1k_into_empty

A case's time is that of its DAG run, from being queued to its end, as Airflow has it; what it takes was loaded
before. A run counts only if silver then has as many rows as bronze.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console

from bench.engines import stack_of, stack_option
from bench.report import Case, console, machine, table, write_report
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.files import load_files
from lakehouse.settings import Settings
from lakehouse.sources import read_source
from lakehouse.statements import render
from lakehouse.store import store_of
from lakehouse.tables.creation import create_tables
from stack.airflow_api import AirflowApi
from stack.dag_runs import DagRuns, Waiting
from stack.lifecycle import Stack

DAG = "transform_events"
SOURCE = "pgr_events_jsonl"
BRONZE = "iceberg.bronze.service_events_raw"
SILVER = "iceberg.silver.silver_pgr_events"
_START = datetime(2026, 3, 1, tzinfo=UTC)
_DAYS = 180
#: Of ten cases nine have five events and one has three.
_EVENTS_OF_A_CASE = 4.8
_LARGE_EVENTS = 5_000_000
_NEW_EVENTS = 100_000
_LATE_EVENTS = 1_000
_THOUSANDS_A_STATEMENT = 100
#: The clock starts runs too; none may come between a load and its run.
_TICK = timedelta(minutes=15)
_CLEAR_OF_TICK = timedelta(seconds=30)
_RUN_ENDS_SECONDS = 3600
NAMES = ("new_100k", "late_1k_into_empty", "late_1k_into_5m", "full_rebuild_5m")
_NOTES = (
    "seconds: of the DAG run, from queued to ended, of several runs the median; the engines share the processors",
    "late: events of cases spread over 180 days, one file, loaded before; empty: silver has nothing else at first",
    "task_seconds: the tasks of the run, summed; longest_task: the one that took most of it",
)


class RowsMissingError(click.ClickException):
    """Silver does not have what bronze has."""


@dataclass(frozen=True)
class TimedRun:
    """A DAG run that ended well."""

    seconds: float
    tasks: int
    task_seconds: float
    longest_task: str


@click.command(help=__doc__.partition("\n")[0])
@click.option("--case", "names", type=click.Choice(NAMES), multiple=True, help="May be repeated; else all.")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Runs of the short cases.")
@click.option(
    "--events", type=click.IntRange(10_000), default=_LARGE_EVENTS, show_default=True, help="In place of 5M."
)
@stack_option
def main(names: tuple[str, ...], runs: int, events: int, choice: str) -> None:
    """Measure, print and write ``bench/results/transform.json``."""
    output = console()
    measured_on = machine()
    stack, remove = stack_of(choice, output)
    try:
        stack.up()
        cases = list(TransformBench(stack, output).measure(names or NAMES, runs=runs, events=events))
    finally:
        remove()
    output.print(table("The DAG of silver and gold", cases))
    output.print(f"Written: {write_report('transform', cases, notes=_NOTES, machine_before=measured_on)}")


@dataclass
class TransformBench:
    """The cases, one after the other on one stack: first on little, then on much."""

    stack: Stack
    output: Console
    _late: int = field(default=0, init=False)
    _new: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._settings = Settings.from_environment(self.stack.environment())
        self._engine = TrinoEngine(connect_with(self._settings, source="lakehouse-bench"))
        create_tables(self._engine, names=self._settings.names)
        environment = self.stack.settings()
        api = AirflowApi(
            url=environment["AIRFLOW_URL"],
            user=environment["AIRFLOW_USER"],
            password=environment["AIRFLOW_PASSWORD"],
        )
        api.sign_in()
        waiting = Waiting(run_ends_seconds=_RUN_ENDS_SECONDS)
        self._runs = DagRuns(api, self.stack.layout, Console(quiet=True), waiting=waiting)

    def measure(self, names: Sequence[str], *, runs: int, events: int) -> Iterator[Case]:
        """The chosen cases, in the order in which the tables grow."""
        # dbt reads the project, and the engines compile what they run; nobody wants to measure that.
        self._run()
        if "late_1k_into_empty" in names:
            yield self._case("late_1k_into_empty", _LATE_EVENTS, [self._late_run() for _ in range(runs)])
        if "new_100k" in names:
            yield self._case("new_100k", _NEW_EVENTS, [self._new_run() for _ in range(runs)])
        if {"full_rebuild_5m", "late_1k_into_5m"}.isdisjoint(names):
            return
        self._fill(events)
        rebuilt = self._case("full_rebuild_5m", events, [self._run(full_refresh=True)])
        if "full_rebuild_5m" in names:
            yield rebuilt
        if "late_1k_into_5m" in names:
            yield self._case("late_1k_into_5m", _LATE_EVENTS, [self._late_run() for _ in range(runs)])

    def _case(self, name: str, rows: int, timed: Sequence[TimedRun]) -> Case:
        middle = sorted(timed, key=lambda run: run.seconds)[(len(timed) - 1) // 2]
        self.output.print(f"{name}: {statistics.median_low(run.seconds for run in timed):.1f} s")
        return Case(
            case=name,
            rows=rows,
            seconds=middle.seconds,
            details={
                "tasks": middle.tasks,
                "task_seconds": round(middle.task_seconds, 1),
                "longest_task": middle.longest_task,
                "runs": [round(run.seconds, 1) for run in timed],
            },
        )

    def _late_run(self) -> TimedRun:
        """One more event of each of a thousand cases, as late as the case is old."""
        self._late += 1
        step = 997
        lines = [late_event(number * step, attempt=self._late) for number in range(_LATE_EVENTS)]
        self._wait_for_a_clear_while()
        self._load(f"late_{self._late}", lines)
        return self._run()

    def _new_run(self) -> TimedRun:
        """Whole lives of cases that nobody has heard of."""
        self._new += 1
        first = 10_000_000 * self._new
        numbers = range(first, first + _NEW_EVENTS // 4)
        lines = [line for number in numbers for line in new_life(number)]
        self._wait_for_a_clear_while()
        self._load(f"new_{self._new}", lines)
        return self._run()

    def _fill(self, events: int) -> None:
        thousands = round(events / _EVENTS_OF_A_CASE / 1000)
        begun = time.monotonic()
        for first in range(0, thousands, _THOUSANDS_A_STATEMENT):
            self._engine.execute(
                render(
                    "bench/insert_lives.sql",
                    bronze=BRONZE,
                    first_thousand=first,
                    next_thousand=min(first + _THOUSANDS_A_STATEMENT, thousands),
                    days=_DAYS,
                    start=f"{_START:%Y-%m-%d %H:%M:%S}",
                )
            )
        self.output.print(f"{thousands * 1000:,} cases in bronze after {time.monotonic() - begun:.0f} s")

    def _load(self, name: str, lines: Sequence[str]) -> None:
        names, source, store = self._settings.names, read_source(SOURCE), store_of(self._settings)
        key = f"staging/pgr_events_bench_{time.time_ns()}_{name}.jsonl"
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "events.jsonl"
            path.write_text("".join(lines), encoding="utf-8")
            store.put_file(path, bucket=names.bucket, key=key)
        loads = load_files(
            source.contract,
            table=source.table,
            engine=self._engine,
            store=store,
            names=names,
            pattern=key,
            run="bench",
        )
        loaded = sum(report.records for report in loads)
        store.delete_prefix(bucket=names.bucket, prefix=key)
        if loaded != len(lines):
            raise RowsMissingError(f"{loaded:,} records were loaded of {len(lines):,}")

    def _run(self, **params: object) -> TimedRun:
        run = self._runs.start(DAG, params=params, note="bench")
        [tasks] = self._runs.follow([run]).values()
        bronze, silver = (
            self._engine.execute(render("bench/count_silver.sql", silver=name)).scalar for name in (BRONZE, SILVER)
        )
        if bronze != silver:
            raise RowsMissingError(f"silver has {silver:,} rows, bronze {bronze:,}")
        ran = [task for task in tasks if task.seconds is not None]
        longest = max(ran, key=lambda task: task.seconds or 0)
        return TimedRun(
            seconds=self._runs.api.run_seconds(run.dag_id, run.run_id),
            tasks=len(ran),
            task_seconds=sum(task.seconds or 0 for task in ran),
            longest_task=f"{longest.task_id} {longest.seconds:.1f}",
        )

    @staticmethod
    def _wait_for_a_clear_while() -> None:
        now = datetime.now(UTC)
        into = timedelta(minutes=now.minute % 15, seconds=now.second)
        if _TICK - into < _CLEAR_OF_TICK:
            time.sleep((_TICK - into + _CLEAR_OF_TICK).total_seconds())


def late_event(number: int, *, attempt: int) -> str:
    """A line: one more comment on a case, a day after it was submitted."""
    submitted = _START + timedelta(days=number % _DAYS, seconds=number * 7919 % 86400)
    return _line(number, "CaseComment", "IN_PROGRESS", submitted + timedelta(hours=24), f"late-{attempt}")


def new_life(number: int) -> Iterator[str]:
    """The four lines of a case that was resolved and closed."""
    submitted = _START + timedelta(days=number % _DAYS, seconds=number * 7919 % 86400)
    for step, (event_type, status, hours) in enumerate(
        [
            ("CaseSubmitted", "OPEN", 0),
            ("CaseAssigned", "IN_PROGRESS", 5),
            ("CaseResolved", "RESOLVED", 47),
            ("CaseClosed", "CLOSED", 100),
        ]
    ):
        yield _line(number, event_type, status, submitted + timedelta(hours=hours), f"new-{step}")


def _line(number: int, event_type: str, status: str, at: datetime, event: str) -> str:
    record = {
        "event_date": f"{at:%Y-%m-%d}",
        "event_time": at.isoformat(),
        "tenant_id": ("pb.amritsar", "pb.jalandhar", "ke.nairobi")[number % 3],
        "service": "PGR",
        "entity_type": "complaint",
        "entity_id": f"PB-PGR-BENCH-{number:07d}",
        "event_type": event_type,
        "status": status,
        "channel": ("WEB", "MOBILE", "WHATSAPP")[number % 3],
        "ward_id": f"W{number % 40:02d}",
        "attributes_json": {"event_id": f"{number}-{event}", "complaint_type": "NoWaterSupply", "sla_hours": 48},
    }
    return json.dumps(record) + "\n"


if __name__ == "__main__":
    main()
