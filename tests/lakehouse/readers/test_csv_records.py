from __future__ import annotations

import hashlib
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.files_contract import CsvDialect
from lakehouse.readers.csv_records import split_records
from lakehouse.readers.record_batches import BrokenRecord, OversizedRecord, line_breaks
from lakehouse.readers.source_text import SourceText

NO_LIMIT = 10**9


class Dribble:
    """A stream that hands out a few bytes at a time."""

    def __init__(self, content: bytes, piece: int) -> None:
        self._content = content
        self._piece = piece

    def read(self, size: int, /) -> bytes:
        piece, self._content = self._content[: self._piece], self._content[self._piece :]
        return piece


def split(content: bytes, *, piece: int = 1 << 20, limit: int = NO_LIMIT, **dialect: object):
    text = SourceText(Dribble(content, piece), "utf-8")
    return list(chain.from_iterable(split_records(text, dialect=CsvDialect(**dialect), limit=limit)))


def without_padding(records):
    while records and records[-1] == b"":
        records = records[:-1]
    return records


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"", []),
        (b"a,b", [b"a,b"]),
        (b"a,b\n", [b"a,b"]),
        (b"a\nb\r\nc\rd", [b"a", b"b", b"c", b"d"]),
        (b"a\n\nb\n\n", [b"a", b"", b"b"]),
        (b'"a\nb",c\nd', [b'"a\nb",c', b"d"]),
        (b'"a\r\nb"\r\nc', [b'"a\r\nb"', b"c"]),
        (b'"a""b",""\nc', [b'"a""b",""', b"c"]),
        (b'"""",x\n', [b'"""",x']),
        (b'"",""', [b'"",""']),
        (b"a\r", [b"a"]),
        (b'"a"\r', [b'"a"']),
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_records_end_where_no_quoted_field_is_open(content, records, piece):
    assert without_padding(split(content, piece=piece)) == records


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b'a"b,c', "stands where"),
        (b'a,b"', "stands where"),
        (b'"a"b,c', "stands where"),
        (b'"a\nb"c', "stands where"),
        (b'"a""b"c,"d"', "stands where"),
        (b'a "b"', "stands where"),
    ],
)
def test_a_quote_out_of_place_breaks_one_record(broken, why, piece):
    first, second, third = without_padding(split(b"x\n" + broken + b"\ny\n", piece=piece))

    assert (first, third) == (b"x", b"y")
    assert isinstance(second, BrokenRecord)
    assert second.record == broken
    assert why in second.refusal.detail


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
@pytest.mark.parametrize("open_end", [b'"', b'"b', b'a,"b\nc\n', b'"b""', b'"b"",c\r\n'])
def test_a_quote_that_is_never_closed_is_a_broken_record_to_the_end(open_end, piece):
    first, second = split(b"x\n" + open_end, piece=piece)

    assert first == b"x"
    assert isinstance(second, BrokenRecord)
    assert second.record == open_end
    assert "no end" in second.refusal.detail


def test_other_delimiters_and_quotes_are_characters_like_any_other_in_turn():
    assert without_padding(split(b"a;'b;\n'';'\n\"c;d,\n", delimiter=";", quote="'")) == [b"a;'b;\n'';'", b'"c;d,']
    assert without_padding(split(b'a\t"b\tc"\n.|^\n', delimiter="\t")) == [b'a\t"b\tc"', b".|^"]
    assert without_padding(split(b"a|^b|^\n", delimiter="|", quote="^"))[0] == b"a|^b|^"
    assert isinstance(split(b"a^b\n", delimiter="|", quote="^")[0], BrokenRecord)


