"""Random draws that are the same on every machine and Python version.

Python promises this only for `Random.random()`, and a platform's mathematical library may round logarithms
and powers its own way. So everything here is `random()` and plain arithmetic.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Item = TypeVar("Item")

Deciles: TypeAlias = tuple[float, float, float, float, float, float, float, float, float, float, float]
"""A distribution: smallest value, nine deciles, largest value. Between two of them it is uniform."""


class Weighted(Generic[Item]):
    """Items to draw from, each as often as its weight says."""

    __slots__ = ("cumulative", "items")

    def __init__(self, weighted_items: Iterable[tuple[Item, float]]) -> None:
        pairs = tuple(weighted_items)
        self.items = tuple(item for item, _ in pairs)
        sums = list(accumulate(weight for _, weight in pairs))
        self.cumulative = [value / sums[-1] for value in sums[:-1]]


class Draws:
    """One stream of draws. `purpose` keeps the streams of one seed apart: planting more moves no event."""

    __slots__ = ("random",)

    def __init__(self, *, key: bytes, purpose: str) -> None:
        digest = blake2b(purpose.encode(), key=key, digest_size=16).digest()
        self.random = Random(int.from_bytes(digest, "big")).random  # noqa: S311  # repeatable on purpose

    def below(self, bound: int) -> int:
        """Return a whole number from 0 to bound - 1."""
        return int(self.random() * bound)

    def one_of(self, items: Sequence[Item]) -> Item:
        """Return any of the items, all equally likely."""
        return items[int(self.random() * len(items))]

    def pick(self, weighted: Weighted[Item]) -> Item:
        """Return one of the items by weight."""
        return weighted.items[bisect_right(weighted.cumulative, self.random())]

    def amount(self, deciles: Deciles) -> float:
        """Return a value of the distribution, in its unit."""
        place = self.random() * 10
        decile = int(place)
        low = deciles[decile]
        return low + (deciles[decile + 1] - low) * (place - decile)
