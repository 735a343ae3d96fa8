from __future__ import annotations

import hashlib
import json
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.readers import JsonJudge, Reason, Reject, SchemaMismatchError


@pytest.fixture(scope="module")
def judge(contract_of, table):
    """Judge one record under a contract that asks for nothing but what is given."""

    def judge(record: bytes | dict[str, object], **sections: object):
        encoded = record if isinstance(record, bytes) else json.dumps(record).encode()
        return JsonJudge(contract_of(**sections), table).judge_record(encoded, position=7)

    return judge


def test_a_record_is_a_row_with_a_typed_value_for_every_column(judge):
    row = judge(
        {
            "event_date": "2024-12-02",
            "event_time": "2024-12-01T10:00:00.5+05:30",
            "tenant_id": "pb.amritsar",
            "visits": 5,
            "floor": "-1",
            "score": 2.5,
            "is_open": True,
        }
    )

    assert row == {
        "event_date": date(2024, 12, 2),
        "event_time": datetime(2024, 12, 1, 4, 30, 0, 500_000),  # noqa: DTZ001
        "tenant_id": "pb.amritsar",
        "status": None,
        "visits": 5,
        "floor": -1,
        "score": 2.5,
        "is_open": True,
        "attributes_json": None,
        "raw_payload": None,
    }


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (b'{"sla" : 72.0, "who":"\xc3\xa9" }', '{"sla" : 72.0, "who":"é" }'),
        (b'{"who":"\\u00e9","a":1,"a":2}', '{"who":"\\u00e9","a":1,"a":2}'),
        (b"[ 1,2 ]", "[ 1,2 ]"),
        (b'"{\\"sla\\":72}"', '{"sla":72}'),
        (b'"not json"', "not json"),
        (b'""', ""),
        (b"1.50", "1.50"),
        (b"null", None),
    ],
)
def test_json_columns_keep_the_text_as_it_was_sent(judge, written, stored):
    row = judge(b'{"attributes_json":' + written + b',"raw_payload": ' + written + b" }")

    assert row["attributes_json"] == stored
    assert row["raw_payload"] == stored


def test_the_contract_says_otherwise_which_columns_take_json(judge):
    rule = {"status": {"json": True}, "attributes_json": {"json": False}}

    assert judge(b'{"status":{"a":1}}', columns=rule)["status"] == '{"a":1}'
    assert judge(b'{"attributes_json":{"a":1}}', columns=rule).reason is Reason.WRONG_TYPE


@pytest.mark.parametrize(("written", "stored"), [(b"12", "12"), (b"1.50", "1.50"), (b"false", "false")])
def test_a_text_column_takes_a_number_as_it_was_written(judge, written, stored):
    assert judge(b'{"tenant_id":' + written + b"}")["tenant_id"] == stored


