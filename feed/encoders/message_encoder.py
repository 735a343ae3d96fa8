"""Events as messages: what a producer of complaint events sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from feed.defects import Defect
from feed.encoders.json_record import JSON_DEFECTS, damaged_json_of, json_of

if TYPE_CHECKING:
    from feed.cases import Event


class Message(NamedTuple):
    """A message before it is sent; a tombstone has no value."""

    key: bytes
    value: bytes | None


class MessageEncoder(Protocol):
    """Lays out messages in one way."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The ways a message of this layout can be damaged."""

    def encode(self, event: Event) -> Message:
        """Return the message of the event."""

    def encode_damaged(self, event: Event, defect: Defect) -> Message:
        """Return a copy of the message that is damaged in this way, and in no other.

        :raises KeyError: when the layout does not know the defect.
        """


class BronzeMessageEncoder:
    """Lays out messages with the columns of the bronze table.

    The key is tenant_id/entity_id, so that the events of a case are in one partition, in the order they were sent.
    """

    def __init__(self) -> None:
        self.defects = (*JSON_DEFECTS, Defect.EMPTY_VALUE, Defect.TOMBSTONE)

    def encode(self, event: Event) -> Message:
        """Return the message of the event."""
        return Message(_key_of(event), json_of(event))

    def encode_damaged(self, event: Event, defect: Defect) -> Message:
        """Return the message of the event, damaged in its value."""
        if defect is Defect.TOMBSTONE:
            return Message(_key_of(event), None)
        if defect is Defect.EMPTY_VALUE:
            return Message(_key_of(event), b"")
        return Message(_key_of(event), damaged_json_of(event, defect))


def _key_of(event: Event) -> bytes:
    return f"{event.case.tenant.tenant_id}/{event.case.entity_id}".encode()
