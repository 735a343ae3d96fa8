"""A copy of a stream that can be read more than once, and from any place."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from lakehouse.readers.errors import TemporarySpaceError
from lakehouse.readers.source_text import PIECE_BYTES, Pieces


@contextlib.contextmanager
def temporary_copy(content: Pieces) -> Iterator[IO[bytes]]:
    """What can be read from a stream, in a file without a name, so that nothing of it outlives the process.

    :raises TemporarySpaceError: there is no room for it.
    """
    with tempfile.TemporaryFile() as copy:
        while piece := content.read(PIECE_BYTES):
            try:
                copy.write(piece)
            except OSError as error:
                raise TemporarySpaceError(directory=tempfile.gettempdir(), problem=str(error)) from error
        yield copy


class _Reading:
    """A stream over a copy, with a place of its own."""

    def __init__(self, copy: IO[bytes]) -> None:
        self._file = copy.fileno()
        self._offset = 0

    def read(self, size: int, /) -> bytes:
        content = os.pread(self._file, size, self._offset)
        self._offset += len(content)
        return content


def readings(copy: IO[bytes], count: int) -> list[BinaryIO]:
    """As many streams over a copy, to be read side by side."""
    copy.flush()
    # Readers ask for nothing but ``read``.
    return [cast("BinaryIO", _Reading(copy)) for _ in range(count)]
