"""What to do when another writer committed first: stand back, and try again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from lakehouse.errors import CommitConflictError

_LOG = logging.getLogger(__name__)

#: Told how many times in a row a commit was lost; returns when it is time to look again.
Pause = Callable[[int], None]
Answer = TypeVar("Answer")

#: A conflict means that somebody else got on; losing this often in a row means something else is wrong.
PAUSES = 10
_FIRST_SECONDS = 0.2
_MOST_SECONDS = 5.0


def pause_for_others(lost: int) -> None:
    """Sleep for a random time that grows with each lost commit, so that a long merge is not overtaken for ever."""
    time.sleep(random.uniform(0, min(_MOST_SECONDS, _FIRST_SECONDS * 2**lost)))  # noqa: S311  (no secret)


def through_conflicts(
    act: Callable[[], Answer], *, pause: Pause = pause_for_others, pauses: int = PAUSES
) -> Answer:
    """The answer of what commits; where another writer committed first, it is done again after a pause.

    :param act: may be repeated.
    :raises CommitConflictError: again after as many pauses.
    """
    for lost in range(pauses):
        try:
            return act()
        except CommitConflictError as error:
            _LOG.info("%s", error)
            pause(lost)
    return act()
