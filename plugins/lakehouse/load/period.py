"""A span of time that somebody names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Period:
    """From one moment on until before another, in UTC; open where there is none."""

    begin: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of(cls, begin: datetime | None, end: datetime | None) -> Period | None:
        """What somebody asks for; None if nothing."""
        return None if begin is None and end is None else cls(begin, end)

    def __contains__(self, moment: datetime) -> bool:
        return (self.begin is None or self.begin <= moment) and (self.end is None or moment < self.end)
