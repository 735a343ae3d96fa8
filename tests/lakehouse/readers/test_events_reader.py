from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.paths import CONTRACTS
from lakehouse.readers import Reason, SchemaMismatchError, reader_for
from lakehouse.sources import read_source

EVENTS = {
    "nulls": ("",),
    "columns": {"tenant_id": {"from": "id", "required": True}},
    "events": {
        "opened": {"columns": {"event_time": {"from": "opened", "required": True}, "status": {"value": "OPEN"}}},
        "closed": {"when": "closed", "columns": {"event_time": {"from": "closed"}, "status": {"value": "CLOSED"}}},
    },
}
RECORDS = [
    {"id": "a", "opened": "2024-12-01", "closed": "2024-12-02"},
    {"id": "b", "opened": "2024-12-03", "closed": ""},
    {"id": "c", "opened": "never", "closed": "2024-12-02"},
    {"id": "", "opened": "2024-12-03", "closed": "2024-12-02"},
    {"id": "e", "opened": "2024-12-03", "closed": "soon"},
    {"id": "", "opened": "2024-12-03", "closed": ""},
]
PLACED = [(0, "a", "OPEN"), (1, "a", "CLOSED"), (2, "b", "OPEN"), (5, "c", "CLOSED"), (8, "e", "OPEN")]
REFUSED = [
    (4, Reason.WRONG_TYPE, "event_time"),
    # Both events lack what they share: the record is one reject.
    (6, Reason.MISSING_FIELD, "tenant_id"),
    (9, Reason.WRONG_TYPE, "event_time"),
    (10, Reason.MISSING_FIELD, "tenant_id"),
]


def as_csv() -> bytes:
    return "\n".join([",".join(RECORDS[0]), *(",".join(record.values()) for record in RECORDS)]).encode()


def as_jsonl() -> bytes:
    return "\n".join(json.dumps(record) for record in RECORDS).encode()


def as_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(RECORDS), sink, row_group_size=4)
    return sink.getvalue()


CONTENTS = {"csv": as_csv(), "jsonl": as_jsonl(), "parquet": as_parquet()}


@pytest.fixture(scope="module")
def batches(contract_of, table):
    """Read under a contract of two events; every batch must go on where the one before ended."""

    def batches(content: bytes, format_: str, *, start: int = 0, batch_records: int = 65_536, **sections: object):
        reader = reader_for(contract_of(format_, **EVENTS | sections), table, batch_records=batch_records)
        found = list(reader.read(io.BytesIO(content), start=start))
        positions = [start, *(batch.next_position for batch in found)]
        assert [batch.first_position for batch in found] == positions[:-1]
        return found

    return batches


def placed(batches):
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return [(row["_position"], row["tenant_id"], row["status"]) for row in rows]


def refused(batches):
    return [(reject.position, reject.reason, reject.column) for batch in batches for reject in batch.rejects]


@pytest.mark.parametrize("format_", CONTENTS)
@pytest.mark.parametrize("batch_records", [1, 2, 100])
@pytest.mark.parametrize("start", [0, 1, 2, 5, 9, 11, 12, 50])
def test_each_event_of_a_record_has_a_position_of_its_own(batches, format_, batch_records, start):
    found = batches(CONTENTS[format_], format_, batch_records=batch_records, start=start)

    assert placed(found) == [row for row in PLACED if row[0] >= start]
    assert refused(found) == [reject for reject in REFUSED if reject[0] >= start]
    assert not found or found[-1].next_position == 12


@pytest.mark.parametrize(
    ("format_", "content", "reason"),
    [
        ("jsonl", b'{"id":"a","opened":"2024-12-01"}\n{\n', Reason.INVALID_JSON),
        ("jsonl", b'{"id":"a","opened":"2024-12-01"}\n\n{"id":"a","opened":"2024-12-01"}\n', Reason.EMPTY_RECORD),
        ("csv", b"id,opened,closed\na,2024-12-01,\nb\n", Reason.MISSING_FIELD),
        ("csv", b"id,opened,closed\na,2024-12-01,\n" + b"b" * 200 + b",,\n", Reason.TOO_LARGE),
    ],
)
def test_a_record_that_cannot_be_read_is_one_reject(batches, format_, content, reason):
    found = batches(content, format_, max_record_bytes=100)

    assert placed(found)[0] == (0, "a", "OPEN")
    assert [(position, why) for position, why, _ in refused(found)] == [(2, reason)]


def test_only_fields_that_no_event_takes_are_unknown(batches):
    (batch,) = batches(b"id,opened,closed,more\na,2024-12-01,,x\n", "csv")

    assert batch.unknown_columns == {"more": 1}


def test_a_file_without_the_field_of_an_event_is_refused(batches):
    with pytest.raises(SchemaMismatchError, match="'closed': required for the event closed"):
        batches(b"id,opened\na,2024-12-01\n", "csv")


@pytest.mark.parametrize("content", [b"", b"id,opened,closed\n"])
def test_a_file_without_records_has_no_batch(batches, content):
    assert batches(content, "csv") == []


@pytest.mark.skipif(not (CONTRACTS / "boston_311_csv.yaml").exists(), reason="the example was removed")
@pytest.mark.parametrize("name", ["boston311-100.csv", "boston311-100.csv.gz", "boston311-100.csv.zst"])
def test_the_example_of_foreign_data_reads_real_files(shared_data, name):
    source = read_source("boston_311_csv")
    with (shared_data / "us-311-samples" / name).open("rb") as stream:
        (batch,) = reader_for(source.contract, source.table).read(stream)

    rows = batch.rows.to_pylist()
    submitted = [row for row in rows if row["event_type"] == "CaseSubmitted"]
    closed = [row for row in rows if row["event_type"] == "CaseClosed"]
    assert batch.rejects == ()
    assert (len(submitted), batch.next_position) == (100, 200)
    assert [row["_position"] for row in submitted] == list(range(0, 200, 2))
    assert len(closed) == sum(",Closed," in row["raw_payload"] for row in submitted)
