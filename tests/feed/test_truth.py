from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

OPEN_STATES = {"PENDINGFORASSIGNMENT", "PENDINGATLME", "PENDINGFORREASSIGNMENT", "PENDINGATSUPERVISOR"}
AS_OF = datetime(2026, 10, 21, tzinfo=UTC)


class Life:
    """One case, told from its rows."""

    def __init__(self, rows: list[dict]) -> None:
        self.rows = rows
        self.moves = [row for row in rows if row["event_type"] != "CaseCommented"]
        self.submitted = self.moves[0]
        self.due = self.submitted["time"] + timedelta(hours=self.submitted["attributes"]["sla_hours"])
        self.resolutions = [row["time"] for row in self.moves if row["event_type"] == "CaseResolved"]
        self.state = self.moves[-1]["attributes"]["digit_status"]

    @property
    def is_overdue(self) -> bool:
        return self.state in OPEN_STATES and self.due < AS_OF

    def happened(self, event_type: str) -> bool:
        return any(row["event_type"] == event_type for row in self.rows)


@pytest.fixture(scope="module")
def events(mixed_rows):
    distinct = {row["attributes"]["event_id"]: row for rows in mixed_rows.values() for row in rows}
    for row in distinct.values():
        moment = datetime.fromisoformat(row["event_time"])
        row["time"] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return list(distinct.values())


@pytest.fixture(scope="module")
def lives(events):
    by_case = defaultdict(list)
    for row in events:
        by_case[row["tenant_id"], row["entity_id"]].append(row)
    # Of two events of a case in one millisecond, the submission is the first.
    return [
        Life(sorted(rows, key=lambda row: (row["time"], row["event_type"] != "CaseSubmitted")))
        for rows in by_case.values()
    ]


def test_cases_are_counted_as_their_rows_tell(mixed_feed, lives):
    truth = mixed_feed.truth.cases
    assert truth.cases == len(lives)
    assert truth.by_tenant == Counter(life.submitted["tenant_id"] for life in lives)
    assert truth.open == sum(life.state in OPEN_STATES for life in lives)
    assert truth.by_last_status == Counter(life.moves[-1]["status"] for life in lives)
    assert truth.by_last_state == Counter(life.state for life in lives)
    assert truth.reopened == sum(life.happened("CaseReopened") for life in lives)


def test_service_levels_are_missed_as_the_rows_tell(mixed_feed, lives):
    truth = mixed_feed.truth.cases
    resolved = [life for life in lives if life.resolutions]
    assert mixed_feed.truth.as_of == AS_OF
    assert truth.resolved == len(resolved)
    assert truth.resolved_late == sum(life.resolutions[0] > life.due for life in resolved)
    assert truth.finally_resolved_late == sum(life.resolutions[-1] > life.due for life in resolved)
    assert truth.open_overdue == sum(life.is_overdue for life in lives)
    assert truth.open_overdue_never_resolved == sum(life.is_overdue and not life.resolutions for life in lives)


def test_the_feed_has_cases_that_tell_the_figures_apart(mixed_feed):
    truth = mixed_feed.truth.cases
    assert truth.resolved_late < truth.finally_resolved_late < truth.resolved
    assert 0 < truth.open_overdue_never_resolved < truth.open_overdue < truth.open


def test_ratings_are_counted_as_the_rows_tell(mixed_feed, events):
    given = Counter(str(row["attributes"]["rating"]) for row in events if row["event_type"] == "CaseClosed")
    assert mixed_feed.truth.cases.rated == given
    assert set(given) == {"1", "2", "3", "4", "5"}


def test_events_are_counted_as_the_rows_tell(mixed_feed, events):
    truth = mixed_feed.truth
    assert truth.events_by_type == Counter(row["event_type"] for row in events)
    assert truth.events_by_tenant == Counter(row["tenant_id"] for row in events)
    assert truth.events_by_date == Counter(row["event_date"] for row in events)
