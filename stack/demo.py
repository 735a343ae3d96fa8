"""The demonstration: ``make demo``."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

import feed
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.errors import LakehouseError
from lakehouse.identity import ObjectVersion
from lakehouse.load.ledger import Ledger
from lakehouse.settings import Settings
from lakehouse.store import ObjectStore, store_of
from lakehouse.tables.creation import create_tables
from stack.airflow_api import AirflowApi
from stack.dag_runs import DagRuns
from stack.demo_account import Comparison, Found, compare, differences, read_found
from stack.errors import DemoDiffersError, StackError
from stack.layout import StackLayout
from stack.lifecycle import Stack

#: Days and seed of its own, so that its files are never those of a feed that somebody makes with the defaults.
FEED = feed.Options(
    events=20_000,
    seed=7,
    start=date(2026, 9, 1),
    days=30,
    duplicates=0.02,
    bad=0.005,
    formats=(feed.Format.CSV, feed.Format.JSONL),
    files=6,
)
LANDING_PREFIX = "staging/"
_PIPE_WIDTH = 120

WHAT_NEXT = """
The stack goes on running.
  Airflow           {url}
                    user {user}, password: grep AIRFLOW_PASSWORD {environment_file}
  This shell        source {activate}
                    lakehouse sql "select * from iceberg.bronze.open_rejects limit 10"
                    lakehouse certificate
                    lakehouse put pgr_events_mine.csv
  The same again    make demo                       0 new rows
  The engine        make verify-engine              tries what the promise of no doubles rests on
  Stop              make down                       the data stays"""


@click.command()
def demo() -> None:
    """Load a generated feed through Airflow and prove what arrived."""
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PIPE_WIDTH)
    Demonstration(stack=Stack(StackLayout.of_environment(), console), options=FEED).run()


@dataclass(frozen=True)
class Demonstration:
    """A generated feed on its way through the whole stack, and the proof that it arrived.

    It may be run again: the same files are put again, and nothing doubles.

    :param options: which feed; another one needs days of its own.
    """

    stack: Stack
    options: feed.Options
    _seconds: dict[str, float] = field(default_factory=dict)

    @property
    def _console(self) -> Console:
        return self.stack.console

    def run(self) -> None:
        """Do everything, and leave the stack running.

        :raises DemoDiffersError: a number in the lakehouse is not the one that was generated.
        :raises StackError: something on the way failed, or did not end in time.
        """
        try:
            with self._part("Start the engines"):
                self.stack.up()
            settings = Settings.from_environment(self.stack.environment())
            engine = TrinoEngine(connect_with(settings, source="lakehouse-demo"))
            with self._part("Create or upgrade the tables"):
                for change in create_tables(engine, names=settings.names):
                    self._console.print(f"  {change}")
            with self._part("Generate a feed of complaint events"):
                truth = self._generate()
            with self._part("Put it into S3"):
                versions = self._put(truth, store=store_of(settings), bucket=settings.names.bucket)
            before = self._found(engine, versions)
            with self._part("Load it through Airflow"):
                self._load()
            with self._part("Count what arrived"):
                found = self._found(engine, versions)
        except LakehouseError as error:
            raise StackError(error.problem, remedy=error.remedy) from error
        self._prove(truth, before=before, found=found)
        self._tell_what_next()

    def _generate(self) -> feed.Truth:
        directory = self._directory
        # An earlier version of this program may have left another feed.
        shutil.rmtree(directory, ignore_errors=True)
        truth = feed.write(self.options, directory)
        total = truth.total
        self._console.print(
            f"  {total.records:,} records in {len(truth.files)} files: {total.distinct_events:,} events of "
            f"{truth.cases.cases:,} complaints, {total.duplicates:,} delivered twice,\n"
            f"  {total.late:,} late, {total.out_of_order:,} out of order, and {sum(total.rejects.values()):,} "
            f"damaged copies; {os.path.relpath(directory / feed.TRUTH_FILE_NAME)}"
        )
        return truth

    def _put(self, truth: feed.Truth, *, store: ObjectStore, bucket: str) -> dict[str, ObjectVersion]:
        versions = {}
        for file in truth.files:
            path, key = self._directory / file.name, f"{LANDING_PREFIX}{file.name}"
            store.put_file(path, bucket=bucket, key=key)
            versions[file.name] = store.head(bucket=bucket, key=key)
            self._console.print(f"  {versions[file.name].uri}  {versions[file.name].size:,} bytes")
        return versions

    def _load(self) -> None:
        settings = self.stack.settings()
        api = AirflowApi(
            url=settings["AIRFLOW_URL"], user=settings["AIRFLOW_USER"], password=settings["AIRFLOW_PASSWORD"]
        )
        api.sign_in()
        runs = DagRuns(api, self.stack.layout, self._console)
        # Only this feed's files: what else lies in the landing prefix is its owner's to load.
        key = f"{LANDING_PREFIX}pgr_events_{self.options.start:%Y%m%d}_*"
        started = [
            runs.start(
                f"ingest_files__pgr_events_{file_format}",
                params={"key": f"{key}.{file_format}", "wait_minutes": 1},
                note="make demo",
            )
            for file_format in self.options.formats
        ]
        for run in started:
            self._console.print(f"  started {api.run_page(run.dag_id, run.run_id)}")
        for run, tasks in runs.follow(started).items():
            if any(task.task_id == "report" and task.state == "skipped" for task in tasks):
                self._console.print(
                    f"  {run.dag_id}: nothing was left to load, the ledger has these files already"
                )

    @staticmethod
    def _found(engine: TrinoEngine, versions: dict[str, ObjectVersion]) -> Found:
        registered = Ledger(engine=engine).progress([version.digest for version in versions.values()])
        source_ids = {
            name: registered[version.digest].source_id
            for name, version in versions.items()
            if version.digest in registered
        }
        return read_found(engine, source_ids=source_ids)

    def _prove(self, truth: feed.Truth, *, before: Found, found: Found) -> None:
        comparisons = compare(truth, found)
        self._console.print()
        for comparison in comparisons:
            self._console.print(_comparison_table(comparison))
        self._console.print(_certificate_table(found))
        new = found.bronze_rows - before.bronze_rows
        again = "; the feed was there already" if before.bronze_rows else ""
        self._console.print(f"New rows in bronze of this run: [bold]{new:,}[/bold]{again}.")
        if wrong := differences(comparisons, found):
            raise DemoDiffersError(differences=wrong)
        self._console.print("[bold green]Everything that was generated has arrived, once.")

    def _tell_what_next(self) -> None:
        settings = self.stack.settings()
        times = Table("Part", "Seconds", title="Time", title_justify="left", box=None)
        times.columns[1].justify = "right"
        for title, seconds in self._seconds.items():
            times.add_row(title, f"{seconds:.1f}")
        times.add_row("[bold]Together", f"[bold]{sum(self._seconds.values()):.1f}")
        activate = os.path.relpath(self.stack.layout.activation_script)
        self._console.print()
        self._console.print(times)
        self._console.print(
            WHAT_NEXT.format(
                url=settings["AIRFLOW_URL"],
                user=settings["AIRFLOW_USER"],
                environment_file=os.path.relpath(self.stack.layout.environment_file),
                activate=activate,
            ),
            soft_wrap=True,
        )

    @property
    def _directory(self) -> Path:
        return self.stack.layout.data / "demo"

    @contextmanager
    def _part(self, title: str) -> Iterator[None]:
        self._console.print(f"[bold]{title}")
        started = time.monotonic()
        yield
        self._seconds[title] = time.monotonic() - started
        self._console.print(f"  [dim]{self._seconds[title]:.1f} s")


def _comparison_table(comparison: Comparison) -> Table:
    table = Table(comparison.title, "Generated", "In the lakehouse", "", box=None, header_style="bold")
    table.columns[0].min_width = 34
    table.columns[1].justify = table.columns[2].justify = "right"
    for figure in comparison.figures:
        verdict = "[green]=" if figure.agrees else "[bold red]DIFFERS"
        table.add_row(figure.name, f"{figure.generated:,}", f"{figure.found:,}", verdict)
    table.add_row()
    return table


def _certificate_table(found: Found) -> Table:
    table = Table("Certificate", box=None, header_style="bold")
    for name in ("Read", "= In bronze", "+ Rejected", "Gaps", "Overlaps", "Doubled"):
        table.add_column(name, justify="right")
    table.add_column("")
    table.columns[0].min_width = 34
    for name, account in found.accounts.items():
        table.add_row(
            name,
            f"{account.records_read:,}",
            f"{account.bronze_rows:,}",
            f"{account.open_rejects:,}",
            str(account.gap_positions),
            str(account.overlap_positions),
            str(account.doubled_rows),
            f"[bold red]{account.problems}" if account.problems else "[green]clean",
        )
    table.add_row()
    return table
