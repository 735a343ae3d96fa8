"""What the steps of the demonstration share: the running stack, and the way they tell what they do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from rich.console import Console, RenderableType

from lakehouse.engine import Engine
from lakehouse.settings import Settings
from lakehouse.store import ObjectStore, store_of
from stack.airflow_api import AirflowApi
from stack.dag_runs import DagRuns
from stack.lifecycle import Stack


@dataclass(frozen=True)
class DemoScene:
    """A stack that is up, with the tables made."""

    stack: Stack
    settings: Settings
    engine: Engine
    clock: Stopwatch

    @property
    def console(self) -> Console:
        return self.stack.console

    @property
    def directory(self) -> Path:
        """Where steps keep files, for themselves and for the steps after them; it may not be there yet."""
        return self.stack.layout.data / "demo"

    @cached_property
    def store(self) -> ObjectStore:
        return store_of(self.settings)

    @cached_property
    def runs(self) -> DagRuns:
        """Airflow's DAGs, signed in."""
        settings = self.stack.settings()
        api = AirflowApi(
            url=settings["AIRFLOW_URL"], user=settings["AIRFLOW_USER"], password=settings["AIRFLOW_PASSWORD"]
        )
        api.sign_in()
        return DagRuns(api, self.stack.layout, self.console)


@dataclass(frozen=True)
class DemoOutcome:
    """What a step found.

    :param shown: tables and sentences, to be shown when all steps are done.
    :param differences: what in the lakehouse is not what was generated; nothing when all is well.
    """

    shown: Sequence[RenderableType]
    differences: Sequence[str]


class DemoStep(Protocol):
    """One way through the stack. It may be run again: what is there already is not added again."""

    def run(self, scene: DemoScene) -> DemoOutcome:
        """Do it, each part under a title, and compare what came out of it with what is known.

        :raises LakehouseError: the lakehouse refuses or does not answer.
        :raises StackError: something on the way failed, or did not end in time.
        """


@dataclass(frozen=True)
class Stopwatch:
    """Tells which part is being done and how long it took.

    :param seconds: by title, of the parts that are done.
    """

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, title: str) -> Iterator[None]:
        self.console.print(f"[bold]{title}")
        started = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - started
        self.console.print(f"  [dim]{self.seconds[title]:.1f} s")