@pytest.mark.parametrize(
    ("record", "column", "reason"),
    [
        ({"tenant_id": {}}, "tenant_id", Reason.WRONG_TYPE),
        ({"tenant_id": []}, "tenant_id", Reason.WRONG_TYPE),
        ({"visits": "five"}, "visits", Reason.WRONG_TYPE),
        ({"visits": 2**63}, "visits", Reason.OUT_OF_RANGE),
        ({"visits": 1.5}, "visits", Reason.WRONG_TYPE),
        ({"visits": [1]}, "visits", Reason.WRONG_TYPE),
        ({"is_open": 1}, "is_open", Reason.WRONG_TYPE),
        ({"event_date": "2024-02-30"}, "event_date", Reason.OUT_OF_RANGE),
        ({"event_date": 20241201}, "event_date", Reason.WRONG_TYPE),
        ({"event_time": 1733047200000}, "event_time", Reason.WRONG_TYPE),
        ({"event_time": "today", "visits": "x"}, "event_time", Reason.WRONG_TYPE),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused_by_name(judge, record, column, reason):
    reject = judge(record)

    assert isinstance(reject, Reject)
    assert (reject.column, reject.reason) == (column, reason)


def test_a_reject_keeps_the_record_and_its_digest(judge):
    record = b'{"visits":"five" }'

    reject = judge(record)

    assert reject.position == 7
    assert reject.record == record
    assert reject.record_bytes == len(record)
    assert reject.record_sha256 == hashlib.sha256(record).hexdigest()
    assert "'five'" in reject.detail


@pytest.mark.parametrize("record", [{}, {"tenant_id": None}, {"tenant_id": "NULL"}])
def test_a_required_column_without_a_value_is_missing(judge, record):
    reject = judge(record, nulls=("NULL",), columns={"tenant_id": {"required": True}})

    assert (reject.column, reject.reason) == ("tenant_id", Reason.MISSING_FIELD)


@pytest.mark.parametrize("record", [{}, {"visits": None}, {"visits": ""}])
def test_a_default_stands_in_for_no_value(judge, record):
    row = judge(
        record, nulls=("",), columns={"visits": {"required": True, "default": 3}, "status": {"default": "OPEN"}}
    )

    assert (row["visits"], row["status"]) == (3, "OPEN")


def test_a_constant_column_does_not_ask_the_source(judge):
    assert judge({"status": "CLOSED"}, columns={"status": {"value": "OPEN"}})["status"] == "OPEN"


def test_a_column_takes_another_field(judge):
    row = judge({"source": "web", "status": "x"}, columns={"status": {"from": "source"}})

    assert row["status"] == "web"


def test_a_column_takes_the_whole_record(judge):
    record = b' {"tenant_id" : "\xc3\xa9"} '

    assert judge(record, columns={"raw_payload": {"from": "$record"}})["raw_payload"] == record.decode()


@pytest.mark.parametrize(
    ("allowed", "value", "taken"),
    [
        ("TENANT_*", "TENANT_1", True),
        ("TENANT_*", "tenant_1", False),
        ("TENANT_*", "xTENANT_1", False),
        ("TENANT_?", "TENANT_1\n", False),
        (["a", "b"], "a", True),
        (["a", "b"], "ab", False),
    ],
)
def test_values_outside_the_allowed_ones_are_refused(judge, allowed, value, taken):
    verdict = judge({"tenant_id": value}, columns={"tenant_id": {"allowed": allowed}})

    assert verdict["tenant_id"] == value if taken else verdict.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("event_date", [{}, {"event_date": None}, {"event_date": "NULL"}])
def test_a_record_without_a_date_has_the_utc_day_of_its_time(judge, event_date):
    row = judge({"event_time": "1969-12-31T22:00:00-05:00"} | event_date, nulls=("NULL",))
    assert row["event_date"] == date(1970, 1, 1)

    row = judge({"event_time": "1969-12-31T22:00:00Z"} | event_date, nulls=("NULL",))
    assert row["event_date"] == date(1969, 12, 31)


def test_a_date_that_differs_from_the_time_is_kept(judge):
    assert judge({"event_time": "2024-12-01T10:00:00Z", "event_date": "2020-01-01"})["event_date"] == date(
        2020, 1, 1
    )


def test_a_required_date_is_missing_only_when_the_time_is_too(judge):
    required = {"event_date": {"required": True}}

    assert judge({"event_time": "2024-12-01"}, columns=required)["event_date"] == date(2024, 12, 1)
    reject = judge({}, columns=required)
    assert (reject.column, reject.reason) == ("event_date", Reason.MISSING_FIELD)


def test_unknown_fields_are_counted_by_name(contract_of, table):
    records = [b'{"x":1,"tenant_id":"a"}', b'{"x":1,"y":{}}', b'{"tenant_id":"b"}'] * 2_000

    batch = JsonJudge(contract_of(), table).judge(records, positions=range(len(records)))

    assert batch.rows.num_rows == 6_000
    assert batch.unknown_columns == {"x": 4_000, "y": 2_000}


def test_unknown_fields_are_refused_where_the_contract_says_so(judge):
    reject = judge({"tenant_id": "a", "y": 1, "x": 1}, unknown_columns="reject")

    assert (reject.reason, reject.column) == (Reason.EXTRA_FIELD, "x")


def test_an_unknown_field_fails_the_file_where_the_contract_says_so(judge):
    with pytest.raises(SchemaMismatchError, match="x: in a record, but no column takes it"):
        judge({"tenant_id": "a", "x": 1}, unknown_columns="fail")


def test_a_field_that_only_a_constant_column_is_named_like_is_unknown(judge):
    assert judge({"status": "x"}, columns={"status": {"value": "y"}}, unknown_columns="reject").column == "status"


def test_what_a_batch_teaches_changes_no_verdict_of_the_next(contract_of, table):
    judge = JsonJudge(contract_of(), table)
    records = [
        b'{"tenant_id":5,"x":{"a":"b"}}',
        b'{"tenant_id":"5","x":1}',
        b'{"tenant_id":{}}',
        b'{"tenant_id":"a","tenant_id":"b"}',
        b'{"x":1,"x":1}',
        b"{",
    ]
    positions = range(len(records))

    first, second = (judge.judge(records, positions=positions) for _ in range(2))

    assert second.rows.equals(first.rows)
    assert second.rejects == first.rejects
    assert second.unknown_columns == first.unknown_columns == {"x": 2}


def test_scrubbed_fields_are_in_neither_rows_nor_rejects(judge):
    sections = {
        "scrub": ("citizen.name", "attributes_json.mobile"),
        "columns": {"raw_payload": {"from": "$record"}},
    }
    record = {"citizen": {"name": "Asha", "id": 1}, "attributes_json": {"mobile": "98765", "ward": "3"}}

    row = judge(record, **sections)
    assert json.loads(row["raw_payload"]) == {"citizen": {"id": 1}, "attributes_json": {"ward": "3"}}
    assert row["attributes_json"] == '{"ward":"3"}'

    reject = judge(record | {"visits": "five"}, **sections)
    assert b"Asha" not in reject.record
    assert b"98765" not in reject.record
    assert reject.record_bytes == len(json.dumps(record | {"visits": "five"}))


@pytest.mark.parametrize(
    "record", [b'{"citizen":{"name":"Asha"}', b'{"citizen":"Asha","citizen":"Asha"}', b"\xff"]
)
def test_a_record_that_cannot_be_scrubbed_is_rejected_without_its_bytes(judge, record):
    reject = judge(record, scrub=("citizen",))

    assert reject.record is None
    assert reject.record_bytes == len(record)
    assert reject.record_sha256 == hashlib.sha256(record).hexdigest()


@given(texts=st.lists(st.text().filter(lambda text: "\0" not in text), min_size=1, max_size=20))
def test_text_goes_through_byte_for_byte(contract_of, table, texts):
    records = [json.dumps({"tenant_id": text, "attributes_json": {"t": text}}).encode() for text in texts]

    batch = JsonJudge(contract_of(), table).judge(records, positions=range(len(records)))

    assert batch.rows.column("tenant_id").to_pylist() == texts
    assert batch.rows.column("attributes_json").to_pylist() == [json.dumps({"t": text}) for text in texts]


@given(records=st.lists(st.binary() | st.text(alphabet='{}[]":,\\u0dD8tfn1-. \n').map(str.encode), min_size=1))
def test_every_record_is_a_row_or_a_reject(contract_of, table, records):
    batch = JsonJudge(contract_of(), table).judge(records, positions=range(len(records)))

    assert batch.rows.num_rows + len(batch.rejects) == len(records) == batch.records
