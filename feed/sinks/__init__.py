"""Where the records of a feed go: one module a kind of sink."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Protocol

from feed.options import Compression, Format
from feed.sinks.parquet_file import new_parquet_file
from feed.sinks.text_file import new_text_file

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from feed.cases import Event
    from feed.defects import Defect

__all__ = ["Sink", "file_sink"]


class Sink(Protocol):
    """Takes the records of one file or topic, one by one; a context manager gives it and ends it."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The ways a record can be damaged here."""

    def write(self, event: Event) -> None:
        """Take the event."""

    def write_damaged(self, event: Event, defect: Defect) -> None:
        """Take a copy of the event that is damaged in this way."""


def file_sink(stream: IO[bytes], *, file_format: Format, compression: Compression) -> AbstractContextManager[Sink]:
    """Give the sink of a new file that is written to the stream, which stays open."""
    if file_format is Format.PARQUET:
        return new_parquet_file(stream, compression=compression)
    return new_text_file(stream, file_format=file_format, compression=compression)
