from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from feed import Options, generate
from feed.masters import TENANT_COUNT, tenants

OPTIONS = Options(events=15_000, seed=3, days=25, tenants=4)

# DIGIT's state machine once more, written from its documentation and not from the generator.
NEXT_STATE = {
    (None, "APPLY"): "PENDINGFORASSIGNMENT",
    ("PENDINGFORASSIGNMENT", "ASSIGN"): "PENDINGATLME",
    ("PENDINGFORASSIGNMENT", "ASSIGNEDBYAUTOESCALATION"): "PENDINGATLME",
    ("PENDINGFORASSIGNMENT", "REJECT"): "REJECTED",
    ("PENDINGATLME", "RESOLVE"): "RESOLVED",
    ("PENDINGATLME", "REASSIGN"): "PENDINGFORREASSIGNMENT",
    ("PENDINGATLME", "ESCALATE"): "PENDINGATSUPERVISOR",
    ("PENDINGFORREASSIGNMENT", "ASSIGN"): "PENDINGATLME",
    ("PENDINGFORREASSIGNMENT", "REJECT"): "REJECTED",
    ("PENDINGATSUPERVISOR", "RESOLVEBYSUPERVISOR"): "RESOLVED",
    ("RESOLVED", "RATE"): "CLOSEDAFTERRESOLUTION",
    ("RESOLVED", "REOPEN"): "PENDINGFORASSIGNMENT",
    ("REJECTED", "RATE"): "CLOSEDAFTERREJECTION",
    ("REJECTED", "REOPEN"): "PENDINGFORASSIGNMENT",
    **{
        (state, "COMMENT"): state
        for state in ("PENDINGFORASSIGNMENT", "PENDINGFORREASSIGNMENT", "PENDINGATLME", "REJECTED", "RESOLVED")
    },
}
ALLOWED_ROLES = {
    "APPLY": {"CITIZEN", "CSR"},
    "ASSIGN": {"GRO"},
    "ASSIGNEDBYAUTOESCALATION": {"AUTO_ESCALATE"},
    "REJECT": {"GRO"},
    "RESOLVE": {"PGR_LME"},
    "REASSIGN": {"PGR_LME"},
    "ESCALATE": {"PGR_LME", "AUTO_ESCALATE"},
    "RESOLVEBYSUPERVISOR": {"SUPERVISOR"},
    "RATE": {"CITIZEN", "CFC"},
    "REOPEN": {"CITIZEN", "CSR", "CFC"},
    "COMMENT": {"CITIZEN"},
}


@pytest.fixture(scope="module")
def events():
    return list(generate(OPTIONS))


@pytest.fixture(scope="module")
def events_by_case(events):
    by_case = defaultdict(list)
    for event in events:
        by_case[event.case_number].append(event)
    return by_case


@pytest.mark.parametrize(("count", "days"), [(1, 1), (7, 30), (400, 1), (5_000, 3), (20_000, 60)])
def test_as_many_events_as_asked_for_within_the_days(count, days):
    options = Options(events=count, days=days)

    times = [event.time_ms for event in generate(options)]

    assert len(times) == count
    assert times == sorted(times)
    assert options.start_ms <= times[0]
    assert times[-1] < options.end_ms


def test_a_large_feed_lasts_nearly_as_long_as_asked_for(events):
    assert OPTIONS.end_ms - events[-1].time_ms < (OPTIONS.end_ms - OPTIONS.start_ms) * 0.06


def test_every_case_lives_by_the_state_machine(events_by_case):
    for life in events_by_case.values():
        state = None
        for event in life:
            state = NEXT_STATE[state, event.transition.action]
            assert event.transition.target == state


def test_every_action_and_every_state_occurs(events):
    assert {event.transition.action for event in events} == {action for _, action in NEXT_STATE}
    assert {event.transition.target for event in events} == set(NEXT_STATE.values())


def test_statuses_follow_one_another_and_a_comment_moves_none(events_by_case):
    for life in events_by_case.values():
        assert life[0].from_status is None
        for before, after in pairwise(life):
            assert after.from_status == before.status
            if after.transition.action == "COMMENT":
                assert after.status == before.status


def test_time_goes_forward_in_a_case_and_stands_still_only_for_automatic_assignment(events_by_case):
    ties = 0
    for life in events_by_case.values():
        for before, after in pairwise(life):
            assert before.time_ms <= after.time_ms
            if before.time_ms == after.time_ms:
                ties += 1
                assert after.transition.action == "ASSIGNEDBYAUTOESCALATION"
    assert ties > 0


