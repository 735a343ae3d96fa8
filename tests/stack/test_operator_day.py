from __future__ import annotations

import io
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from lakehouse.compaction import CLOSED_DEBT
from lakehouse.paths import CONTRACTS
from stack.day_source import SOURCE
from stack.demo import Demonstration
from stack.errors import DayStandsStillError, DemoDiffersError
from stack.layout import StackLayout
from stack.operator_day import OperatorDay, OperatorDayStep


class Clock:
    """Goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def day(tmp_path, clock: Clock) -> OperatorDay:
    layout = StackLayout(directory=tmp_path, environment_file=tmp_path / ".env")
    scene: Any = SimpleNamespace(console=Console(quiet=True), stack=SimpleNamespace(layout=layout))
    return OperatorDay(scene=scene, step=OperatorDayStep(clock=clock, sleep=clock.sleep), name="1")


def test_what_does_not_come_by_itself_ends_the_day_with_what_to_look_at(day: OperatorDay, tmp_path):
    with pytest.raises(DayStandsStillError, match="Waited 301 s for the files to arrive") as caught:
        day.wait_for(lambda: False, what="the files to arrive")
    assert str(tmp_path / "logs") in caught.value.remedy
    assert "arrival-unnoticed.md" in caught.value.remedy


def test_what_comes_is_not_waited_for_any_longer(day: OperatorDay, clock: Clock):
    day.wait_for(lambda: clock.now >= 7, what="the seventh second")
    assert clock.now == 7


def test_the_first_number_that_differs_ends_the_day(day: OperatorDay):
    day.compare("Arrived", ("rows", 3, 3))
    with pytest.raises(DemoDiffersError, match="Replayed: rows: 3 generated, 4 found"):
        day.compare("Replayed", ("rows", 3, 4), ("rejects", 0, 0))
    assert [comparison.title for comparison in day.compared] == ["Arrived", "Replayed"]


@pytest.mark.engine
@pytest.mark.long
def test_a_day_ends_with_a_clean_certificate_and_silver_and_gold_in_agreement(running_stack):
    console = Console(file=io.StringIO(), width=200)
    Demonstration(stack=replace(running_stack, console=console), steps=(OperatorDayStep(),)).run()
    told = console.file.getvalue()
    for title in ("Arrived by themselves", "Replayed", "Taken out, and loaded again", "Compacted"):
        assert title in told
    before, after = map(int, re.search(r"(\d+) files, [\d,]+ bytes; now (\d+)", told).groups())
    assert before > CLOSED_DEBT > after
    assert "Everything that was generated has arrived, once." in told
    assert not (CONTRACTS / f"{SOURCE}.yaml").exists()
