"""Epoch milliseconds as text, at the speed a generator needs."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache, lru_cache

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_EPOCH = date(1970, 1, 1)


@lru_cache(maxsize=4096)
def date_of_day(day: int) -> str:
    """Return the ISO date of a day counted from 1970-01-01."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def clock_of(milliseconds: int) -> str:
    """Return the time of day as HH:MM:SS.mmm."""
    second, millisecond = divmod(milliseconds % DAY_MS, 1000)
    return f"{_clock_of_second(second)}.{millisecond:03d}"


@cache
def _clock_of_second(second_of_day: int) -> str:
    minutes, second = divmod(second_of_day, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}"


@lru_cache(maxsize=64)
def offset_text(minutes: int) -> str:
    """Return an offset from UTC as +HH:MM; `minutes` is not negative."""
    return f"+{minutes // 60:02d}:{minutes % 60:02d}"
