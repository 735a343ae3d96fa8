"""Records as the lines of a text file, compressed or not."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from io import BufferedWriter
from typing import IO, TYPE_CHECKING, cast

from backports import zstd

from feed.encoders import encoder_for
from feed.options import Compression

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import RawIOBase

    from feed.cases import Event
    from feed.defects import Defect
    from feed.encoders import Encoder
    from feed.options import Format

_BUFFER_BYTES = 1 << 20


class TextFile:
    """The sink of one open file."""

    def __init__(self, stream: IO[bytes], encoder: Encoder) -> None:
        self._write, self._encoder = stream.write, encoder
        self._write(encoder.header())

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The ways a record of the file's format can be damaged."""
        return self._encoder.defects

    def write(self, event: Event) -> None:
        """Append the event's record."""
        self._write(self._encoder.encode(event))

    def write_damaged(self, event: Event, defect: Defect) -> None:
        """Append a damaged copy of the event's record."""
        self._write(self._encoder.encode_damaged(event, defect))


@contextmanager
def new_text_file(stream: IO[bytes], *, file_format: Format, compression: Compression) -> Iterator[TextFile]:
    """Give the sink of a new file that is written to the stream, which stays open."""
    with _compressed(stream, compression) as compressed:
        buffered = BufferedWriter(cast("RawIOBase", compressed), _BUFFER_BYTES)
        yield TextFile(cast("IO[bytes]", buffered), encoder_for(file_format))
        buffered.flush()
        buffered.detach()


@contextmanager
def _compressed(plain: IO[bytes], compression: Compression) -> Iterator[IO[bytes]]:
    if compression is Compression.NONE:
        yield plain
    elif compression is Compression.GZIP:
        # No name and no time of its own in the header: the same feed is the same bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=plain, mtime=0) as compressed:
            yield cast("IO[bytes]", compressed)
    else:
        with zstd.ZstdFile(plain, "wb", level=3) as compressed:
            yield cast("IO[bytes]", compressed)
