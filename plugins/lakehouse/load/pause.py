"""How long to stand back when another writer committed first."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

#: Told how many times in a row a commit was lost; returns when it is time to look again.
Pause = Callable[[int], None]

_FIRST_SECONDS = 0.2
_MOST_SECONDS = 5.0


def pause_for_others(lost: int) -> None:
    """Sleep for a random time that grows with each lost commit, so that a long merge is not overtaken for ever."""
    time.sleep(random.uniform(0, min(_MOST_SECONDS, _FIRST_SECONDS * 2**lost)))  # noqa: S311  (no secret)
