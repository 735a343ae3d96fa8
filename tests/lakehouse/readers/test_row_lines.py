from __future__ import annotations

import json
import math
import sys
import uuid
from collections import UserDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.reason import Reason
from lakehouse.readers.errors import NotRowsError
from lakehouse.readers.row_lines import RefusedRow, RowLines, lines_of_json, lines_of_rows, lines_of_texts

INDIA = timezone(timedelta(hours=5, minutes=30))


class Colour(str, Enum):  # noqa: UP042 - unlike StrEnum, its str() is not its value
    RED = "red"


def line_of(row: object) -> bytes:
    (line,) = lines_of_rows([row]).lines
    return line


def refused(row: object) -> RefusedRow:
    line = line_of(row)
    assert line.startswith(b"[")
    return RefusedRow.from_line(line)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (10**30, "1" + "0" * 30),
        (np.int64(7), "7"),
        (0.1, "0.1"),
        (np.float64(0.25), "0.25"),
        (-0.0, "-0.0"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+5"), "1E+5"),
        (Decimal("1E+400"), "1E+400"),
        ("ਅੰਮ੍ਰਿਤਸਰ", '"ਅੰਮ੍ਰਿਤਸਰ"'),
        ('a"\n\u2028', '"a\\"\\n\u2028"'),
        (Colour.RED, '"red"'),
        (date(2026, 11, 25), '"2026-11-25"'),
        (datetime(2026, 11, 25, 10, 0, 0, 5, tzinfo=INDIA), '"2026-11-25T10:00:00.000005+05:30"'),
        (datetime(2026, 11, 25, 10, 0), '"2026-11-25T10:00:00"'),  # noqa: DTZ001 - the contract has the zone
        ({"b": [1, (Decimal("2.0"), None)], "a": {}}, '{"b": [1, [2.0, null]], "a": {}}'),
        (UserDict({"a": 1}), '{"a": 1}'),
    ],
)
def test_a_value_is_written_as_it_is(value, written):
    assert line_of({"field": value}).decode() == f'{{"field": {written}}}'


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def containing_itself() -> list[object]:
    value: list[object] = []
    value += [value, value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({1, 2}, Reason.WRONG_TYPE),
        (b"bytes", Reason.WRONG_TYPE),
        (uuid.UUID(int=1), Reason.WRONG_TYPE),
        (math.nan, Reason.WRONG_TYPE),
        (-math.inf, Reason.WRONG_TYPE),
        (np.float64("nan"), Reason.WRONG_TYPE),
        (Decimal("NaN"), Reason.WRONG_TYPE),
        (Decimal("sNaN"), Reason.WRONG_TYPE),
        (Decimal("-Infinity"), Reason.WRONG_TYPE),
        ({"a": [math.nan]}, Reason.WRONG_TYPE),
        ({"a": {2: 1}}, Reason.WRONG_TYPE),
        (10 ** (sys.get_int_max_str_digits() + 1), Reason.OUT_OF_RANGE),
        (nested(200), Reason.TOO_DEEP),
        (nested(100_000), Reason.TOO_DEEP),
        (containing_itself(), Reason.TOO_DEEP),
    ],
    ids=(
        "set",
        "bytes",
        "uuid",
        "nan",
        "infinity",
        "nan of numpy",
        "decimal nan",
        "signalling nan",
        "decimal infinity",
        "nan inside",
        "name inside",
        "huge number",
        "deep",
        "very deep",
        "itself",
    ),
)
def test_a_value_that_json_has_no_word_for_is_refused_by_the_name_of_its_field(value, reason):
    row = refused({"good": 1, "bad": value, "worse": object()})

    assert (row.refusal.reason, row.refusal.column) == (reason, "bad")
    assert json.loads(row.text)["good"] == 1
    assert json.loads(row.text)["worse"] == "<object>"


def test_nesting_is_refused_where_json_records_are(read, rejects_of):
    row = {"attributes_json": nested(199)}

    assert json.loads(line_of(row)) == row
    assert rejects_of(read(line_of(row), "jsonl")) == []
    assert [reject.reason for reject in rejects_of(read(line_of([]) + b"\n", "jsonl"))]


@pytest.mark.parametrize(
    "row", [None, 5, math.nan, "a text", b"{}", [{"a": 1}], {"a"}, object()], ids=lambda row: type(row).__name__
)
def test_a_row_that_is_no_mapping_is_a_wrong_type(row):
    found = refused(row)

    assert (found.refusal.reason, found.refusal.column) == (Reason.WRONG_TYPE, None)
    assert type(row).__name__ in found.refusal.detail


@pytest.mark.parametrize("name", [1, None, ("a",), b"a"])
def test_a_name_that_is_no_text_is_a_wrong_type(name):
    assert refused({name: 1}).refusal.reason is Reason.WRONG_TYPE


