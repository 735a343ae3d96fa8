"""Offsets of a partition that somebody names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OffsetRange:
    """Offsets ``[first, next_position)`` of a partition.

    :param source: as the ledger calls it, ``kafka://topic/partition``.
    """

    source: str
    first: int
    next_position: int
