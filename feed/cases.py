"""Complaints and their lives: who does what to them, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from feed.draws import Deciles, Draws, Weighted
from feed.masters import CHANNELS, COMPLAINT_TYPES, DESK_CHANNELS
from feed.timestamps import DAY_MS, HOUR_MS, date_of_day
from feed.workflow import TRANSITIONS, Action, ActorType, Role, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feed.masters import Channel, ComplaintType, Tenant
    from feed.workflow import Transition


@dataclass(frozen=True, slots=True)
class Case:
    """One complaint: what does not change while it is worked on. Its key is (tenant, entity_id)."""

    number: int
    feed_key: bytes
    tenant: Tenant
    entity_id: str
    complaint_type: ComplaintType
    priority: str
    channel: Channel
    ward_id: str | None
    locality_id: str
    citizen_id: str
    submitted_ms: int

    @property
    def due_ms(self) -> int:
        """When its service-level time is over."""
        return self.submitted_ms + self.complaint_type.sla_hours * HOUR_MS


class Event(NamedTuple):
    """One step in the life of a case. Events sort by time; those of one case and millisecond by `step`.

    `is_last`: nothing happens to the case after this, up to the end of the feed.
    """

    time_ms: int
    case_number: int
    step: int
    case: Case
    transition: Transition
    from_status: str | None
    status: str
    role: Role
    actor_id: str
    comment: str | None
    rating: int | None
    assignee: str | None
    is_last: bool = False

    @property
    def event_id(self) -> str:
        """An identifier that is the same in every delivery of the event and in no other feed."""
        digest = blake2b(
            b"%d/%d" % (self.case_number, self.step), key=self.case.feed_key, digest_size=16
        ).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


@dataclass(frozen=True)
class Move:
    """What may happen next: an action, by whom, and when. `delay` is in hours, or in shares of the SLA."""

    action: Action
    role: Role
    delay: Deciles
    share_of_sla: bool = False


# Delays. Deciles of hours, but where they are shares of the service-level time.
_AT_ONCE: Deciles = (0.0, 0.0, 0.0, 0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5)
_ROUTED: Deciles = (0.01, 0.04, 0.1, 0.2, 0.35, 0.6, 1.0, 1.7, 2.9, 6.0, 36.0)
_WORKED: Deciles = (0.01, 0.05, 0.1, 0.16, 0.23, 0.31, 0.4, 0.51, 0.66, 0.92, 4.0)
_OVERDUE: Deciles = (0.7, 0.9, 1.0, 1.0, 1.02, 1.05, 1.1, 1.2, 1.35, 1.6, 2.5)
_SUPERVISED: Deciles = (0.02, 0.05, 0.09, 0.13, 0.18, 0.24, 0.31, 0.4, 0.55, 0.8, 2.0)
_ASKED_BACK: Deciles = (0.2, 0.5, 0.9, 1.4, 2.1, 3.2, 5.0, 8.0, 14.0, 26.0, 72.0)
_ANSWERED: Deciles = (
    0.02,
    0.15,
    0.4,
    0.9,
    1.8,
    3.5,
    7.0,
    13.0,
    24.0,
    40.0,
    71.9,
)  # the reopen window is 72 h
_REMARKED: Deciles = (0.1, 0.8, 1.8, 3.2, 5.2, 8.0, 12.0, 18.0, 26.0, 40.0, 90.0)

_MOVES: dict[State, Weighted[Move | None]] = {
    State.PENDING_FOR_ASSIGNMENT: Weighted(
        (
            (Move(Action.ASSIGN, Role.ROUTING_OFFICER, _ROUTED), 84.0),
            (Move(Action.AUTO_ASSIGN, Role.AUTO_ESCALATE, _AT_ONCE), 5.0),
            (Move(Action.REJECT, Role.ROUTING_OFFICER, _ASKED_BACK), 5.0),
            (Move(Action.COMMENT, Role.CITIZEN, _REMARKED), 4.0),
            (None, 2.0),
        )
    ),
    State.PENDING_AT_EMPLOYEE: Weighted(
        (
            (Move(Action.RESOLVE, Role.EMPLOYEE, _WORKED, share_of_sla=True), 72.0),
            (Move(Action.REASSIGN, Role.EMPLOYEE, _ASKED_BACK), 7.0),
            (Move(Action.ESCALATE, Role.AUTO_ESCALATE, _OVERDUE, share_of_sla=True), 5.0),
            (Move(Action.ESCALATE, Role.EMPLOYEE, _SUPERVISED, share_of_sla=True), 2.0),
            (Move(Action.COMMENT, Role.CITIZEN, _REMARKED), 6.0),
            (None, 8.0),
        )
    ),
    State.PENDING_FOR_REASSIGNMENT: Weighted(
        (
            (Move(Action.ASSIGN, Role.ROUTING_OFFICER, _ROUTED), 86.0),
            (Move(Action.REJECT, Role.ROUTING_OFFICER, _ASKED_BACK), 9.0),
            (Move(Action.COMMENT, Role.CITIZEN, _REMARKED), 3.0),
            (None, 2.0),
        )
    ),
    State.PENDING_AT_SUPERVISOR: Weighted(
        (
            (Move(Action.RESOLVE_BY_SUPERVISOR, Role.SUPERVISOR, _SUPERVISED, share_of_sla=True), 88.0),
            (None, 12.0),
        )
    ),
    State.RESOLVED: Weighted(
        (
            (Move(Action.RATE, Role.CITIZEN, _ANSWERED), 31.0),
            (Move(Action.RATE, Role.FEEDBACK_DESK, _ANSWERED), 4.0),
            (Move(Action.REOPEN, Role.CITIZEN, _ANSWERED), 6.0),
            (Move(Action.REOPEN, Role.SERVICE_DESK, _ANSWERED), 1.0),
            (Move(Action.COMMENT, Role.CITIZEN, _REMARKED), 2.0),
            (None, 56.0),
        )
    ),
    State.REJECTED: Weighted(
        (
            (Move(Action.RATE, Role.CITIZEN, _ANSWERED), 9.0),
            (Move(Action.REOPEN, Role.CITIZEN, _ANSWERED), 14.0),
            (Move(Action.COMMENT, Role.CITIZEN, _REMARKED), 6.0),
            (None, 71.0),
        )
    ),
}
"""What happens next in each state, and how often. None: nothing, for ever."""

_RATINGS = Weighted(((5, 38.0), (4, 24.0), (3, 13.0), (2, 8.0), (1, 17.0)))
_OTHER_PRIORITY = Weighted((("MEDIUM", 68.0), ("LOW", 32.0)))
_BURST_SHARE = 0.004  # cases worked through within a second or two, as tests in production are
_WARD_UNKNOWN_SHARE = 0.02
_OFFICE_OPENS_MS = 8 * HOUR_MS
_OFFICE_CLOSES_MS = 19 * HOUR_MS


class CaseBook:
    """Opens cases and lives them, for one feed.

    :param expected_cases: how many cases the feed will have, roughly; it sets how often a citizen comes back.
    """

    def __init__(
        self, *, draws: Draws, feed_key: bytes, tenants: Sequence[Tenant], end_ms: int, expected_cases: int
    ) -> None:
        self._draws = draws
        self._feed_key = feed_key
        self._end_ms = end_ms
        self._citizens = max(20, expected_cases * 2 // 3)
        self._opened = 0
        self._opened_by_tenant = dict.fromkeys((tenant.tenant_id for tenant in tenants), 0)
        self._staff = {
            (tenant.tenant_id, role): tenant.staff(role.name, 2 + tenant.ward_count // 4)
            for tenant in tenants
            for role in Role
            if role.actor_type is ActorType.EMPLOYEE and role is not Role.EMPLOYEE
        }
        self._field_staff = {
            (tenant.tenant_id, kind.department): tenant.staff(kind.department, 2 + tenant.ward_count // 3)
            for tenant in tenants
            for kind in COMPLAINT_TYPES.items
        }

    def open_case(self, tenant: Tenant, submitted_ms: int) -> Case:
        """Return a new case of the tenant."""
        draws = self._draws
        self._opened += 1
        sequence = self._opened_by_tenant[tenant.tenant_id] = self._opened_by_tenant[tenant.tenant_id] + 1
        kind = draws.pick(COMPLAINT_TYPES)
        ward = draws.pick(tenant.wards)
        if draws.random() < kind.urgent:
            priority = "CRITICAL" if draws.random() < 0.2 else "HIGH"
        else:
            priority = draws.pick(_OTHER_PRIORITY)
        # The product of two draws leans to the first citizens: some complain again and again.
        citizen = int(draws.random() * draws.random() * self._citizens)
        return Case(
            number=self._opened,
            feed_key=self._feed_key,
            tenant=tenant,
            entity_id=f"{tenant.complaint_prefix}{date_of_day(submitted_ms // DAY_MS)}-{sequence:06d}",
            complaint_type=kind,
            priority=priority,
            channel=draws.pick(CHANNELS),
            ward_id=None if draws.random() < _WARD_UNKNOWN_SHARE else ward.ward_id,
            locality_id=draws.one_of(ward.locality_ids),
            citizen_id=f"CIT_{tenant.code}_{citizen:06d}",
            submitted_ms=submitted_ms,
        )

    def live(self, case: Case) -> list[Event]:
        """Return the events of the case up to the end of the feed, in order."""
        draws = self._draws
        in_a_burst = draws.random() < _BURST_SHARE
        role = Role.SERVICE_DESK if case.channel in DESK_CHANNELS else Role.CITIZEN
        transition = TRANSITIONS[None, Action.APPLY]
        time_ms, status, assignee = case.submitted_ms, "OPEN", ""
        events = [
            Event(
                time_ms,
                case.number,
                0,
                case,
                transition,
                None,
                status,
                role,
                self._actor(case, role, assignee),
                draws.one_of(case.tenant.texts.complaints),
                None,
                None,
            )
        ]
        while (moves := _MOVES.get(transition.target)) and (move := draws.pick(moves)):
            time_ms = time_ms + 3 + draws.below(600) if in_a_burst else self._time_of(move, case, time_ms)
            if time_ms >= self._end_ms:
                break
            action = move.action
            transition = TRANSITIONS[transition.target, action]
            from_status, status = status, transition.status or status
            assigned = None
            if transition.target is State.PENDING_AT_EMPLOYEE and action is not Action.COMMENT:
                field_staff = self._field_staff[case.tenant.tenant_id, case.complaint_type.department]
                assignee = assigned = draws.one_of(field_staff)
            events.append(
                Event(
                    time_ms,
                    case.number,
                    len(events),
                    case,
                    transition,
                    from_status,
                    status,
                    move.role,
                    self._actor(case, move.role, assignee),
                    self._comment(case, action),
                    draws.pick(_RATINGS) if action is Action.RATE else None,
                    assigned,
                )
            )
        events[-1] = events[-1]._replace(is_last=True)
        return events

    def _time_of(self, move: Move, case: Case, previous_ms: int) -> int:
        """Return when the move happens: the city's employees work in office hours, citizens do not."""
        amount = self._draws.amount(move.delay)
        hours = amount * case.complaint_type.sla_hours if move.share_of_sla else amount
        time_ms = previous_ms + int(hours * HOUR_MS)
        if move.role.actor_type is not ActorType.EMPLOYEE:
            return time_ms
        clock_ms = (time_ms + case.tenant.utc_offset_minutes * 60_000) % DAY_MS
        if clock_ms < _OFFICE_OPENS_MS:
            return time_ms - clock_ms + _OFFICE_OPENS_MS + self._draws.below(3 * HOUR_MS)
        if clock_ms >= _OFFICE_CLOSES_MS:
            return time_ms - clock_ms + DAY_MS + _OFFICE_OPENS_MS + self._draws.below(3 * HOUR_MS)
        return time_ms

    def _actor(self, case: Case, role: Role, assignee: str) -> str:
        if role is Role.CITIZEN:
            return case.citizen_id
        if role is Role.EMPLOYEE:
            return assignee
        if role is Role.AUTO_ESCALATE:
            return "SYSTEM"
        return self._draws.one_of(self._staff[case.tenant.tenant_id, role])

    def _comment(self, case: Case, action: Action) -> str | None:
        texts = case.tenant.texts
        if action is Action.COMMENT or action is Action.REOPEN:
            return self._draws.one_of(texts.remarks)
        if action in _ANSWERING:
            return self._draws.one_of(texts.answers)
        return None


_ANSWERING = frozenset({Action.RESOLVE, Action.RESOLVE_BY_SUPERVISOR, Action.REJECT})
