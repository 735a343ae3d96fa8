"""How fast files become rows of bronze: from "the object is in S3" to "its ledger row is written".

    make bench-files                                   every case, on engines of the run's own
    .venv/bin/python -m bench.files --case jsonl_1m --stack clone

A case's time begins when a load is called in a process that runs already, and ends with the last ledger row; plan,
reading, merge, verification and ledger are in it, the putting of the objects is not. Engines and worker share the
machine's processors. A run counts only if the certificate is clean after it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice
from pathlib import Path

import click
import psutil
from rich.console import Console

import feed
from bench.engines import FOR_FILES, engines_of, stack_option
from bench.feeds import feed_files, options_of
from bench.report import Case, console, machine, table, write_report
from bench.worker import Measured, in_worker
from lakehouse.certificate import read_certificate
from lakehouse.contracts import FilesContract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.attempt import Manifest
from lakehouse.load.files import load_files
from lakehouse.load.protocol import Step, StepDone
from lakehouse.settings import Settings
from lakehouse.sources import read_source
from lakehouse.statements import render
from lakehouse.store import ObjectStore, store_of
from lakehouse.tables.creation import create_tables
from stack.processes import stack_processes

VALUES_CASE = "values_by_100"
_VALUES_ROWS = 3_000
_ROWS_OF_A_STATEMENT = 100
_PUTS_AT_ONCE = 8
_NOTES = (
    "seconds: wall time from the call of the load to its last ledger row, of several runs the median",
    "peak_rss_mb: resident memory of the loading process and its children, summed, sampled every 50 ms",
    "read_seconds ends when the staging table is there, verified_seconds when bronze was counted after the merge",
    "worker_cpu_seconds and engines_cpu_seconds: of all threads, of the same run",
    "values_by_100: the guide's way, INSERT … VALUES of 100 rows a statement; ratio: its rows/s to those of jsonl",
)


@dataclass(frozen=True)
class FileCase:
    """A feed in one format, loaded in one sweep.

    :param runs: of which the median counts; each has objects of its own.
    """

    name: str
    source: str
    records: int
    file_format: feed.Format
    files: int = 1
    runs: int = 3


CASES = (
    FileCase("jsonl_1m", "pgr_events_jsonl", 1_000_000, feed.Format.JSONL),
    FileCase("csv_1m", "pgr_events_csv", 1_000_000, feed.Format.CSV),
    FileCase("parquet_1m", "pgr_events_parquet", 1_000_000, feed.Format.PARQUET),
    FileCase("jsonl_10m", "pgr_events_jsonl", 10_000_000, feed.Format.JSONL, runs=1),
    FileCase("small_files", "pgr_events_jsonl", 200_000, feed.Format.JSONL, files=2_000),
)
_WARM_UP = FileCase("warm_up", "pgr_events_jsonl", 200_000, feed.Format.JSONL, runs=4)
_NAMES = [*(case.name for case in CASES), VALUES_CASE]


@dataclass(frozen=True)
class LoadTimes:
    """What a load did, and when, in seconds from its call."""

    records: int
    read: float
    merged: float
    verified: float
    recorded: float
    dropped: float
    cpu: float


class DirtyCertificateError(click.ClickException):
    """What was loaded is not all there once."""


class CountError(click.ClickException):
    """Not as many records were loaded as were generated."""


@click.command(help=__doc__.partition("\n")[0])
@click.option("--case", "names", type=click.Choice(_NAMES), multiple=True, help="May be repeated; else all.")
@click.option("--runs", type=click.IntRange(1), help="Runs of each case, instead of its own number.")
@stack_option
def main(names: tuple[str, ...], runs: int | None, choice: str) -> None:
    """Measure, print and write ``bench/results/files.json``."""
    output = console()
    chosen = [
        case if runs is None else replace(case, runs=runs) for case in CASES if case.name in (names or _NAMES)
    ]
    for case in [_WARM_UP, *chosen]:
        output.print(f"Feed of {case.name}: {sum(path.stat().st_size for path in files_of(case)):,} bytes")
    measured_on = machine()
    with engines_of(choice, FOR_FILES, output):
        bench = FilesBench(output)
        cases = [bench.measure(case) for case in chosen]
        if VALUES_CASE in (names or _NAMES):
            cases.append(bench.measure_values(cases))
    output.print(table("From object to ledger row", cases))
    output.print(f"Written: {write_report('files', cases, notes=_NOTES, machine_before=measured_on)}")


class FilesBench:
    """The cases on running engines."""

    def __init__(self, output: Console) -> None:
        self._output = output
        settings = Settings.from_environment()
        self._names = settings.names
        self._engine = TrinoEngine(connect_with(settings, source="lakehouse-bench"))
        self._store = store_of(settings)
        create_tables(self._engine, names=settings.names)
        # The engines compile what they run often; nobody wants to measure that.
        self.measure(_WARM_UP)

    def measure(self, case: FileCase) -> Case:
        """Load the case as often as it says."""
        paths = files_of(case)
        runs = [self._run(case, paths, number) for number in range(case.runs)]
        # Of an even number the faster of the two in the middle.
        middle = sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]
        seconds = [round(run.seconds, 2) for run in runs]
        peak = max(run.peak_rss_mb or 0 for run in runs)
        return replace(middle, peak_rss_mb=peak, details={**middle.details, "runs": seconds})

    def _run(self, case: FileCase, paths: Sequence[Path], number: int) -> Case:
        prefix = f"staging/bench/{case.name}/{time.time_ns()}/"
        put_all(paths, store=self._store, bucket=self._names.bucket, prefix=prefix)
        cpu_before = engines_cpu_seconds()
        measured = in_worker(load, case.source, f"{prefix}pgr_events_*")
        engines_cpu = engines_cpu_seconds() - cpu_before
        times = measured.result
        if times.records != case.records:
            raise CountError(f"{case.name}: {times.records:,} records were loaded of {case.records:,}")
        if not read_certificate(self._engine).is_clean:
            raise DirtyCertificateError(f"{case.name}: the certificate is not clean; see `lakehouse certificate`")
        self._store.delete_prefix(bucket=self._names.bucket, prefix=prefix)
        found = case_of(case, paths, measured, engines_cpu=engines_cpu)
        self._output.print(
            f"{case.name}, run {number + 1} of {case.runs}: {found.seconds:.2f} s, "
            f"{found.rows_per_second:,.0f} rows/s, {found.peak_rss_mb:,.0f} MB"
        )
        return found

    def measure_values(self, cases: Sequence[Case]) -> Case:
        """The same events by ``INSERT … VALUES``, a hundred at a time."""
        columns, rows = values_of(files_of(_WARM_UP)[0], count=_VALUES_ROWS)
        begun = time.monotonic()
        for first in range(0, len(rows), _ROWS_OF_A_STATEMENT):
            self._engine.execute(
                render(
                    "bench/insert_values.sql",
                    target=read_source(_WARM_UP.source).contract.target,
                    columns=columns,
                    rows=rows[first : first + _ROWS_OF_A_STATEMENT],
                )
            )
        found = Case(case=VALUES_CASE, rows=len(rows), seconds=time.monotonic() - begun)
        ratios = {
            f"{case.case}_ratio": round(case.rows_per_second / found.rows_per_second, 1)
            for case in cases
            if case.case == "jsonl_1m"
        }
        return replace(found, details=ratios)


def load(source: str, pattern: str) -> LoadTimes:
    """Load what matches, in this process."""
    settings = Settings.from_environment()
    found = read_source(source)
    if not isinstance(found.contract, FilesContract):
        raise TypeError(f"{source} is not a source of files")
    # The landing prefix of a contract has no folders; those of the runs keep them apart.
    origin = found.contract.origin.model_copy(update={"key": "staging/bench/*/*/pgr_events_*"})
    contract = found.contract.model_copy(update={"origin": origin})
    engine, store = TrinoEngine(connect_with(settings, source="lakehouse-bench")), store_of(settings)
    begun = time.monotonic()
    ended: dict[str, float] = {}

    def note(name: str) -> None:
        ended[name] = time.monotonic() - begun

    def on_staged(_manifest: Manifest) -> None:
        note("read")

    def on_step(done: StepDone) -> None:
        note(done.step)

    reports = list(
        load_files(
            contract, table=found.table, engine=engine, store=store, names=settings.names, pattern=pattern,
            run="bench", on_staged=on_staged, on_step=on_step,
        )
    )  # fmt: skip
    note("dropped")
    times = os.times()
    return LoadTimes(
        records=sum(report.records for report in reports),
        read=ended["read"],
        merged=ended[Step.ROWS],
        verified=ended[Step.VERIFY],
        recorded=ended[Step.RECORD],
        dropped=ended["dropped"],
        cpu=times.user + times.system + times.children_user + times.children_system,
    )


def case_of(case: FileCase, paths: Sequence[Path], measured: Measured[LoadTimes], *, engines_cpu: float) -> Case:
    """A run as a case."""
    times = measured.result
    return Case(
        case=case.name,
        rows=times.records,
        seconds=times.recorded,
        source_bytes=sum(path.stat().st_size for path in paths),
        peak_rss_mb=measured.peak_rss_mb,
        details={
            "read_seconds": round(times.read, 2),
            "merged_seconds": round(times.merged, 2),
            "verified_seconds": round(times.verified, 2),
            "dropped_seconds": round(times.dropped, 2),
            "worker_cpu_seconds": round(times.cpu, 2),
            "engines_cpu_seconds": round(engines_cpu, 2),
        },
    )


def engines_cpu_seconds() -> float:
    """CPU seconds that the engines have used so far."""
    directory = Path(os.environ["LAKEHOUSE_ACTIVE_STACK"])
    total = 0.0
    for process in stack_processes(directory):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def files_of(case: FileCase) -> list[Path]:
    """The feed of a case."""
    options = options_of(records=case.records, file_format=case.file_format, files=case.files, bad=0.002)
    return feed_files(options)


def put_all(paths: Sequence[Path], *, store: ObjectStore, bucket: str, prefix: str) -> None:
    """Put files into the store, some at a time."""

    def put(path: Path) -> None:
        store.put_file(path, bucket=bucket, key=f"{prefix}{path.name}")

    with ThreadPoolExecutor(_PUTS_AT_ONCE) as pool:
        list(pool.map(put, paths))


def values_of(path: Path, *, count: int) -> tuple[tuple[str, ...], list[list[object]]]:
    """Some events of a JSON lines file, as somebody would type them."""
    types: dict[str, Callable[[str], object]] = {
        "event_date": date.fromisoformat,
        "event_time": lambda text: datetime.fromisoformat(text).replace(tzinfo=None),
    }
    columns = tuple(column.name for column in read_source(_WARM_UP.source).table.columns)

    def value_of(event: dict[str, object], name: str) -> object:
        value = event.get(name)
        if value is None:
            return None
        text = value if isinstance(value, str) else json.dumps(value)
        return types[name](text) if name in types else text

    events = islice(good_events(path), count)
    return columns, [[value_of(event, name) for name in columns] for event in events]


def good_events(path: Path) -> Iterator[dict[str, object]]:
    """The undamaged events of a JSON lines file."""
    with path.open("rb") as lines:
        for line in lines:
            try:
                event = json.loads(line)
                datetime.fromisoformat(event["event_time"])
                date.fromisoformat(event["event_date"])
            except (ValueError, TypeError, KeyError):
                continue
            yield event


if __name__ == "__main__":
    main()