def test_no_value_is_told_in_a_refusal_of_its_type():
    # Its text would not be the same in the next call, and may be personal.
    assert refused({"phone": {"9876543210"}}).refusal.detail == "a value of type set: JSON has no word for it"


def test_half_a_surrogate_pair_stays_in_the_line_and_is_left_to_the_judge():
    line = line_of({"a\ud800": "b\udfff", "c": "é"})

    assert line == rb'{"a\ud800": "b\udfff", "c": "' + "é".encode() + b'"}'


def test_a_field_with_half_a_surrogate_pair_is_named_as_utf8_can():
    assert refused({"a\ud800": {1}}).refusal.column == "a\\ud800"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.sets(st.integers()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(st.lists(anything, max_size=5))
def test_every_row_is_one_line_whatever_it_is(rows):
    lines = lines_of_rows(rows)

    assert len(lines) == len(rows)
    assert lines.content.split(b"\n")[:-1] == list(lines.lines)
    assert all(line[:1] in {b"{", b"["} for line in lines.lines)
    assert lines_of_rows(rows).sha256 == lines.sha256


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
json_rows = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


def reversed_fields(value: object) -> object:
    if isinstance(value, dict):
        return {name: reversed_fields(value[name]) for name in reversed(value)}
    return [reversed_fields(item) for item in value] if isinstance(value, list) else value


@given(json_rows)
def test_the_order_of_fields_and_white_space_are_nothing_to_the_digest(row):
    digest = lines_of_rows([row]).sha256

    assert lines_of_rows([reversed_fields(row)]).sha256 == digest
    assert lines_of_texts([json.dumps(row, indent=2).encode()]).sha256 == digest
    assert lines_of_texts([json.dumps(row, separators=(",", ":")).encode()]).sha256 == digest


@given(json_rows, json_rows)
def test_rows_with_other_values_have_another_digest(one, other):
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (lines_of_rows([one]).sha256 == lines_of_rows([other]).sha256) is is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([b'{"a": 1}', b'{"a": 2}'], [b'{"a": 2}', b'{"a": 1}']),
        ([b'{"a": 1}'], [b'{"a": "1"}']),
        ([b'{"a": 1}'], [b'{"a": 1.0}']),
        ([b'{"a": 1}'], [b'{"a": 1, "b": null}']),
        ([b'{"a": 2}'], [b'{"a": 1, "a": 2}']),
        ([b'{"a": [1, 2]}'], [b'{"a": [2, 1]}']),
        ([b'{"a": {}}'], [b'{"a": []}']),
        ([], [b"{}"]),
        ([b"{"], [b"{ "[:1] + b" x"]),
    ],
)
def test_other_rows_have_another_digest(one, other):
    assert lines_of_texts(one).sha256 != lines_of_texts(other).sha256


def test_refused_rows_are_the_same_in_whatever_order_of_fields():
    one, other = {"a": {1}, "b": 2}, {"b": 2, "a": {1}}

    assert lines_of_rows([one]).sha256 == lines_of_rows([other]).sha256
    assert lines_of_rows([one]).sha256 != lines_of_rows([one | {"b": 3}]).sha256


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b'[{"a": 1}, {"b":\r\n 2}]', [b'{"a": 1}', b'{"b":   2}']),
        (b' {"a": 1}\n', [b'{"a": 1}']),
        (b'{\n "a": 1\n}', [b'{  "a": 1 }']),
        (b'{"a": 1}\r\n\n{"b": 2}\n\n', [b'{"a": 1}', b"", b'{"b": 2}']),
        (b'{"a": 1}\nbroken\n', [b'{"a": 1}', b"broken"]),
        (b'{"a": 1, "a": 2}', [b'{"a": 1, "a": 2}']),
        (b"[]", []),
        (b"", []),
        (b" \n ", []),
        (b"5", [b"5"]),
    ],
)
def test_a_text_is_an_array_an_object_or_a_row_a_line(text, lines):
    assert list(lines_of_json(text).lines) == lines


@pytest.mark.parametrize("text", [b'[{"a": 1}', b'[{"a": 1},]', b'[{"a": 1}]\n[{"a": 2}]'])
def test_a_text_that_begins_like_an_array_and_is_none_is_an_error(text):
    with pytest.raises(NotRowsError, match="not a JSON array"):
        lines_of_json(text)


def test_an_array_in_the_place_of_a_row_is_told_from_a_refusal():
    (line,) = lines_of_json(b'[["wrong_type", null, "detail", "text"]]').lines

    row = RefusedRow.from_line(line)
    assert row.refusal.detail == "the row is an array, not an object"
    assert json.loads(row.text) == ["wrong_type", None, "detail", "text"]


def test_lines_are_a_file_of_json_lines():
    assert RowLines((b"{}", b'{"a": 1}')).content == b'{}\n{"a": 1}\n'
    assert RowLines(()).content == b""
