"""Counts of the records of a feed as they are delivered."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from feed.plants import Kind
from feed.timestamps import DAY_MS
from feed.truth import Counts, FileTruth

if TYPE_CHECKING:
    from feed.defects import Defect
    from feed.plants import Delivery


class Tally:
    """Counts records, file by file if there are files.

    :ivar files: the files that are closed, in the order of arrival.
    """

    def __init__(self) -> None:
        self.files: list[FileTruth] = []
        self._newest_ms = 0
        self._numbers: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._earlier_numbers: Counter[str] = Counter()
        self._earlier_rejects: Counter[str] = Counter()

    def count(self, delivery: Delivery) -> None:
        """Count a good record."""
        if delivery.kind is Kind.DUPLICATE:
            self._numbers["duplicates"] += 1
            return
        self._numbers["distinct_events"] += 1
        time_ms = delivery.event.time_ms
        if time_ms >= self._newest_ms:
            self._newest_ms = time_ms
        elif self._newest_ms - time_ms >= DAY_MS:
            self._numbers["late"] += 1
        else:
            self._numbers["out_of_order"] += 1

    def count_damaged(self, defect: Defect) -> None:
        """Count a damaged record."""
        self._rejects[defect.reason.value] += 1

    def end_file(self, name: str) -> None:
        """Close the counts of a file."""
        self.files.append(FileTruth(name=name, counts=_counts(self._numbers, self._rejects)))
        self._earlier_numbers += self._numbers
        self._earlier_rejects += self._rejects
        self._numbers, self._rejects = Counter(), Counter()

    def total(self) -> Counts:
        """Return the counts of everything so far."""
        return _counts(self._earlier_numbers + self._numbers, self._earlier_rejects + self._rejects)


def _counts(numbers: Counter[str], rejects: Counter[str]) -> Counts:
    good_rows = numbers["distinct_events"] + numbers["duplicates"]
    return Counts(
        records=good_rows + rejects.total(),
        good_rows=good_rows,
        distinct_events=numbers["distinct_events"],
        duplicates=numbers["duplicates"],
        late=numbers["late"],
        out_of_order=numbers["out_of_order"],
        rejects=dict(sorted(rejects.items())),
    )
