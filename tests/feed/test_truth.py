from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from feed import CASES_FILE_NAME

#: The cities of the feed, and the zones they really lie in.
ZONES = {"pb.amritsar": "Asia/Kolkata", "ke.nairobi": "Africa/Nairobi", "pb.jalandhar": "Asia/Kolkata"}
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

    @property
    def tenant_id(self) -> str:
        return self.submitted["tenant_id"]

    @property
    def is_breached(self) -> bool:
        """As DIGIT tells it: by the first resolution, and while there is none by the clock."""
        return self.resolutions[0] > self.due if self.resolutions else self.is_overdue

    @property
    def is_finally_breached(self) -> bool:
        if self.state in OPEN_STATES:
            return self.is_overdue
        return bool(self.resolutions) and self.resolutions[-1] > self.due

    def times(self, event_type: str) -> list[datetime]:
        return [row["time"] for row in self.rows if row["event_type"] == event_type]

    def happened(self, event_type: str) -> bool:
        return bool(self.times(event_type))


def day_of(tenant_id: str, moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(ZONES[tenant_id])).date()


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


@pytest.fixture(scope="module")
def truths(mixed_feed, lives):
    """The truth about the cases of every city and of all, each with the lives it is about."""
    truth = mixed_feed.truth
    return [
        (truth.cases, lives),
        *(
            (tenant.cases, [life for life in lives if life.tenant_id == tenant_id])
            for tenant_id, tenant in truth.tenants.items()
        ),
    ]


def test_cases_are_counted_as_their_rows_tell(truths):
    for truth, lives in truths:
        assert truth.cases == len(lives) > 0
        assert truth.open == sum(life.state in OPEN_STATES for life in lives)
        assert truth.by_last_status == Counter(life.moves[-1]["status"] for life in lives)
        assert truth.by_last_state == Counter(life.state for life in lives)
        for name, event_type in (
            ("assigned", "CaseAssigned"),
            ("reopened", "CaseReopened"),
            ("rejected", "CaseRejected"),
            ("reassigned", "CaseReassignRequested"),
            ("escalated", "CaseEscalated"),
        ):
            assert getattr(truth, name) == sum(life.happened(event_type) for life in lives), name


def test_service_levels_are_missed_as_the_rows_tell(mixed_feed, truths):
    assert mixed_feed.truth.as_of == AS_OF
    for truth, lives in truths:
        resolved = [life for life in lives if life.resolutions]
        assert truth.resolved == len(resolved)
        assert truth.resolved_late == sum(life.resolutions[0] > life.due for life in resolved)
        assert truth.finally_resolved_late == sum(life.resolutions[-1] > life.due for life in resolved)
        assert truth.open_overdue == sum(life.is_overdue for life in lives)
        assert truth.open_overdue_never_resolved == sum(life.is_overdue and not life.resolutions for life in lives)
        assert truth.breached == sum(life.is_breached for life in lives)
        assert truth.finally_breached == sum(life.is_finally_breached for life in lives)


def test_the_feed_has_cases_that_tell_the_figures_apart(mixed_feed):
    truth = mixed_feed.truth.cases
    assert truth.resolved_late < truth.finally_resolved_late < truth.resolved
    assert 0 < truth.open_overdue_never_resolved < truth.open_overdue < truth.open
    assert truth.resolved_late < truth.breached < truth.finally_breached


def test_ratings_are_counted_as_the_rows_tell(mixed_feed, events):
    given = Counter(str(row["attributes"]["rating"]) for row in events if row["event_type"] == "CaseClosed")
    assert mixed_feed.truth.cases.rated == given
    assert set(given) == {"1", "2", "3", "4", "5"}


def test_events_are_counted_as_the_rows_tell(mixed_feed, events):
    truth = mixed_feed.truth
    assert truth.events_by_type == Counter(row["event_type"] for row in events)
    by_tenant = Counter(row["tenant_id"] for row in events)
    assert {name: tenant.events for name, tenant in truth.tenants.items()} == by_tenant
    assert truth.events_by_date == Counter(row["event_date"] for row in events)


def test_zones_of_the_cities_are_told(mixed_feed):
    assert {name: tenant.zone for name, tenant in mixed_feed.truth.tenants.items()} == ZONES


