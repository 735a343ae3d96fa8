"""The demonstration: ``make demo``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import click
from rich.console import Console
from rich.table import Table

import feed
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse.tables.creation import create_tables
from stack.demo_files import FilesStep
from stack.demo_gold import GoldStep
from stack.demo_rows import RowsStep
from stack.demo_scene import DemoOutcome, DemoScene, DemoStep, Stopwatch
from stack.demo_stream import StreamStep
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
    formats=tuple(feed.Format),
    files=6,
)
#: Before the days of the files; messages come from other seeds than files.
STREAM = feed.Options(events=5_000, seed=11, start=date(2026, 8, 1), days=20, duplicates=0.02, bad=0.01)
#: What is shown, in this order. A step that is added here is timed, proved and told like the others.
STEPS: Sequence[DemoStep] = (FilesStep(FEED), StreamStep(STREAM), RowsStep(), GoldStep())
_PIPE_WIDTH = 120
_SAME_AGAIN = "make demo                       0 new rows"

WHAT_NEXT = """
The stack goes on running.
  Airflow           {url}
                    user {user}, password: grep AIRFLOW_PASSWORD {environment_file}
  This shell        source {activate}
                    lakehouse sql "select * from iceberg.bronze.open_rejects limit 10"
                    lakehouse certificate
                    lakehouse sql "select * from iceberg.gold.gold_pgr_kpis limit 10"
                    lakehouse put pgr_events_mine.csv
  The same again    {same_again}
  The engine        make verify-engine              tries what the promise of no doubles rests on
  Stop              make down                       the data stays"""


@click.command()
def demo() -> None:
    """Load a generated feed through Airflow and prove what arrived."""
    Demonstration(stack=Stack(StackLayout.of_environment(), demo_console()), steps=STEPS).run()


def demo_console() -> Console:
    """Where demonstrations are told."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_PIPE_WIDTH)


@dataclass(frozen=True)
class Demonstration:
    """Generated events on their ways through the whole stack, and the proof that they arrived.

    It may be run again: the same is sent again, and nothing doubles.

    :param steps: done one after the other.
    :param same_again: how to run it again, and what comes of it.
    """

    stack: Stack
    steps: Sequence[DemoStep]
    same_again: str = _SAME_AGAIN

    @property
    def _console(self) -> Console:
        return self.stack.console

    def run(self) -> None:
        """Do everything, and leave the stack running.

        :raises DemoDiffersError: a number in the lakehouse is not the one that was generated.
        :raises StackError: something on the way failed, or did not end in time.
        """
        clock = Stopwatch(self._console)
        try:
            scene = self._prepare(clock)
            outcomes = [step.run(scene) for step in self.steps]
        except LakehouseError as error:
            raise StackError(error.problem, remedy=error.remedy) from error
        self._prove(outcomes)
        self._tell_what_next(clock)

    def _prepare(self, clock: Stopwatch) -> DemoScene:
        with clock.part("Start the engines"):
            self.stack.up()
        settings = Settings.from_environment(self.stack.environment())
        engine = TrinoEngine(connect_with(settings, source="lakehouse-demo"))
        with clock.part("Create or upgrade the tables"):
            for change in create_tables(engine, names=settings.names):
                self._console.print(f"  {change}")
        return DemoScene(stack=self.stack, settings=settings, engine=engine, clock=clock)

    def _prove(self, outcomes: Sequence[DemoOutcome]) -> None:
        self._console.print()
        for outcome in outcomes:
            for shown in outcome.shown:
                self._console.print(shown)
        if wrong := [difference for outcome in outcomes for difference in outcome.differences]:
            raise DemoDiffersError(differences=wrong)
        self._console.print("[bold green]Everything that was generated has arrived, once.")

    def _tell_what_next(self, clock: Stopwatch) -> None:
        settings = self.stack.settings()
        times = Table("Part", "Seconds", title="Time", title_justify="left", box=None)
        times.columns[1].justify = "right"
        for title, seconds in clock.seconds.items():
            times.add_row(title, f"{seconds:.1f}")
        times.add_row("[bold]Together", f"[bold]{sum(clock.seconds.values()):.1f}")
        activate = os.path.relpath(self.stack.layout.activation_script)
        self._console.print()
        self._console.print(times)
        self._console.print(
            WHAT_NEXT.format(
                url=settings["AIRFLOW_URL"],
                user=settings["AIRFLOW_USER"],
                environment_file=os.path.relpath(self.stack.layout.environment_file),
                activate=activate,
                same_again=self.same_again,
            ),
            soft_wrap=True,
        )
