from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from feed import Pace


@dataclass
class Time:
    """A clock that stands still but for whoever waits."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list)

    def pass_by(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def pace_of(time: Time, rate: float | None) -> Pace:
    return Pace(rate=rate, clock=lambda: time.now, wait=time.pass_by)


def test_items_come_when_they_are_due(time):
    moments = [time.now for _ in pace_of(time, 10.0).keep(range(4))]
    assert moments == pytest.approx([100.0, 100.1, 100.2, 100.3])


def test_whoever_fell_behind_catches_up_instead_of_drifting(time):
    moments = []
    for number in pace_of(time, 10.0).keep(range(6)):
        moments.append(time.now)
        if number == 1:
            time.now += 0.25
    assert moments == pytest.approx([100.0, 100.1, 100.35, 100.35, 100.4, 100.5])


def test_a_wait_that_ends_early_is_taken_up_again(time):
    pace = Pace(rate=10.0, clock=lambda: time.now, wait=lambda seconds: time.pass_by(seconds / 2 + 0.001))
    assert len([*pace.keep(range(3))]) == 3
    assert time.now >= 100.2


def test_without_a_rate_nothing_waits(time):
    assert [*pace_of(time, None).keep(range(1_000))] == [*range(1_000)]
    assert time.waits == []


def test_nothing_waits_any_more_once_it_is_stopped(time):
    moments = [time.now for _ in pace_of(time, 0.1).keep(range(4), until=lambda: time.now > 115)]
    assert moments[1] == pytest.approx(110.0)
    assert moments[2] == moments[3] < 116


def test_a_long_wait_is_cut_so_that_a_stop_is_noticed(time):
    for _ in pace_of(time, 0.1).keep(range(2)):
        pass
    assert max(time.waits) <= 0.2
