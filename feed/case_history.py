"""What became of one case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feed.workflow import OPEN_STATES, Action

if TYPE_CHECKING:
    from feed.cases import Case, Event


class CaseHistory:
    """A case as its events tell it, taken in the order they happened.

    :ivar first_ms: when it happened for the first time, by event type.
    :ivar final_ms: when it happened for the last time.
    :ivar counts: how often it happened.
    :ivar status_ms: since when it has its status; a comment does not move that.
    """

    __slots__ = ("case", "counts", "final_ms", "first_ms", "rating", "state", "status", "status_ms")

    def __init__(self, submission: Event) -> None:
        self.case: Case = submission.case
        self.first_ms: dict[str, int] = {}
        self.final_ms: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.rating: int | None = None
        self.state = submission.transition.target
        self.status = submission.status
        self.status_ms = submission.time_ms

    def follow(self, event: Event) -> None:
        """Take the next event."""
        transition = event.transition
        event_type = transition.event_type
        self.first_ms.setdefault(event_type, event.time_ms)
        self.final_ms[event_type] = event.time_ms
        self.counts[event_type] = self.counts.get(event_type, 0) + 1
        if transition.action is not Action.COMMENT:
            self.state, self.status, self.status_ms = transition.target, event.status, event.time_ms
        if event.rating is not None:
            self.rating = event.rating

    def happened(self, event_type: str) -> bool:
        """Whether it happened to the case, once or more."""
        return event_type in self.counts

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state in OPEN_STATES

    @property
    def is_resolved_late(self) -> bool:
        """Whether the first resolution came after the service-level time."""
        return self._is_late(self.first_ms.get("CaseResolved"))

    @property
    def is_finally_resolved_late(self) -> bool:
        """Whether the last resolution came after the service-level time."""
        return self._is_late(self.final_ms.get("CaseResolved"))

    def is_overdue(self, *, as_of_ms: int) -> bool:
        """Whether it is open though its service-level time is over."""
        return self.is_open and self._is_late(as_of_ms)

    def is_breached(self, *, as_of_ms: int) -> bool:
        """Whether the service level is missed: by the first resolution if there is one, else while it is open."""
        return self.is_resolved_late if self.happened("CaseResolved") else self.is_overdue(as_of_ms=as_of_ms)

    def is_finally_breached(self, *, as_of_ms: int) -> bool:
        """Whether the service level is missed as things stand: while it is open, else by the last resolution."""
        return self.is_overdue(as_of_ms=as_of_ms) if self.is_open else self.is_finally_resolved_late

    def _is_late(self, moment_ms: int | None) -> bool:
        return moment_ms is not None and moment_ms > self.case.due_ms
