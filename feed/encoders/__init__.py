"""Events as bytes: one module a text format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from feed.encoders.csv_encoder import CsvEncoder
from feed.encoders.jsonl_encoder import JsonlEncoder
from feed.options import Format

if TYPE_CHECKING:
    from feed.cases import Event
    from feed.defects import Defect

__all__ = ["CsvEncoder", "Encoder", "JsonlEncoder", "encoder_for"]


class Encoder(Protocol):
    """Writes records one by one; a file is the header and then the records, each with its line end."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The ways a record of this format can be damaged."""

    def header(self) -> bytes:
        """Return what stands before the first record."""

    def encode(self, event: Event) -> bytes:
        """Return the record of the event."""

    def encode_damaged(self, event: Event, defect: Defect) -> bytes:
        """Return a copy of the record that is damaged in this way, and in no other.

        :raises KeyError: when the format does not know the defect.
        """


def encoder_for(file_format: Format) -> Encoder:
    """Return the encoder of a text format."""
    return CsvEncoder() if file_format is Format.CSV else JsonlEncoder()
