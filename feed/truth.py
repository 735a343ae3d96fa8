"""What is true about a feed: what a platform that loses, doubles and invents nothing must find."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from feed.options import Options

if TYPE_CHECKING:
    from pathlib import Path

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
class PartitionTruth:
    """What was sent to one partition of a topic.

    :param first: offset of the first message.
    :param next: offset after the last one; between them may be messages of others, and no gap of this feed.
    :param good_rows: messages that a row can be made of.
    :param rejects: damaged messages by the reason a reader must give.
    """

    topic: str
    partition: int
    first: int
    next: int
    good_rows: int
    rejects: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class CaseTruth:
    """The cases as the distinct events tell them, as of the end of the feed.

    The service-level time of a case starts with its submission and stops for nothing; what happens at its last
    millisecond is in time. A case that is neither open nor was ever resolved cannot miss it.

    :param open: neither resolved nor rejected nor closed.
    :param by_last_status: by the status of the last event that is not a comment.
    :param by_last_state: the same, by DIGIT's states.
    :param resolved: resolved at least once, whatever came after.
    :param resolved_late: of those, first resolution after the service-level time was over.
    :param finally_resolved_late: of those, last resolution after it.
    :param open_overdue: open, and the service-level time is over.
    :param open_overdue_never_resolved: of those, the ones that had no resolution before.
    :param breached: resolved_late + open_overdue_never_resolved, which is what DIGIT counts.
    :param finally_breached: the same by what is true at the end: a case that was resolved in time, reopened and is
        still open counts when it is overdue.
    :param assigned: assigned at least once; so for reopened, rejected, reassigned and escalated.
    :param reassigned: an employee asked for another one.
    :param rated: ratings given, by stars.
    """

    cases: int
    open: int
    by_last_status: dict[str, int]
    by_last_state: dict[str, int]
    assigned: int
    resolved: int
    resolved_late: int
    finally_resolved_late: int
    open_overdue: int
    open_overdue_never_resolved: int
    breached: int
    finally_breached: int
    reopened: int
    rejected: int
    reassigned: int
    escalated: int
    rated: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class TenantTruth:
    """One city.

    :param zone: IANA name of the time zone that decides which day something happened on.
    :param events: distinct events.
    """

    zone: str
    events: int
    cases: CaseTruth


@dataclass(frozen=True, kw_only=True)
class FunnelDay:
    """What happened in a city on a day by its own clock; days without any of it are left out.

    :param resolved_cases: different cases that were resolved on the day; so for closed_cases.
    """

    date: str
    tenant_id: str
    submitted_events: int
    assigned_events: int
    resolved_events: int
    closed_events: int
    reopened_events: int
    rejected_events: int
    submitted_cases: int
    resolved_cases: int
    closed_cases: int


@dataclass(frozen=True, kw_only=True)
class BacklogDay:
    """The cases of a city that were open at the end of a day by its own clock, or when the feed ended on that day.

    :param open_cases: by the status they had then; a status that no case had is left out.
    """

    date: str
    tenant_id: str
    open_cases: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Everything known about a feed. Counts by type and UTC date are of distinct events.

    :param as_of: the end of the feed.
    :param ended_early: it was stopped; what was sent is nevertheless whole and told here.
    :param files: none when the feed went to a topic; then there are partitions.
    :param funnel: by date and city.
    :param backlog: by date and city, every day from the first one with a case that is open.
    """

    options: Options
    as_of: datetime
    total: Counts
    ended_early: bool = False
    files: tuple[FileTruth, ...]
    partitions: tuple[PartitionTruth, ...] = ()
    events_by_type: dict[str, int]
    events_by_date: dict[str, int]
    tenants: dict[str, TenantTruth]
    cases: CaseTruth
    funnel: tuple[FunnelDay, ...]
    backlog: tuple[BacklogDay, ...]


def read_truth(path: Path) -> Truth:
    """Read the truth that stands beside a feed.

    :param path: of the file `truth.json`.
    :raises OSError: when it cannot be read.
    :raises msgspec.ValidationError: when it was not written by this version of the generator.
    """
    return msgspec.json.decode(path.read_bytes(), type=Truth)


def encode_truth(truth: Truth) -> bytes:
    """Return the truth as JSON, for people and programs."""
    return msgspec.json.format(msgspec.json.encode(truth), indent=2) + b"\n"
