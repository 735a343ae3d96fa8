from __future__ import annotations

import threading

import pytest

from lakehouse.broker import BrokerUnavailableError
from lakehouse.drain.errors import TopicReplacedError
from lakehouse.drain.patience import Patience
from lakehouse.errors import StagingGoneError, UnknownSourceError

DOWN = BrokerUnavailableError(operation="asking", message="nobody answers")


class Waits(threading.Event):
    """Passes the time that it is asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0)
        self.now += timeout or 0
        return self.is_set()


class Action:
    """Fails some times, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def patience_of(waits: Waits, *, deadline: float | None = None) -> Patience:
    return Patience(stop=waits, deadline=deadline, monotonic=lambda: waits.now)


def test_what_does_not_answer_is_asked_again_at_growing_intervals():
    waits = Waits()
    assert patience_of(waits).through(Action(*[DOWN] * 7)) == "answer"
    assert waits.waited == [1, 2, 4, 8, 16, 30, 30]


def test_nobody_waits_beyond_the_deadline():
    waits = Waits()
    with pytest.raises(BrokerUnavailableError):
        patience_of(waits, deadline=5).through(Action(*[DOWN] * 9))
    assert sum(waits.waited) == 5


def test_nobody_waits_after_being_stopped():
    waits = Waits()
    waits.set()
    with pytest.raises(BrokerUnavailableError):
        patience_of(waits).through(Action(DOWN))
    assert waits.waited == []


@pytest.mark.parametrize(
    "error",
    [
        TopicReplacedError(topic="visits"),
        StagingGoneError(attempt="20261001_101010_a"),
        UnknownSourceError("visits", known=()),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_trying_again_cannot_mend_is_not_tried_again(error):
    waits = Waits()
    with pytest.raises(type(error)):
        patience_of(waits).through(Action(error))
    assert waits.waited == []
