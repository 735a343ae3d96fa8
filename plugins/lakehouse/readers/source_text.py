"""The bytes of a file as UTF-8, whatever compression and encoding it came in, a piece at a time.

Compression and byte order marks are recognised by content, never by name. Other encodings are transcribed; what
they cannot decode becomes a sequence that is not UTF-8, so that the record around it, and no other, is refused.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol, cast

from backports.zstd import ZstdError, ZstdFile

from lakehouse.readers.errors import DamagedFileError, ForeignFileError
from lakehouse.readers.foreign_files import HEAD_BYTES, foreign_kind, is_parquet

PIECE_BYTES = 1 << 20

_GZIP = b"\x1f\x8b"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
#: Frames of any other data that a decoder of Zstandard passes over: the last byte of their magic number varies.
_ZSTANDARD_SKIPPABLE = b"\x2a\x4d\x18"
#: UTF-32 before UTF-16: the mark of the one begins with the mark of the other.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
#: Without a mark, and named without their byte order.
_BYTE_ORDERS = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}


class Pieces(Protocol):
    """What a file is read from: a stream of bytes, and nothing else of it."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class SourceText:
    """A file's content as UTF-8, and the way back from a part of it to the bytes that were sent."""

    pieces: Pieces
    encoding: str

    def read(self) -> bytes:
        """The next piece; empty at the end.

        :raises DamagedFileError: the compressed data is broken or cut short, or the text ends within a character.
        """
        return self.pieces.read(PIECE_BYTES)

    def original(self, part: bytes) -> bytes:
        """The bytes that a part of the text was transcribed from."""
        return sent_as(part, encoding=self.encoding)


def sent_as(part: bytes, *, encoding: str) -> bytes:
    """The bytes that a part of a text of an encoding was transcribed from."""
    if encoding == "utf-8":
        return part
    return part.decode("utf-8", "surrogatepass").encode(encoding, _escape(encoding))


def transcribed(part: bytes, *, encoding: str) -> bytes:
    """A part of a text of an encoding as UTF-8, whole characters: the way back is :func:`sent_as`."""
    if encoding == "utf-8":
        return part
    return part.decode(encoding, _escape(encoding)).encode("utf-8", "surrogatepass")


def open_source_text(stream: BinaryIO, *, encoding: str = "utf-8") -> SourceText:
    """Begin to read a file.

    :param encoding: of a text without a byte order mark.
    :raises ForeignFileError: it is no text, but something that has a name.
    """
    content = decompressed(stream)
    head = _head(content, HEAD_BYTES)
    if is_parquet(head):
        raise ForeignFileError(kind="a Parquet file where its contract says text")
    for mark, marked_encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            encoding, head = marked_encoding, head[len(mark) :]
            break
    encoding = _BYTE_ORDERS.get(encoding, encoding)
    pieces: Pieces = _Rewound(head, content)
    return SourceText(pieces if encoding == "utf-8" else _Transcribed(pieces, encoding), encoding)


def _head(pieces: Pieces, size: int) -> bytes:
    head = b""
    while len(head) < size and (more := pieces.read(size - len(head))):
        head += more
    return head


class _Rewound:
    """A stream whose first bytes were already looked at."""

    def __init__(self, head: bytes, rest: Pieces) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            wanted = len(self._head) if size < 0 else size
            head, self._head = self._head[:wanted], self._head[wanted:]
            return head
        return self._rest.read(size)


def decompressed(stream: BinaryIO) -> Pieces:
    """The content of a file, whether it came compressed or not.

    :raises ForeignFileError: it, or what is compressed in it, is a container or a format that is not read.
    """
    head = _head(stream, HEAD_BYTES)
    # Both ask for nothing but ``read``.
    file = cast("IO[bytes]", _Rewound(head, stream))
    if head.startswith(_GZIP):
        return _domestic(_Decompressed(cast("Pieces", gzip.GzipFile(fileobj=file, mode="rb")), "gzip"))
    if head.startswith(_ZSTANDARD) or head[1:].startswith(_ZSTANDARD_SKIPPABLE):
        return _domestic(_Decompressed(cast("Pieces", ZstdFile(file)), "Zstandard"))
    return _domestic(file)


def _domestic(content: Pieces) -> Pieces:
    """The same content, if it is of no foreign kind."""
    head = _head(content, HEAD_BYTES)
    kind = foreign_kind(head)
    if isinstance(content, _Decompressed) and head.startswith((_GZIP, _ZSTANDARD)):
        kind = "compressed twice"
    if kind is not None:
        raise ForeignFileError(kind=kind)
    return _Rewound(head, content)


class _Decompressed:
    """Decompressed data whose damage is a :class:`DamagedFileError`."""

    def __init__(self, file: Pieces, compression: str) -> None:
        self._file = file
        self._compression = compression

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except EOFError as error:
            raise DamagedFileError(problem=f"its {self._compression} data ends before its end mark") from error
        except (zlib.error, gzip.BadGzipFile, ZstdError) as error:
            raise DamagedFileError(problem=f"its {self._compression} data is broken ({error})") from error


class _Transcribed:
    """Text of another encoding, as UTF-8."""

    def __init__(self, pieces: Pieces, encoding: str) -> None:
        self._pieces = pieces
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(_escape(encoding))

    def read(self, size: int, /) -> bytes:
        try:
            while piece := self._pieces.read(size):
                if text := self._decoder.decode(piece):
                    return text.encode("utf-8", "surrogatepass")
            return self._decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            problem = f"its {self._encoding} text is broken, or ends within a character ({error.reason})"
            raise DamagedFileError(problem=problem) from error


def _escape(encoding: str) -> str:
    """How what an encoding cannot decode is carried, both ways: as lone surrogates."""
    return "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