@pytest.mark.parametrize("piece", [1, 2, 100])
@pytest.mark.parametrize(("skipped", "records"), [(0, 4), (1, 3), (2, 2), (4, 0), (9, 0)])
def test_lines_above_the_header_are_skipped_whatever_is_in_them(skipped, records, piece):
    content = b'a title with a "\r\n\rheader\nlast'

    found = split(content, piece=piece, skip_lines=skipped)

    assert len(without_padding(found)) == records


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    "large",
    [
        b"a" * 500,
        b"a," * 250,
        b'"' + b"a,\n" * 200 + b'",b',
        b'"' + b'""' * 200 + b'"',
        b'x,"' + b'a""' * 150 + b'",' + b"b" * 100,
        b'a"' + b"b" * 300,
        b'"a"b' + b'"' * 300,
        b",," * 100 + b'"' + b"\r\n" * 100 + b'"',
    ],
)
def test_a_record_over_the_limit_is_measured_but_not_held(large, piece):
    content = b"x\n" + large + b"\r\ny,z\n"

    first, second, third = without_padding(split(content, piece=piece, limit=40))

    assert (first, third) == (b"x", b"y,z")
    assert isinstance(second, OversizedRecord)
    reject = second.reject(position=1, limit=40, line=2, keep=True)
    assert reject.record_bytes == len(large)
    assert reject.record_sha256 == hashlib.sha256(large).hexdigest()
    assert large.startswith(reject.record)
    assert second.line_breaks == line_breaks(large)


def test_the_limit_is_the_records_own_bytes():
    assert split(b"12345\r\n1", limit=5)[0] == b"12345"
    assert isinstance(split(b"123456\r\n1", limit=5)[0], OversizedRecord)


def reference(content: bytes) -> list[tuple[bytes, bool]]:
    """Records and whether each is well-formed, a byte at a time: slow, and plain to see."""
    records: list[tuple[bytes, bool]] = []
    record, state, previous = b"", "field start", b""
    for place in range(len(content)):
        byte = content[place : place + 1]
        if state == "quoted" or byte not in b"\r\n":
            record += byte
            state = STEPS.get((state, byte)) or OTHERWISE[state]
            previous = b""
            continue
        if not (previous == b"\r" and byte == b"\n"):
            records.append((record, state != "broken"))
        record, state, previous = b"", "field start", byte
    return [*records, (record, state not in {"broken", "quoted"})] if record else records


STEPS = {
    ("field start", b'"'): "quoted",
    ("field start", b","): "field start",
    ("quoted", b'"'): "after quote",
    ("after quote", b'"'): "quoted",
    ("after quote", b","): "field start",
    ("unquoted", b'"'): "broken",
    ("unquoted", b","): "field start",
}
OTHERWISE = {
    "field start": "unquoted",
    "unquoted": "unquoted",
    "quoted": "quoted",
    "after quote": "broken",
    "broken": "broken",
}
PARTS = [b"a", b",", b'"', b'""', b"\n", b"\r", b"\r\n", b'","', b'"\n']
CONTENT = st.lists(st.sampled_from(PARTS), max_size=25).map(b"".join)


@given(content=CONTENT, piece=st.integers(1, 8))
@settings(max_examples=500)
def test_records_are_those_of_the_plain_automaton_whatever_the_pieces(content, piece):
    found = [
        (record.record, False) if isinstance(record, BrokenRecord) else (record, True)
        for record in without_padding(split(content, piece=piece))
    ]
    expected = reference(content)
    while expected and expected[-1] == (b"", True):
        expected.pop()

    assert found == expected


@given(content=CONTENT, piece=st.integers(1, 8), limit=st.integers(1, 6))
@settings(max_examples=500)
def test_the_limit_changes_no_other_record(content, piece, limit):
    whole = without_padding(split(content))
    limited = without_padding(split(content, piece=piece, limit=limit))

    assert len(limited) == len(whole)
    for one, other in zip(whole, limited, strict=True):
        held = one.record if isinstance(one, BrokenRecord) else one
        if len(held) <= limit:
            assert other == one
        else:
            reject = other.reject(position=0, limit=limit, line=None, keep=True)
            assert reject.record == held
            assert reject.record_bytes == len(held)
            assert other.line_breaks == line_breaks(held)
