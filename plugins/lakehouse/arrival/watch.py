"""A prefix of the store, looked at again and again, a few pages at a time.

S3 lists by key only, so what is new can be anywhere. A look reads a bounded number of pages and goes on where the
last one ended; after the last key it begins at the first. So each key is seen once a cycle, which takes
``objects / (pages * 1,000)`` looks. Objects are told apart by key, etag and size. No time is compared: neither a
clock that is wrong nor an object that shows up late is missed.

What was seen is kept in memory only. A new watch knows nothing, and tells so: at its first look, and again when it
has seen everything once. Dying loses nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lakehouse.contracts.glob import Glob
from lakehouse.identity import ObjectVersion
from lakehouse.store import ObjectStore


@dataclass(frozen=True)
class Look:
    """What one look at a prefix found.

    :param objects: that the pattern matches, on the pages of this look.
    :param news: those of them that may not have been there before.
    :param example: one of the news, for people.
    :param ends_cycle: whether the last key was reached.
    """

    objects: int
    news: int
    example: str
    ends_cycle: bool


class Watch:
    """Remembers what is under a prefix, and finds what was not.

    :param glob: of the keys that count.
    :param pages: of 1,000 keys, that one look reads at most.
    """

    def __init__(self, *, store: ObjectStore, bucket: str, glob: Glob, pages: int) -> None:
        self._store = store
        self._bucket = bucket
        self._glob = glob
        self._pages = pages
        self._after = ""
        self._last_cycle: set[int] | None = None
        self._this_cycle: set[int] = set()

    def look(self) -> Look:
        """Read the next pages.

        :raises LakehouseError: the store does not answer, or refuses; the next look reads the same pages.
        """
        is_first = self._last_cycle is None and not self._after
        versions, after = self._read()
        ends_cycle = not after
        marks = {_mark(version): version.key for version in versions}
        fresh = [
            key
            for mark, key in marks.items()
            if mark not in self._this_cycle and mark not in (self._last_cycle or ())
        ]
        self._this_cycle.update(marks)
        if self._last_cycle is not None:
            news = len(fresh)
        else:
            # Nothing is known to be old. Who came behind a page that was read is found by the run that is started
            # when all of them were.
            news = len(versions) if is_first else len(self._this_cycle) if ends_cycle else 0
        self._after = after
        if ends_cycle:
            self._last_cycle, self._this_cycle = self._this_cycle, set()
        return Look(
            objects=len(versions), news=news, example=fresh[0] if fresh and news else "", ends_cycle=ends_cycle
        )

    def _read(self) -> tuple[list[ObjectVersion], str]:
        """What the next pages have of the source, and the last key of them; empty when it is the last of all."""
        after = self._after
        versions: list[ObjectVersion] = []
        for _ in range(self._pages):
            page = self._store.list_page(bucket=self._bucket, prefix=self._glob.literal_prefix, after=after)
            versions += [version for version in page.objects if self._glob.matches(version.key)]
            if page.is_last:
                return versions, ""
            after = page.objects[-1].key
        return versions, after


def _mark(version: ObjectVersion) -> int:
    """64 bits that stand for a version: a set of them is what a watch remembers."""
    named = f"{version.key}\0{version.etag}\0{version.size}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest())