def test_actors_have_a_role_that_allows_the_action(events):
    for event in events:
        assert event.role in ALLOWED_ROLES[event.transition.action]
        prefix = {"CITIZEN": "CIT_", "EMPLOYEE": "EMP_", "SYSTEM": "SYSTEM"}[event.role.actor_type]
        assert event.actor_id.startswith(prefix)


def test_the_assigned_employee_does_the_work(events_by_case):
    for life in events_by_case.values():
        assignee = None
        for event in life:
            assignee = event.assignee or assignee
            if event.role == "PGR_LME":
                assert event.actor_id == assignee
            if event.role == "CITIZEN":
                assert event.actor_id == event.case.citizen_id


def test_localities_lie_in_wards_and_wards_in_tenants(events):
    wards_of_locality, tenants_of_ward = defaultdict(set), defaultdict(set)
    for event in events:
        if event.case.ward_id is not None:
            wards_of_locality[event.case.locality_id].add(event.case.ward_id)
            tenants_of_ward[event.case.ward_id].add(event.case.tenant.tenant_id)
    assert {len(wards) for wards in wards_of_locality.values()} == {1}
    assert {len(owners) for owners in tenants_of_ward.values()} == {1}
    assert any(event.case.ward_id is None for event in events)


def test_a_complaint_is_known_by_tenant_and_identifier_together_only(events):
    submissions = [event.case for event in events if event.step == 0]
    keys = {(case.tenant.tenant_id, case.entity_id) for case in submissions}
    assert len(keys) == len(submissions)
    assert len({case.entity_id for case in submissions}) < len(submissions)


def test_event_ids_are_unique_and_of_this_feed(events):
    identifiers = {event.event_id for event in events}
    assert len(identifiers) == len(events)
    assert identifiers.isdisjoint(event.event_id for event in generate(replace(OPTIONS, seed=4)))


def test_plants_move_no_event():
    quiet = Options(events=500, duplicates=0, late=0, out_of_order=0, bad=0)
    assert list(generate(quiet)) == list(generate(Options(events=500, bad=0.3, late=0.2, files=9)))


def test_offsets_of_the_tenants_are_those_of_their_zones():
    for tenant in tenants(TENANT_COUNT):
        for month in (1, 7):
            offset = datetime(2026, month, 1, tzinfo=UTC).astimezone(ZoneInfo(tenant.zone)).utcoffset()
            assert offset == timedelta(minutes=tenant.utc_offset_minutes)
    assert len({tenant.utc_offset_minutes for tenant in tenants(2)}) == 2


def test_people_sleep_at_night_by_the_clock_of_their_city(events):
    by_night = Counter()
    for event in events:
        local_hour = (event.time_ms // 3_600_000 * 60 + event.case.tenant.utc_offset_minutes) // 60 % 24
        if event.step == 0:
            by_night[event.case.tenant.tenant_id, local_hour < 6] += 1
        if event.role.actor_type == "EMPLOYEE" and event.step:
            by_night["office", local_hour < 7 or local_hour > 20] += 1
    for tenant in tenants(OPTIONS.tenants):
        assert by_night[tenant.tenant_id, True] < by_night[tenant.tenant_id, False] * 0.06
    assert by_night["office", True] < by_night["office", False] * 0.01


def test_shares_are_those_of_real_cities(events, events_by_case):
    types = Counter(event.case.complaint_type.code for event in events if event.step == 0).most_common()
    assert types[0][1] > 10 * types[-3][1]
    last_states = Counter(life[-1].transition.target for life in events_by_case.values())
    assert last_states["RESOLVED"] > last_states["CLOSEDAFTERRESOLUTION"] > 0
    late = sum(event.time_ms > event.case.due_ms for event in events if event.transition.target == "RESOLVED")
    assert 0.15 < late / sum(event.transition.target == "RESOLVED" for event in events) < 0.45


def test_the_first_events_of_a_huge_feed_come_without_the_others():
    assert len(list(islice(generate(Options(events=10_000_000, days=365)), 50))) == 50


def test_only_cases_being_worked_on_are_kept():
    options = Options(events=20_000, days=120)
    tracemalloc.start()
    try:
        kept = list(generate(options))
        all_kept = tracemalloc.get_traced_memory()[0]
        del kept
        tracemalloc.reset_peak()
        for _ in generate(options):
            pass
        streaming_peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert streaming_peak < all_kept / 3
