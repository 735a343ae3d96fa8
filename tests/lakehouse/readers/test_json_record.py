from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.json_record import is_too_deep, parse_record, text_of

SUITE = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "jsontestsuite" / "test_parsing"
CASES = sorted(SUITE.glob("*.json"))


def reason_of(record: bytes) -> Reason | None:
    verdict = parse_record(record)
    return verdict.reason if isinstance(verdict, Refusal) else None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", Reason.EMPTY_RECORD),
        (b" \t\r", Reason.EMPTY_RECORD),
        (b"{", Reason.INVALID_JSON),
        (b"{}x", Reason.INVALID_JSON),
        (b"{'a':1}", Reason.INVALID_JSON),
        (b'{"a":NaN}', Reason.INVALID_JSON),
        (b'{"a":-Infinity}', Reason.INVALID_JSON),
        (b'{"a":01}', Reason.INVALID_JSON),
        (b'{"a":{"b":[1,]}}', Reason.INVALID_JSON),
        (b'{"a":"\t"}', Reason.INVALID_JSON),
        (b'{"a":"\\x"}', Reason.INVALID_JSON),
        (b'{"a":{"b":"\x01"}}', Reason.INVALID_JSON),
        (b"[1,", Reason.INVALID_JSON),
        (b"[1]", Reason.WRONG_TYPE),
        (b'"text"', Reason.WRONG_TYPE),
        (b"null", Reason.WRONG_TYPE),
        (b'["\\u0000"]', Reason.WRONG_TYPE),
        (b'{"a":"\xff"}', Reason.NOT_UTF8),
        (b'{"a":{"b":"\xc0\x80"}}', Reason.NOT_UTF8),
        (b'{"a":"\xed\xa0\x80"}', Reason.NOT_UTF8),
        (b'{"a":"\\ud800"}', Reason.NOT_UTF8),
        (b'{"a":{"b":"\\udc00\\ud800"}}', Reason.NOT_UTF8),
        (b'{"\\ud800":1}', Reason.NOT_UTF8),
        (b'{"a":"\\ud800"', Reason.INVALID_JSON),
        (b'{"a":"\\ud800","b":NaN}', Reason.INVALID_JSON),
        (b'{"a":"x\0"}', Reason.NUL_BYTE),
        (b'{"a":"\\u0000"}', Reason.NUL_BYTE),
        (b'{"a":{"b":"\\\\\\u0000"}}', Reason.NUL_BYTE),
        (b'{"a\\u0000":1}', Reason.NUL_BYTE),
        (b'{"a":1,"a":1}', Reason.DUPLICATE_FIELD),
        (b'{"a":1, "b":2, "a":null}', Reason.DUPLICATE_FIELD),
        (b'{"a":1,"\\u0061":2}', Reason.DUPLICATE_FIELD),
        (b'{"":1,"":2}', Reason.DUPLICATE_FIELD),
        (b'{"a":1,"a":1,"b" :  2222222}', Reason.DUPLICATE_FIELD),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", Reason.TOO_DEEP),
        (b'{"a":' * 201 + b"1" + b"}" * 201, Reason.TOO_DEEP),
        (b"[" * 100_000, Reason.TOO_DEEP),
    ],
)
def test_a_record_that_is_no_plain_object_has_its_reason(record, reason):
    assert reason_of(record) is reason


@pytest.mark.parametrize(
    "record",
    [
        b"{}",
        b" { } \r",
        b'{"a":1}',
        b'{ "a" : 1 , "b" : [ ] }',
        b'{"a":"\\\\u0000"}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1e999}',
        b'{"a":' + b"[" * 199 + b"]" * 199 + b"}",
        b'{"a":"' + b"[" * 5_000 + b'"}',
        b'{"a":"\\"' + b"[{" * 5_000 + b'"}',
        b'{"a":' + b"[" + b"[]," * 300 + b"1]}",
        '{"é":"नमस्ते"}'.encode(),
        b'{"a":"\x7f\xc2\x80"}',
    ],
)
def test_a_plain_object_is_taken(record):
    assert reason_of(record) is None


def test_a_doubled_field_is_named():
    verdict = parse_record(b'{"a":1,"b":2,"b":3}')

    assert isinstance(verdict, Refusal)
    assert verdict.column == "b"


def test_values_are_slices_of_the_record():
    fields = parse_record(b'{"a": {"x" : [1, 2.50]} , "b":"\\u00e9" }')

    assert {name: bytes(value) for name, value in fields.items()} == {
        "a": b'{"x" : [1, 2.50]}',
        "b": b'"\\u00e9"',
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"text"', "text"),
        ('""', ""),
        ('"a\\"b\\n\\u00e9\\ud83d\\ude00"', 'a"b\né😀'),
        ("1.50e+3", "1.50e+3"),
        ("-0", "-0"),
        ("true", "true"),
        ("null", None),
    ],
)
def test_a_plain_value_is_its_text(value, text):
    assert text_of(value, takes_json=False) == text
    assert text_of(value, takes_json=True) == text


@pytest.mark.parametrize("value", ['{"a" : 1}', "[ 1,2 ]"])
def test_an_object_is_its_own_source_text_and_only_where_json_is_taken(value):
    assert text_of(value, takes_json=True) == value
    assert text_of(value, takes_json=False).reason is Reason.WRONG_TYPE


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=VALUES, deepest=st.integers(0, 6))
def test_depth_is_counted_outside_strings(value, deepest):
    def depth(value: object) -> int:
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inside is None else 1 + max(map(depth, inside), default=0)

    assert is_too_deep(json.dumps(value).encode(), deepest) is (depth(value) > deepest)


KEYS = st.sampled_from(["a", "b", "é", 'q"', "\\", ""])


@given(
    pairs=st.lists(
        st.tuples(KEYS, st.sampled_from(["1", '"x"', "null", '{"a":1,"a":2}', "[]", '"a\\":"'])), max_size=6
    ),
    comma=st.sampled_from([",", ", ", " ,"]),
    colon=st.sampled_from([":", ": ", " :"]),
    escape=st.booleans(),
)
def test_a_doubled_field_is_found_however_the_record_is_written(pairs, comma, colon, escape):
    members = (json.dumps(key, ensure_ascii=escape) + colon + value for key, value in pairs)
    record = f"{{{comma.join(members)}}}".encode()
    keys = [key for key, _ in pairs]

    expected = Reason.DUPLICATE_FIELD if len(keys) > len(set(keys)) else None
    assert reason_of(record) is expected


@given(record=st.binary() | st.text(alphabet='{}[]":,\\u0dD8tfn1-. \n').map(str.encode))
def test_no_bytes_make_the_parser_fail_in_any_other_way(record):
    verdict = parse_record(record)

    if not isinstance(verdict, Refusal):
        assert isinstance(json.loads(record), dict)


@pytest.mark.skipif(not CASES, reason="JSONTestSuite is not beside this clone")
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_json_test_suite_is_judged_as_it_wants(path):
    record = path.read_bytes()
    reason = reason_of(record)
    if path.name.startswith("n_"):
        assert reason is not None
    elif path.name.startswith("y_"):
        is_object = record.lstrip().startswith(b"{")
        ours = {None, Reason.DUPLICATE_FIELD, Reason.NUL_BYTE}
        assert reason in ours if is_object else reason is Reason.WRONG_TYPE
