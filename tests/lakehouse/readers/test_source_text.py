from __future__ import annotations

import codecs
import gzip
import io

import pytest
from backports import zstd
from hypothesis import assume, given
from hypothesis import strategies as st

from lakehouse.readers.errors import DamagedFileError, ForeignFileError
from lakehouse.readers.source_text import open_source_text

CONTENT = b"".join(b"line %d of some text\n" % number for number in range(5_000))


class OneByteStream:
    """A stream that has nothing but ``read``, and gives less than it is asked for."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def read(self, size: int = -1, /) -> bytes:
        return self._rest.read(min(size, 1) if size >= 0 else 1)


def read_all(stream, **encoding: str) -> bytes:
    text = open_source_text(stream, **encoding)
    return b"".join(iter(text.read, b""))


@pytest.mark.parametrize(
    "sent",
    [
        CONTENT,
        gzip.compress(CONTENT),
        gzip.compress(CONTENT[:1_000]) + gzip.compress(b"") + gzip.compress(CONTENT[1_000:]),
        gzip.compress(CONTENT) + bytes(512),
        zstd.compress(CONTENT),
        zstd.compress(CONTENT[:1_000]) + zstd.compress(CONTENT[1_000:]),
        b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstd.compress(CONTENT),
    ],
    ids=["plain", "gzip", "gzip members", "gzip padded", "zstd", "zstd frames", "zstd after a skippable frame"],
)
def test_compression_is_recognised_by_content(sent):
    assert read_all(io.BytesIO(sent)) == CONTENT


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
def test_a_stream_may_give_less_than_it_is_asked_for(compress):
    assert read_all(OneByteStream(compress(b"\xef\xbb\xbfa few bytes"))) == b"a few bytes"


@pytest.mark.parametrize("content", [b"", b"a", b"\x1f", b"\x28\xb5"])
def test_a_text_shorter_than_any_mark_is_a_text(content):
    assert read_all(io.BytesIO(content)) == content


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("empty", [b"", CONTENT[:40]])
def test_compressed_data_that_is_cut_anywhere_is_damaged(compress, empty):
    sent = compress(empty)
    for length in range(4, len(sent)):
        with pytest.raises(DamagedFileError):
            read_all(io.BytesIO(sent[:length]))


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_compressed_data_with_something_else_behind_it_is_damaged(compress):
    with pytest.raises(DamagedFileError, match="broken"):
        read_all(io.BytesIO(compress(CONTENT) + b"and then some"))


def test_a_wrong_checksum_is_damage():
    sent = bytearray(gzip.compress(CONTENT))
    sent[-6] ^= 1
    with pytest.raises(DamagedFileError, match="broken"):
        read_all(io.BytesIO(bytes(sent)))


def test_an_error_of_the_stream_itself_is_not_damage():
    class Lost:
        def read(self, size: int = -1, /) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        read_all(Lost())


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
@pytest.mark.parametrize("declared", ["utf-8", "latin-1"])
def test_a_byte_order_mark_says_the_encoding_and_is_not_part_of_the_text(mark, encoding, declared):
    sent = "naïve नमस्ते 😀\n".encode(encoding)

    assert read_all(io.BytesIO(mark + sent), encoding=declared).decode() == "naïve नमस्ते 😀\n"
    assert read_all(OneByteStream(mark + sent), encoding=declared).decode() == "naïve नमस्ते 😀\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "gb18030"])
def test_a_text_without_a_mark_has_the_declared_encoding(encoding):
    sent = "naïve\n".encode("utf-16-le" if encoding == "utf-16" else encoding.replace("-sig", ""))

    assert read_all(io.BytesIO(sent), encoding=encoding).decode() == "naïve\n"


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [(b"a\x81b\n", "cp1252"), ("a".encode("utf-16-le") + b"\x00\xd8" + "b\n".encode("utf-16-le"), "utf-16-le")],
)
def test_what_cannot_be_decoded_is_no_utf8_and_can_be_had_back(sent, encoding):
    text = open_source_text(io.BytesIO(sent), encoding=encoding)
    transcribed = b"".join(iter(text.read, b""))

    with pytest.raises(UnicodeDecodeError):
        transcribed.decode()
    assert text.original(transcribed) == sent


def test_a_text_that_ends_within_a_character_is_damaged():
    with pytest.raises(DamagedFileError, match="within a character"):
        read_all(io.BytesIO(codecs.BOM_UTF16_LE + "ab".encode("utf-16-le")[:-1]))


@given(content=st.text(), encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030"]))
def test_the_original_of_a_text_is_what_was_sent(content, encoding):
    # In UTF-32 such a text can have every mark of LZMA data.
    assume(not (content.startswith("]") and "\0" in content))
    sent = content.encode(encoding)
    text = open_source_text(io.BytesIO(sent), encoding=encoding)
    read = b"".join(iter(text.read, b""))

    if not sent.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        assert read.decode() == content
        assert text.original(read) == sent


@given(sent=st.binary(), head=st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", codecs.BOM_UTF16_LE]))
def test_any_bytes_are_a_text_or_damaged(sent, head):
    try:
        read_all(io.BytesIO(head + sent))
    except (DamagedFileError, ForeignFileError) as error:
        assert error.remedy  # noqa: PT017 - either outcome is right