def test_every_day_of_the_funnel_is_as_the_rows_tell_by_the_citys_own_clock(mixed_feed, events):
    kinds = {
        "CaseSubmitted": "submitted",
        "CaseAssigned": "assigned",
        "CaseResolved": "resolved",
        "CaseClosed": "closed",
        "CaseReopened": "reopened",
        "CaseRejected": "rejected",
    }
    happened, cases = Counter(), defaultdict(set)
    for row in events:
        if kind := kinds.get(row["event_type"]):
            day = (day_of(row["tenant_id"], row["time"]).isoformat(), row["tenant_id"])
            happened[day, kind] += 1
            cases[day, kind].add(row["entity_id"])
    funnel = mixed_feed.truth.funnel
    assert list(funnel) == sorted(funnel, key=attrgetter("date", "tenant_id"))
    assert {(line.date, line.tenant_id) for line in funnel} == {day for day, _ in happened}
    for line in funnel:
        day = (line.date, line.tenant_id)
        for kind in kinds.values():
            assert getattr(line, f"{kind}_events") == happened[day, kind]
        for kind in ("submitted", "resolved", "closed"):
            assert getattr(line, f"{kind}_cases") == len(cases[day, kind])
    assert sum(line.resolved_events - line.resolved_cases for line in funnel) > 0


def test_the_backlog_of_every_day_is_as_the_rows_tell(mixed_feed, lives):
    found = {(line.date, line.tenant_id): line.open_cases for line in mixed_feed.truth.backlog}
    assert len(found) == len(mixed_feed.truth.backlog)
    for tenant_id in ZONES:
        own = [life for life in lives if life.tenant_id == tenant_id]
        day = min(day_of(tenant_id, life.submitted["time"]) for life in own)
        while day <= day_of(tenant_id, AS_OF - timedelta(milliseconds=1)):
            last_moves = [
                [row for row in life.moves if day_of(tenant_id, row["time"]) <= day][-1]
                for life in own
                if day_of(tenant_id, life.submitted["time"]) <= day
            ]
            expected = Counter(
                row["status"] for row in last_moves if row["attributes"]["digit_status"] in OPEN_STATES
            )
            assert found.pop((day.isoformat(), tenant_id)) == expected, (day, tenant_id)
            day += timedelta(days=1)
    assert found == {}


def test_every_case_is_in_the_table_as_its_rows_tell(mixed_feed, lives):
    table = {
        (row["tenant_id"], row["complaint_id"]): row
        for row in pq.read_table(mixed_feed.directory / CASES_FILE_NAME).to_pylist()
    }
    assert len(table) == len(lives)
    for life in lives:
        submitted, attributes = life.submitted, life.submitted["attributes"]
        row = table[submitted["tenant_id"], submitted["entity_id"]]
        for name, event_type in (
            ("submitted", "CaseSubmitted"),
            ("assigned", "CaseAssigned"),
            ("resolved", "CaseResolved"),
            ("closed", "CaseClosed"),
            ("rejected", "CaseRejected"),
            ("reopened", "CaseReopened"),
            ("escalated", "CaseEscalated"),
        ):
            times = life.times(event_type)
            assert row[f"{name}_time"] == (min(times) if times else None)
            assert row[f"final_{name}_time"] == (max(times) if times else None)
        for name, event_type in (
            ("assignment", "CaseAssigned"),
            ("resolution", "CaseResolved"),
            ("reopen", "CaseReopened"),
            ("reassign", "CaseReassignRequested"),
            ("escalation", "CaseEscalated"),
            ("comment", "CaseCommented"),
        ):
            assert row[f"{name}_count"] == len(life.times(event_type))
        ratings = [event["attributes"]["rating"] for event in life.rows if event["event_type"] == "CaseClosed"]
        assert {name: row[name] or "" for name in ("channel", "ward_id", "locality_id")} == {
            name: submitted[name] or "" for name in ("channel", "ward_id", "locality_id")
        }
        assert {name: row[name] for name in ("complaint_type", "priority", "department", "sla_hours")} == {
            name: attributes[name] for name in ("complaint_type", "priority", "department", "sla_hours")
        }
        assert row["sla_due_time"] == life.due
        assert row["event_count"] == len(life.rows)
        assert (row["last_status"], row["last_state"]) == (life.moves[-1]["status"], life.state)
        assert row["last_status_time"] == life.moves[-1]["time"]
        assert row["is_open"] is (life.state in OPEN_STATES)
        assert row["breach_flag"] is life.is_breached
        assert row["final_breach_flag"] is life.is_finally_breached
        assert row["rating"] == (ratings[-1] if ratings else None)
