"""Partitions that are drained together: contiguous runs of sorted source ids, so that drains never conflict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class PartitionGroup:
    """What one drain takes.

    :param label: for people; no two groups of a list share it.
    :param source_ids: of its partitions; None for all there are, and those that are added meanwhile.
    """

    label: str
    source_ids: tuple[str, ...] | None


def group_partitions(source_ids: Sequence[str], *, groups: int) -> tuple[PartitionGroup, ...]:
    """At most so many groups, about equal in partitions; one at least, for what is not there yet."""
    ordered = sorted(source_ids)
    count = max(1, min(groups, len(ordered)))
    if count == 1:
        return (PartitionGroup(label="all partitions", source_ids=None),)
    cuts = [len(ordered) * place // count for place in range(count + 1)]
    return tuple(
        PartitionGroup(
            label=f"{place + 1}/{count}: {end - start} partitions", source_ids=tuple(ordered[start:end])
        )
        for place, (start, end) in enumerate(pairwise(cuts))
    )
