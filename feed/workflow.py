"""DIGIT's state machine of a complaint (business service `PGR`) and how each action reads as an event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a complaint stands, by DIGIT's own names."""

    PENDING_FOR_ASSIGNMENT = "PENDINGFORASSIGNMENT"
    PENDING_AT_EMPLOYEE = "PENDINGATLME"
    PENDING_FOR_REASSIGNMENT = "PENDINGFORREASSIGNMENT"
    PENDING_AT_SUPERVISOR = "PENDINGATSUPERVISOR"
    RESOLVED = "RESOLVED"
    REJECTED = "REJECTED"
    CLOSED_AFTER_RESOLUTION = "CLOSEDAFTERRESOLUTION"
    CLOSED_AFTER_REJECTION = "CLOSEDAFTERREJECTION"


OPEN_STATES = frozenset(
    {
        State.PENDING_FOR_ASSIGNMENT,
        State.PENDING_AT_EMPLOYEE,
        State.PENDING_FOR_REASSIGNMENT,
        State.PENDING_AT_SUPERVISOR,
    }
)
"""Resolved complaints are not open, though most of them are never rated and so never closed."""


class Action(StrEnum):
    """What somebody does to a complaint, by DIGIT's own names."""

    APPLY = "APPLY"
    ASSIGN = "ASSIGN"
    AUTO_ASSIGN = "ASSIGNEDBYAUTOESCALATION"
    REASSIGN = "REASSIGN"
    ESCALATE = "ESCALATE"
    RESOLVE = "RESOLVE"
    RESOLVE_BY_SUPERVISOR = "RESOLVEBYSUPERVISOR"
    REJECT = "REJECT"
    RATE = "RATE"
    REOPEN = "REOPEN"
    COMMENT = "COMMENT"


class ActorType(StrEnum):
    """The kind of user behind an event, as DIGIT's user service tells it."""

    CITIZEN = "CITIZEN"
    EMPLOYEE = "EMPLOYEE"
    SYSTEM = "SYSTEM"


class Role(StrEnum):
    """In what role somebody acts."""

    CITIZEN = "CITIZEN"
    SERVICE_DESK = "CSR"
    FEEDBACK_DESK = "CFC"
    ROUTING_OFFICER = "GRO"
    EMPLOYEE = "PGR_LME"
    SUPERVISOR = "SUPERVISOR"
    AUTO_ESCALATE = "AUTO_ESCALATE"

    @property
    def actor_type(self) -> ActorType:
        """The kind of user that holds this role."""
        if self is Role.CITIZEN:
            return ActorType.CITIZEN
        return ActorType.SYSTEM if self is Role.AUTO_ESCALATE else ActorType.EMPLOYEE


@dataclass(frozen=True)
class Transition:
    """An arrow of the state machine. `source` is None at the start, `status` if the action moves nothing."""

    source: State | None
    action: Action
    target: State
    event_type: str
    status: str | None
    roles: frozenset[Role]


def _transition(
    source: State | None, action: Action, target: State, event_type: str, status: str | None, *roles: Role
) -> Transition:
    return Transition(source, action, target, event_type, status, frozenset(roles))


_ARROWS = (
    _transition(
        None,
        Action.APPLY,
        State.PENDING_FOR_ASSIGNMENT,
        "CaseSubmitted",
        "OPEN",
        Role.CITIZEN,
        Role.SERVICE_DESK,
    ),
    *(
        _transition(
            source, Action.ASSIGN, State.PENDING_AT_EMPLOYEE, "CaseAssigned", "ASSIGNED", Role.ROUTING_OFFICER
        )
        for source in (State.PENDING_FOR_ASSIGNMENT, State.PENDING_FOR_REASSIGNMENT)
    ),
    _transition(
        State.PENDING_FOR_ASSIGNMENT,
        Action.AUTO_ASSIGN,
        State.PENDING_AT_EMPLOYEE,
        "CaseAssigned",
        "ASSIGNED",
        Role.AUTO_ESCALATE,
    ),
    *(
        _transition(source, Action.REJECT, State.REJECTED, "CaseRejected", "REJECTED", Role.ROUTING_OFFICER)
        for source in (State.PENDING_FOR_ASSIGNMENT, State.PENDING_FOR_REASSIGNMENT)
    ),
    _transition(
        State.PENDING_AT_EMPLOYEE,
        Action.REASSIGN,
        State.PENDING_FOR_REASSIGNMENT,
        "CaseReassignRequested",
        "OPEN",
        Role.EMPLOYEE,
    ),
    _transition(
        State.PENDING_AT_EMPLOYEE,
        Action.ESCALATE,
        State.PENDING_AT_SUPERVISOR,
        "CaseEscalated",
        "ASSIGNED",
        Role.EMPLOYEE,
        Role.AUTO_ESCALATE,
    ),
    _transition(
        State.PENDING_AT_EMPLOYEE, Action.RESOLVE, State.RESOLVED, "CaseResolved", "RESOLVED", Role.EMPLOYEE
    ),
    _transition(
        State.PENDING_AT_SUPERVISOR,
        Action.RESOLVE_BY_SUPERVISOR,
        State.RESOLVED,
        "CaseResolved",
        "RESOLVED",
        Role.SUPERVISOR,
    ),
    *(
        _transition(source, Action.RATE, target, "CaseClosed", "CLOSED", Role.CITIZEN, Role.FEEDBACK_DESK)
        for source, target in (
            (State.RESOLVED, State.CLOSED_AFTER_RESOLUTION),
            (State.REJECTED, State.CLOSED_AFTER_REJECTION),
        )
    ),
    *(
        _transition(
            source,
            Action.REOPEN,
            State.PENDING_FOR_ASSIGNMENT,
            "CaseReopened",
            "REOPENED",
            Role.CITIZEN,
            Role.SERVICE_DESK,
            Role.FEEDBACK_DESK,
        )
        for source in (State.RESOLVED, State.REJECTED)
    ),
    *(
        _transition(state, Action.COMMENT, state, "CaseCommented", None, Role.CITIZEN)
        for state in (
            State.PENDING_FOR_ASSIGNMENT,
            State.PENDING_FOR_REASSIGNMENT,
            State.PENDING_AT_EMPLOYEE,
            State.REJECTED,
            State.RESOLVED,
        )
    ),
)

TRANSITIONS = {(transition.source, transition.action): transition for transition in _ARROWS}
"""Every legal step: (state, action) to its transition. What is not here cannot happen."""
