"""What is true about a feed: what a platform that loses, doubles and invents nothing must find."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from feed.options import Options
from feed.plants import Kind
from feed.timestamps import DAY_MS, date_of_day
from feed.workflow import OPEN_STATES, Action, State

if TYPE_CHECKING:
    from pathlib import Path

    from feed.cases import Event
    from feed.defects import Defect
    from feed.plants import Delivery

TRUTH_FILE_NAME = "truth.json"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Records of one file or of all. records = distinct_events + duplicates + the sum of rejects.

    :param good_rows: rows that a loader finds: distinct_events + duplicates.
    :param distinct_events: events that come here for the first time in the feed.
    :param duplicates: second deliveries; the first one may be in an earlier file.
    :param late: of the distinct events, those a day or more older than the newest that came before them.
    :param out_of_order: of the distinct events, those less than a day older than that.
    :param rejects: damaged records by the reason a reader must give; a reason that has none is not there.
    """

    records: int
    good_rows: int
    distinct_events: int
    duplicates: int
    late: int
    out_of_order: int
    rejects: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class FileTruth:
    """One file of the feed, in the order of arrival."""

    name: str
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class CaseTruth:
    """The cases as the distinct events tell them, as of the end of the feed.

    :param open: neither resolved nor rejected nor closed.
    :param by_last_status: by the status of the last event that is not a comment.
    :param by_last_state: the same, by DIGIT's states.
    :param resolved: resolved at least once, whatever came after.
    :param resolved_late: of those, first resolution after the service-level time was over.
    :param finally_resolved_late: of those, last resolution after it.
    :param open_overdue: open, and the service-level time is over.
    :param open_overdue_never_resolved: of those, the ones that had no resolution before.
    :param reopened: reopened at least once.
    :param rated: ratings given, by stars.
    """

    cases: int
    by_tenant: dict[str, int]
    open: int
    by_last_status: dict[str, int]
    by_last_state: dict[str, int]
    resolved: int
    resolved_late: int
    finally_resolved_late: int
    open_overdue: int
    open_overdue_never_resolved: int
    reopened: int
    rated: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Everything known about a feed. Counts by type, tenant and UTC date are of distinct events."""

    options: Options
    as_of: datetime
    total: Counts
    files: tuple[FileTruth, ...]
    events_by_type: dict[str, int]
    events_by_tenant: dict[str, int]
    events_by_date: dict[str, int]
    cases: CaseTruth


def read_truth(path: Path) -> Truth:
    """Read the truth that stands beside a feed.

    :param path: of the file `truth.json`.
    :raises OSError: when it cannot be read.
    :raises msgspec.ValidationError: when it was not written by this version of the generator.
    """
    return msgspec.json.decode(path.read_bytes(), type=Truth)


def write_truth(truth: Truth, path: Path) -> None:
    """Write the truth as JSON, for people and programs."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=2) + b"\n")


class Tally:
    """Counts the records of a feed as they are delivered, file by file."""

    def __init__(self) -> None:
        self._newest_ms = 0
        self._start_file()
        self.files: list[FileTruth] = []

    def _start_file(self) -> None:
        self._distinct = self._duplicates = self._late = self._out_of_order = 0
        self._rejects: Counter[str] = Counter()

    def count(self, delivery: Delivery) -> None:
        """Count a good record."""
        if delivery.kind is Kind.DUPLICATE:
            self._duplicates += 1
            return
        self._distinct += 1
        time_ms = delivery.event.time_ms
        if time_ms >= self._newest_ms:
            self._newest_ms = time_ms
        elif self._newest_ms - time_ms >= DAY_MS:
            self._late += 1
        else:
            self._out_of_order += 1

    def count_damaged(self, defect: Defect) -> None:
        """Count a damaged record."""
        self._rejects[defect.reason.value] += 1

    def end_file(self, name: str) -> None:
        """Close the counts of a file."""
        good_rows = self._distinct + self._duplicates
        counts = Counts(
            records=good_rows + self._rejects.total(),
            good_rows=good_rows,
            distinct_events=self._distinct,
            duplicates=self._duplicates,
            late=self._late,
            out_of_order=self._out_of_order,
            rejects=dict(sorted(self._rejects.items())),
        )
        self.files.append(FileTruth(name=name, counts=counts))
        self._start_file()

    def total(self) -> Counts:
        """Return the counts over all files."""
        rejects: Counter[str] = Counter()
        for file in self.files:
            rejects.update(file.counts.rejects)
        numbers = {
            name: sum(getattr(file.counts, name) for file in self.files)
            for name in ("records", "good_rows", "distinct_events", "duplicates", "late", "out_of_order")
        }
        return Counts(**numbers, rejects=dict(sorted(rejects.items())))


