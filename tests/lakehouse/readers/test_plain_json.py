from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.column_judge import column_judges
from lakehouse.contracts.reason import Refusal
from lakehouse.readers.json_judge import JsonJudge
from lakehouse.readers.plain_json import PlainRecords

PLAIN = b'{"tenant_id":"a","visits":5,"attributes_json":{"x":"y"},"event_time":"2024-12-01T10:00:00Z"}'


@pytest.fixture(scope="module")
def contract(contract_of):
    return contract_of(columns={"raw_payload": {"json": False}})


@pytest.fixture(scope="module")
def judges(contract, table):
    return column_judges(contract, table)


@pytest.fixture(scope="module")
def by_the_book(contract, table):
    """The texts of a record, or its refusal, without the short cut; and the fields no column takes."""
    judge = JsonJudge(contract, table)

    def by_the_book(record: bytes) -> tuple[list[str | None] | Refusal, set[str]]:
        unknown: Counter[str] = Counter()
        return judge._texts(record, unknown), set(unknown)

    return by_the_book


def test_a_plain_record_takes_the_short_cut(judges, by_the_book):
    run = PlainRecords(judges).decode([PLAIN])

    assert run.others == []
    assert [column[0] for column in run.columns] == by_the_book(PLAIN)[0]


@pytest.mark.parametrize(
    "record",
    [
        b'{"tenant_id":"a","tenant_id":"a"}',
        b'{"tenant_id":"a","tenant_id":null}',
        b'{"tenant_id":null,"tenant_id":"a"}',
        b'{"visits":1,"visits":1}',
        b'{"attributes_json":{},"attributes_json":{}}',
        b'{"tenant_id":"a","\\u0074enant_id":"a"}',
        b'{"tenant_id":"a","unknown":1}',
        b'{"tenant_id":"a","unknown":{"deep":"x"}}',
        b'{"tenant_id":"a\\"b"}',
        b'{"tenant_id":5}',
        b'{"tenant_id":true}',
        b'{"tenant_id":{}}',
        b'{"raw_payload":{}}',
        b'{"attributes_json":"\xff"}',
        b'{"attributes_json":{"a":"\xff"}}',
        b'{"attributes_json":{"a":"\\u0000"}}',
        b'{"attributes_json":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"attributes_json":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"tenant_id":"a"',
        b"[]",
        b"",
        b"\0",
    ],
)
def test_a_record_that_is_not_plain_does_not(judges, record):
    assert PlainRecords(judges).decode([PLAIN, record, PLAIN]).others == [1]


def test_fields_that_are_known_not_to_be_strings_or_not_to_be_taken_are_plain(judges, by_the_book):
    record = b'{"tenant_id":5,"unknown":{"deep":"x\\"y"},"status":null}'
    run = PlainRecords(judges, sliced={"tenant_id"}, ignored={"unknown", "other"}).decode([record, PLAIN])

    assert run.others == []
    assert run.ignored == {"unknown": 1}
    assert [column[0] for column in run.columns] == by_the_book(record)[0]


KNOWN = ['"tenant_id"', '"status"', '"visits"', '"event_time"', '"attributes_json"', '"raw_payload"']
KEYS = st.sampled_from([*KNOWN, '"unknown"', '"\\u0074enant_id"', '""', '"q\\""'])
STRINGS = ['""', '"a"', '"a\\"b"', '"\\\\"', '"\\u0000"', '"\\\\u0000"', '"é"', '"\\ud83d\\ude00"', '"\\ud800"']
PARTS = ['{"a":"b"}', '[ "a" , {"x":1,"x":2} ]', '{"a":"\\"{\\u0000"}', "{}", "[]"]
VALUES = st.sampled_from([*STRINGS, *PARTS, "null", "true", "5", "-1.50e3", "1e", "tru"])
SPACES = st.sampled_from(["", " ", "\t "])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Objects that are nearly or quite well-formed, of known and unknown fields, doubled now and then."""
    space = draw(SPACES)
    pairs = draw(st.lists(st.tuples(KEYS, VALUES), max_size=7))
    record = "{" + ("," + space).join(f"{key}{space}:{value}" for key, value in pairs) + "}"
    damage = draw(st.sampled_from([None] * 6 + [b"\xff", b"\0", b'"', b"{"]))
    encoded = record.encode()
    if damage is not None:
        place = draw(st.integers(0, len(encoded)))
        encoded = encoded[:place] + damage + encoded[place:]
    return encoded


@given(
    run=st.lists(records(), min_size=1, max_size=5),
    sliced=st.sets(st.sampled_from(["tenant_id", "status", "visits"])),
    ignored=st.sets(st.sampled_from(["unknown", "", 'q"'])),
)
def test_the_short_cut_says_what_the_book_says_or_nothing(judges, by_the_book, run, sliced, ignored):
    decoded = PlainRecords(judges, sliced=sliced, ignored=ignored).decode(run)

    for index in set(range(len(run))) - set(decoded.others):
        texts, unknown = by_the_book(run[index])
        assert [column[index] for column in decoded.columns] == texts
        assert unknown <= ignored


@pytest.mark.parametrize(
    "rule", [{"from": "service.status"}, {"from": ["status", "state"]}, {"object": {"status": "status"}}]
)
@given(run=st.lists(records(), min_size=1, max_size=5))
def test_no_record_is_plain_where_columns_look_into_objects_or_at_several_fields(contract_of, table, rule, run):
    judges = column_judges(contract_of(columns={"status": rule}), table)

    assert PlainRecords(judges).decode(run).others == list(range(len(run)))


RULES = st.sampled_from(
    [
        {"map": {"a": "A", "5": "five"}},
        {"map": {"a": "A"}, "unmapped": "keep"},
        {"map": {"a": "A"}, "default": "A"},
    ]
)


@given(run=st.lists(records(), min_size=1, max_size=5), rule=RULES, repeat=st.booleans())
def test_a_map_is_the_same_by_the_short_cut_and_by_the_book(contract_of, table, run, rule, repeat):
    contract = contract_of(columns={"tenant_id": rule})
    # A column that looks at several fields keeps all records from the short cut.
    by_the_book = contract_of(columns={"tenant_id": rule, "is_open": {"from": ["is_open", "is_open"]}})
    records_of = run * 2 if repeat else run

    quick, slow = (
        JsonJudge(of, table).judge(records_of, positions=range(len(records_of))) for of in (contract, by_the_book)
    )

    assert quick.rows.equals(slow.rows)
    assert quick.rejects == slow.rejects
    assert quick.unknown_columns == slow.unknown_columns
