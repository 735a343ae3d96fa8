"""JSON Lines: an object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feed.defects import Defect
from feed.encoders.json_record import JSON_DEFECTS, damaged_json_of, json_of

if TYPE_CHECKING:
    from feed.cases import Event


class JsonlEncoder:
    """Writes each record as its JSON object and a line feed."""

    def __init__(self) -> None:
        self.defects = (*JSON_DEFECTS, Defect.BLANK)

    def header(self) -> bytes:
        """Return nothing: JSON Lines have no header."""
        return b""

    def encode(self, event: Event) -> bytes:
        """Return the event's line."""
        return json_of(event) + b"\n"

    def encode_damaged(self, event: Event, defect: Defect) -> bytes:
        """Return the event's line, damaged."""
        return b"\n" if defect is Defect.BLANK else damaged_json_of(event, defect) + b"\n"