class CaseRegister:
    """Follows every case through the distinct events, taken in the order they happened.

    It keeps only numbers: of the cases that are open, with their due time, reopened, or resolved late.
    """

    def __init__(self) -> None:
        self._types: Counter[str] = Counter()
        self._tenants: Counter[str] = Counter()
        self._days: Counter[int] = Counter()
        self._cases_by_tenant: Counter[str] = Counter()
        self._states: Counter[State] = Counter()
        self._statuses: Counter[str] = Counter()
        self._ratings: Counter[str] = Counter()
        self._due_of_open: dict[int, int] = {}
        self._reopened: set[int] = set()
        self._reopened_after_resolution: set[int] = set()
        # A due time does not move, so a case resolved late once is late in its last resolution too.
        self._ever_resolved_late: set[int] = set()
        self._resolved = self._resolved_late = 0

    def follow(self, event: Event) -> None:
        """Take the next event."""
        transition = event.transition
        self._types[transition.event_type] += 1
        self._tenants[event.case.tenant.tenant_id] += 1
        self._days[event.time_ms // DAY_MS] += 1
        if transition.action is Action.COMMENT:
            return
        self._move(event)
        if transition.action is Action.APPLY:
            self._cases_by_tenant[event.case.tenant.tenant_id] += 1
        elif transition.action is Action.REOPEN:
            self._reopened.add(event.case_number)
            if transition.source is State.RESOLVED:
                self._reopened_after_resolution.add(event.case_number)
        elif transition.action is Action.RATE:
            self._ratings[str(event.rating)] += 1
        elif transition.target is State.RESOLVED:
            self._resolve(event)

    def _move(self, event: Event) -> None:
        transition = event.transition
        if transition.source is not None:
            self._states[transition.source] -= 1
        if event.from_status is not None:
            self._statuses[event.from_status] -= 1
        self._states[transition.target] += 1
        self._statuses[event.status] += 1
        if transition.target in OPEN_STATES:
            self._due_of_open[event.case_number] = event.case.due_ms
        else:
            self._due_of_open.pop(event.case_number, None)

    def _resolve(self, event: Event) -> None:
        is_late = event.time_ms > event.case.due_ms
        if is_late:
            self._ever_resolved_late.add(event.case_number)
        if event.case_number not in self._reopened_after_resolution:
            self._resolved += 1
            self._resolved_late += is_late

    def truth(self, *, options: Options, tally: Tally) -> Truth:
        """Return everything that is known, when all is delivered."""
        overdue = [number for number, due_ms in self._due_of_open.items() if due_ms < options.end_ms]
        return Truth(
            options=options,
            as_of=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=options.end_ms),
            total=tally.total(),
            files=tuple(tally.files),
            events_by_type=_sorted(self._types),
            events_by_tenant=_sorted(self._tenants),
            events_by_date={date_of_day(day): count for day, count in sorted(self._days.items())},
            cases=CaseTruth(
                cases=self._cases_by_tenant.total(),
                by_tenant=_sorted(self._cases_by_tenant),
                open=len(self._due_of_open),
                by_last_status=_sorted(self._statuses),
                by_last_state=_sorted(self._states),
                resolved=self._resolved,
                resolved_late=self._resolved_late,
                finally_resolved_late=len(self._ever_resolved_late),
                open_overdue=len(overdue),
                open_overdue_never_resolved=sum(
                    number not in self._reopened_after_resolution for number in overdue
                ),
                reopened=len(self._reopened),
                rated=_sorted(self._ratings),
            ),
        )


def _sorted(counter: Counter[str] | Counter[State]) -> dict[str, int]:
    return {str(key): count for key, count in sorted(counter.items()) if count}
