"""Files that no reader takes, told by their first bytes: named as a whole, not refused a line at a time."""

from __future__ import annotations

import lzma
import zlib

#: Bytes from the beginning of a file that are enough to tell.
HEAD_BYTES = 512

_ZIP = "a ZIP archive, or a workbook"
#: What begins with these bytes is no text, and nothing else begins with them.
_NAMED_BY_BEGINNING = (
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (b"PK\x07\x08", _ZIP),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\xff\x06\x00\x00sNaPpY", "framed Snappy data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"\x1f\x9d", "data of the old program compress"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old workbook or document of Office"),
    (b"%PDF-", "a PDF document"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PARE", "an encrypted Parquet file"),
)
#: The first field of a page or a footer follows; a text may begin with the four letters alone.
_PARQUET = b"PAR1\x15"
#: Of what is encrypted the length follows, in four bytes of which the last is 0; a column may be called PARENT_ID.
_LAST_OF_LENGTH = slice(7, 8)
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
_LZMA_BEGINNING, _LZMA_HEADER_BYTES = b"\x5d\x00\x00", 13
_TAR_MAGICS, _TAR_MAGIC_AT = (b"ustar\x00", b"ustar  \x00"), 257
_ZLIB_BEGINNINGS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_LAST_PRINTABLE, _CONTROLS_OF_TEXT = 0x7E, frozenset(b"\t\n\v\f\r\x1a\x1b")


def foreign_kind(head: bytes) -> str | None:
    """What a file is that begins like this, if it is a container or a format that is not read.

    :param head: its first :data:`HEAD_BYTES`, or all of it.
    """
    for beginning, kind in _NAMED_BY_BEGINNING:
        if head.startswith(beginning) and _goes_on(head, beginning):
            return kind
    if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGICS):
        return "a tar archive"
    if _is_lzma(head):
        return "LZMA data"
    return "zlib data" if _is_zlib(head) else None


def _goes_on(head: bytes, beginning: bytes) -> bool:
    """Whether what may begin a text as well is followed by what does not."""
    match beginning:
        case b"BZh":
            return head[4:10] in _BZIP2_BLOCKS
        case b"PARE":
            return head[_LAST_OF_LENGTH] == b"\x00"
        case _:
            return True


def is_parquet(head: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    return head.startswith(_PARQUET)


def _is_lzma(head: bytes) -> bool:
    # A text in UTF-32 may begin so, with "]"; liblzma is strict about the sizes when it must tell formats apart.
    if not head.startswith(_LZMA_BEGINNING) or len(head) < _LZMA_HEADER_BYTES:
        return False
    try:
        lzma.LZMADecompressor(lzma.FORMAT_AUTO).decompress(head)
    except lzma.LZMAError:
        return False
    return True


def _is_zlib(head: bytes) -> bool:
    # The second mark is that of a text, "x^": only what is binary, and can be inflated, is taken for zlib.
    if not head.startswith(_ZLIB_BEGINNINGS) or all(map(_is_of_text, head)):
        return False
    try:
        zlib.decompressobj().decompress(head)
    except zlib.error:
        return False
    return True


def _is_of_text(byte: int) -> bool:
    return 0x20 <= byte <= _LAST_PRINTABLE or byte in _CONTROLS_OF_TEXT
