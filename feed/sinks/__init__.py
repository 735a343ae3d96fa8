"""Where the records of a feed go: one module a kind of sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from feed.cases import Event
    from feed.defects import Defect


class Sink(Protocol):
    """Takes the records of one file or topic, one by one; a context manager gives it and ends it."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The ways a record can be damaged here."""

    def write(self, event: Event) -> None:
        """Take the event."""

    def write_damaged(self, event: Event, defect: Defect) -> None:
        """Take a copy of the event that is damaged in this way."""
