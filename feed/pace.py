"""Records at a chosen rate, by schedule: record number n is due n / rate seconds after the first."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")

_LONGEST_WAIT_SECONDS = 0.2  # before it is asked whether to go on


@dataclass(frozen=True, kw_only=True)
class Pace:
    """A rate, by some clock. Whoever fell behind catches up, so that the rate holds over all.

    :param rate: items a second; None is as fast as it goes.
    :param wait: takes seconds, and may come back earlier.
    """

    rate: float | None = None
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], object] = time.sleep

    def keep(self, items: Iterable[Item], *, until: Callable[[], bool] = lambda: False) -> Iterator[Item]:
        """Yield each item when it is due.

        :param until: asked before each wait; once it says yes, the rest comes as fast as it goes.
        """
        if self.rate is None:
            yield from items
            return
        started = self.clock()
        for number, item in enumerate(items):
            due = started + number / self.rate
            while (seconds := due - self.clock()) > 0 and not until():
                self.wait(min(seconds, _LONGEST_WAIT_SECONDS))
            yield item
