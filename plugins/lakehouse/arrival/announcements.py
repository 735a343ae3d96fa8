"""When news becomes an event: at once after a silence, and in a burst rarely, so that a burst is a few runs."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.arrival.watch import Look

#: Between two events at least.
PAUSE_SECONDS = 10.0
#: While every look has news, between two events.
BURST_SECONDS = 30.0


@dataclass(frozen=True)
class Announcement:
    """What is said of objects that came.

    :param objects: how many, about; the run lists and finds what is to be done.
    :param example: the key of one; empty where none is known to be new.
    """

    objects: int
    example: str


class Announcements:
    """Holds news back until it is time to tell it; nothing that was found is ever left untold.

    :param pause: seconds between two events.
    :param burst: seconds between two events while every look has news.
    """

    def __init__(self, *, pause: float = PAUSE_SECONDS, burst: float = BURST_SECONDS) -> None:
        self._pause = pause
        self._burst = burst
        self._told_at: float | None = None
        self._untold = 0
        self._example = ""

    def after(self, look: Look, *, now: float) -> Announcement | None:
        """What is to be told after a look, if anything.

        :param now: seconds of a clock that only goes forward.
        """
        self._untold += look.news
        self._example = self._example or look.example
        if not self._untold or not self._is_time(look, now):
            return None
        announcement = Announcement(objects=self._untold, example=self._example)
        self._told_at, self._untold, self._example = now, 0, ""
        return announcement

    def _is_time(self, look: Look, now: float) -> bool:
        if self._told_at is None:
            return True
        return now - self._told_at >= (self._burst if look.news else self._pause)
