"""Waiting for what does not answer now: aloud, longer each time, and no longer than there is time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from lakehouse.drain.errors import TopicReplacedError
from lakehouse.errors import RangeTakenError, StagingGoneError, TransientError

_LOG = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_FIRST_SECONDS = 1.0
_MOST_SECONDS = 30.0
#: Trying the same again cannot mend these; planning or staging again does.
_AGAIN_FROM_BEFORE = (RangeTakenError, StagingGoneError, TopicReplacedError)


class Patience:
    """Tries again what failed for a passing reason.

    :param deadline: of ``monotonic``; None for as long as it takes.
    :param stop: set when nobody waits any more.
    """

    def __init__(
        self,
        *,
        stop: threading.Event,
        deadline: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
        self._deadline = deadline
        self._monotonic = monotonic

    def through(self, action: Callable[[], Answer]) -> Answer:
        """The answer of an action, when it has one.

        :raises TransientError: there is no time left, or planning or staging again is what helps.
        """
        pause = _FIRST_SECONDS
        while True:
            try:
                return action()
            except _AGAIN_FROM_BEFORE:
                raise
            except TransientError as error:
                left = self._left()
                if self._stop.is_set() or left <= 0:
                    raise
                pause = min(pause, left)
                _LOG.warning("%s Trying again in %.0f s", error, pause)
                self._stop.wait(pause)
                pause = min(pause * 2, _MOST_SECONDS)

    def _left(self) -> float:
        return _MOST_SECONDS if self._deadline is None else self._deadline - self._monotonic()
