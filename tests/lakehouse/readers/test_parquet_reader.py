from __future__ import annotations

import gzip
import io
import json
import math
import random
import struct
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts import load_contracts
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.readers import (
    DamagedFileError,
    ForeignFileError,
    Reason,
    SchemaMismatchError,
    TemporarySpaceError,
    parquet_file,
    parquet_reader,
    reader_for,
    temporary_copy,
)
from lakehouse.readers.plain_columns import PlainColumns
from lakehouse.tables.definition import read_table_definitions


def written(columns: dict[str, object], **options: object) -> bytes:
    """A file of these columns, each an Arrow array or values of which Arrow finds the type."""
    arrays = [values if isinstance(values, pa.Array) else pa.array(values) for values in columns.values()]
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(columns)), sink, **options)
    return sink.getvalue()


def instants(*values: datetime | int | None, unit: str = "us", zone: str | None = None) -> pa.Array:
    return pa.array(values, pa.timestamp(unit, zone))


@pytest.fixture(scope="module")
def column(read, rows_of):
    """What a column of the target holds when a column of a file is read into it."""

    def column(name: str, values: object, **sections: object):
        return [row[name] for row in rows_of(read(written({name: values}), "parquet", **sections))]

    return column


@pytest.fixture(scope="module")
def refused(read, rejects_of):
    def refused(sent: dict[str, object], **sections: object):
        rejects = rejects_of(read(written(sent), "parquet", **sections))
        return [(reject.position, reject.reason, reject.column) for reject in rejects]

    return refused


TENANTS = {"tenant_id": [f"t{number}" for number in range(5)]}
ALL = [(place, f"t{place}") for place in range(5)]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstd.compress], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
def test_a_file_is_read_however_it_is_compressed(read, rows_of, compress, codec):
    batches = read(compress(written(TENANTS, compression=codec)), "parquet")

    assert [(row["_position"], row["tenant_id"]) for row in rows_of(batches)] == ALL


@pytest.mark.parametrize("start", range(7))
@pytest.mark.parametrize("batch_records", [1, 2, 3, 100])
@pytest.mark.parametrize("row_group_size", [1, 2, 5])
def test_positions_below_the_start_are_not_emitted(read, rows_of, start, batch_records, row_group_size):
    content = written(TENANTS, row_group_size=row_group_size)

    batches = read(content, "parquet", start=start, batch_records=batch_records)

    assert [(row["_position"], row["tenant_id"]) for row in rows_of(batches)] == ALL[start:]
    assert all(batch.records <= batch_records for batch in batches)


def without_row_groups() -> bytes:
    sink = io.BytesIO()
    pq.ParquetWriter(sink, pa.schema([("tenant_id", pa.string())])).close()
    return sink.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", gzip.compress(b""), written({"tenant_id": pa.array([], pa.string())}), without_row_groups()],
    ids=["no byte", "no byte, compressed", "no row", "no row group"],
)
def test_a_file_without_rows_has_no_batch(read, content):
    assert read(content, "parquet") == []


NEW_YORK = {"times": {"zone": "America/New_York"}}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_are_instants_in_their_zone_or_the_contracts(column, unit):
    local = datetime(2024, 12, 1, 10)  # noqa: DTZ001
    utc = local.replace(tzinfo=UTC)

    assert column("event_time", instants(utc, None, unit=unit, zone="Asia/Kolkata"), **NEW_YORK) == [local, None]
    assert column("event_time", instants(local, None, unit=unit)) == [local, None]
    later = local + timedelta(hours=5)
    assert column("event_time", instants(local, None, unit=unit), **NEW_YORK) == [later, None]


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        # The hour that the clocks go through twice, and the one they leave out.
        (datetime(2024, 11, 3, 1, 30), datetime(2024, 11, 3, 5, 30)),  # noqa: DTZ001
        (datetime(2024, 3, 10, 2, 30), datetime(2024, 3, 10, 7, 30)),  # noqa: DTZ001
    ],
)
def test_local_times_about_a_change_of_clocks_are_read_as_their_texts_are(column, local, utc):
    assert column("event_time", instants(local), **NEW_YORK) == [utc]
    assert column("event_time", [local.isoformat()], **NEW_YORK) == [utc]


def with_int96(days: int, nanoseconds: int) -> bytes:
    """A file with one time as Spark and Impala used to write it: nanoseconds of a Julian day."""
    ten = instants(datetime(2024, 12, 1, 10))  # noqa: DTZ001
    content = written(
        {"event_time": ten},
        use_deprecated_int96_timestamps=True,
        use_dictionary=False,
        compression="none",
        write_statistics=False,
    )
    stored = struct.pack("<qI", 36_000 * 10**9, 2_440_588 + (date(2024, 12, 1) - date(1970, 1, 1)).days)
    assert content.count(stored) == 1
    return content.replace(stored, struct.pack("<qI", nanoseconds, 2_440_588 + days))


@pytest.mark.parametrize(
    ("days", "nanoseconds", "stored"),
    [
        (20_058, 36_000 * 10**9, datetime(2024, 12, 1, 10)),  # noqa: DTZ001
        (0, 1_999, datetime(1970, 1, 1, 0, 0, 0, 1)),  # noqa: DTZ001
        (-1, 86_399_999_999_999, datetime(1969, 12, 31, 23, 59, 59, 999_999)),  # noqa: DTZ001
        # Beyond what nanoseconds since 1970 can tell.
        ((date(2262, 5, 1) - date(1970, 1, 1)).days, 0, datetime(2262, 5, 1)),  # noqa: DTZ001
        ((date(9999, 12, 31) - date(1970, 1, 1)).days, 0, datetime(9999, 12, 31)),  # noqa: DTZ001
        ((date(1582, 10, 4) - date(1970, 1, 1)).days, 0, datetime(1582, 10, 4)),  # noqa: DTZ001
        ((date(1, 1, 1) - date(1970, 1, 1)).days, 0, datetime(1, 1, 1)),  # noqa: DTZ001
        ((date(9999, 12, 31) - date(1970, 1, 1)).days + 1, 0, Reason.OUT_OF_RANGE),
    ],
)
def test_times_of_96_bits_are_local_times_of_any_year(read, days, nanoseconds, stored):
    (batch,) = read(with_int96(days, nanoseconds), "parquet")

    found = [*batch.rows.column("event_time").to_pylist(), *(reject.reason for reject in batch.rejects)]
    assert found == [stored]


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
@pytest.mark.parametrize("page_version", ["1.0", "2.0"])
def test_texts_are_read_however_their_pages_are_encoded(read, rows_of, encoding, page_version):
    texts = ["Ward 3", "Ward 31", None, "", "ward"]
    content = written(
        {"tenant_id": texts, "status": pa.array(texts).cast(pa.binary()), "attributes_json": [{"a": "x"}] * 5},
        use_dictionary=["attributes_json.a"],
        column_encoding={"tenant_id": encoding, "status": encoding},
        data_page_version=page_version,
    )

    rows = rows_of(read(content, "parquet"))
    assert [row["tenant_id"] for row in rows] == [row["status"] for row in rows] == texts
    assert rows[0]["attributes_json"] == '{"a":"x"}'


def test_texts_that_share_their_beginnings_are_read_in_bounded_batches(read):
    texts = ["x" * 10_000 + str(number) for number in range(10_000)]
    content = written(
        {"tenant_id": texts}, use_dictionary=False, column_encoding={"tenant_id": "DELTA_BYTE_ARRAY"}
    )

    batches = read(content, "parquet")

    assert len(content) < 1_000_000
    assert max(batch.rows.nbytes for batch in batches) < 2 * parquet_file.BATCH_BYTES


@pytest.mark.parametrize("encoding", ["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"])
def test_numbers_are_read_however_their_pages_are_encoded(read, rows_of, encoding):
    content = written({"visits": [1, None, -3]}, use_dictionary=False, column_encoding={"visits": encoding})

    assert [row["visits"] for row in rows_of(read(content, "parquet"))] == [1, None, -3]


def test_nanoseconds_are_cut_towards_the_past(column):
    assert column("event_time", instants(-1, 1_999, unit="ns")) == [
        datetime(1969, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001
        datetime(1970, 1, 1, 0, 0, 0, 1),  # noqa: DTZ001
    ]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates_are_days_and_in_a_column_of_times_midnights_of_the_zone(column, kind):
    days = pa.array([date(2024, 12, 1), None], kind)

    assert column("event_date", days) == [date(2024, 12, 1), None]
    assert column("event_time", days, **NEW_YORK) == [datetime(2024, 12, 1, 5), None]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("event_time", instants(2**62, unit="ms"), Reason.OUT_OF_RANGE),
        ("event_time", instants(-(2**62), unit="us"), Reason.OUT_OF_RANGE),
        ("event_time", instants(2**61, unit="ms", zone="UTC"), Reason.OUT_OF_RANGE),
        ("event_date", pa.array([2**30, None], pa.int32()).view(pa.date32()), Reason.OUT_OF_RANGE),
        ("event_date", pa.array([-(2**30), None], pa.int32()).view(pa.date32()), Reason.OUT_OF_RANGE),
        ("event_date", instants(datetime(2024, 12, 1)), Reason.WRONG_TYPE),  # noqa: DTZ001
        ("visits", pa.array([2**63], pa.uint64()), Reason.OUT_OF_RANGE),
        ("floor", [2**31], Reason.OUT_OF_RANGE),
        ("visits", [1.5], Reason.WRONG_TYPE),
        ("visits", [True], Reason.WRONG_TYPE),
        ("is_open", [1], Reason.WRONG_TYPE),
        ("score", [math.nan], Reason.WRONG_TYPE),
        ("score", [math.inf], Reason.WRONG_TYPE),
        ("score", [-math.inf], Reason.WRONG_TYPE),
        ("score", ["high"], Reason.WRONG_TYPE),
        ("tenant_id", [{"a": 1}], Reason.WRONG_TYPE),
        ("tenant_id", [[1]], Reason.WRONG_TYPE),
        ("visits", [[1]], Reason.WRONG_TYPE),
        ("tenant_id", ["a\0b"], Reason.NUL_BYTE),
        ("tenant_id", [b"a\xff"], Reason.NOT_UTF8),
        ("attributes_json", [{"a": "\0"}], Reason.NUL_BYTE),
        ("attributes_json", [{"a": b"\xff"}], Reason.NOT_UTF8),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused(refused, name, values, reason):
    (first, *_) = refused({name: values})

    assert first == (0, reason, None if reason in {Reason.NUL_BYTE, Reason.NOT_UTF8} else name)


@pytest.mark.parametrize(
    ("name", "values", "stored"),
    [
        ("visits", pa.array([5, None], pa.int8()), [5, None]),
        ("visits", pa.array([2**32], pa.uint64()), [2**32]),
        ("visits", ["5", "-1"], [5, -1]),
        ("visits", pa.array([Decimal(7)], pa.decimal128(30)), [7]),
        ("score", pa.array([Decimal("7.25")], pa.decimal256(60, 2)), [7.25]),
        ("score", pa.array([1.5, None], pa.float16()), [1.5, None]),
        ("score", pa.array([0.25], pa.float32()), [0.25]),
        ("score", [3], [3.0]),
        ("is_open", [True, False, None], [True, False, None]),
        ("is_open", ["true"], [True]),
        ("tenant_id", [12, None], ["12", None]),
        ("tenant_id", [1.5], ["1.5"]),
        ("tenant_id", [False], ["false"]),
        ("tenant_id", [b"caf\xc3\xa9"], ["café"]),
        ("tenant_id", pa.array([b"abc"], pa.binary(3)), ["abc"]),
        ("tenant_id", pa.array(["a", None], pa.large_string()), ["a", None]),
        ("tenant_id", pa.array([b"a"], pa.large_binary()), ["a"]),
        ("tenant_id", pa.array(["a", "b", None, "a"]).dictionary_encode(), ["a", "b", None, "a"]),
        ("tenant_id", pa.nulls(2), [None, None]),
        ("visits", pa.nulls(2), [None, None]),
        ("tenant_id", [Decimal("1.50")], ["1.50"]),
        ("tenant_id", [date(2024, 12, 1)], ["2024-12-01"]),
        ("tenant_id", instants(datetime(2024, 12, 1, 10, tzinfo=UTC), zone="UTC"), ["2024-12-01T10:00:00Z"]),
        ("tenant_id", instants(1, unit="ns"), ["1970-01-01T00:00:00.000000001"]),
        ("tenant_id", [time(10, 30)], ["10:30:00"]),
        ("tenant_id", [timedelta(seconds=1)], ["1000000"]),
        ("tenant_id", pa.array([uuid.UUID(int=5).bytes], pa.uuid()), [str(uuid.UUID(int=5))]),
    ],
)
def test_other_types_are_judged_by_their_texts(column, name, values, stored):
    assert column(name, values) == stored


PLACE = {"ward": "Ward 3", "at": [1.5, None], "on": date(2024, 12, 1), "é%s": True, "cost": Decimal("1.50")}


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ([PLACE, None], ['{"ward":"Ward 3","at":[1.5,null],"on":"2024-12-01","é%s":true,"cost":1.50}', None]),
        ([[], [1, None], None], ["[]", "[1,null]", None]),
        ([[{"a": [None, 1]}, None]], ['[{"a":[null,1]},null]']),
        (pa.array([[("k", 1), ('"', 2)], None], pa.map_(pa.string(), pa.int8())), ['{"k":1,"\\"":2}', None]),
        (pa.array([[(1, "a")]], pa.map_(pa.int64(), pa.string())), ['{"1":"a"}']),
        (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), ["[1,2]", None]),
        (pa.array([["a"]], pa.large_list(pa.string())), ['["a"]']),
        ([{"a": math.nan}], ['{"a":"NaN"}']),
        (["[ 1 ]"], ["[ 1 ]"]),
    ],
)  # fmt: skip
def test_nested_values_are_compact_json_in_columns_that_take_it(column, values, stored):
    assert column("attributes_json", values) == stored


def test_a_reject_keeps_the_row_as_json(read, rejects_of):
    columns = {
        "tenant_id": ["a", "é"],
        "visits": ["1", "x"],
        "attributes_json": [{"a": 1}, None],
        "more": [b"", b"\x01"],
    }

    (reject,) = rejects_of(read(written(columns), "parquet"))

    assert reject.record == '{"tenant_id":"é","visits":"x","attributes_json":null,"more":"\\u0001"}'.encode()
    assert reject.record_bytes == len(reject.record)
    assert (reject.position, reject.line) == (1, None)


def test_a_column_takes_the_whole_row(read, rows_of):
    rules = {"raw_payload": {"from": "$record"}}

    (row,) = rows_of(read(written({"tenant_id": ["a"], "at": [1]}), "parquet", columns=rules))

    assert row["raw_payload"] == '{"tenant_id":"a","at":1}'


def test_personal_data_is_scrubbed_from_rows_and_rejects(read, rows_of, rejects_of):
    columns = {"attributes_json": [{"name": "Asha", "ward": "3"}] * 2, "visits": ["1", "x"]}

    batches = read(written(columns), "parquet", scrub=("attributes_json.name",))

    assert [row["attributes_json"] for row in rows_of(batches)] == ['{"ward":"3"}']
    assert b"Asha" not in rejects_of(batches)[0].record


NESTED = {
    "tenant_id": {"from": "service.tenantId", "required": True},
    "status": {"from": ["action", "service.state"], "map": {"CLOSE": "CLOSED", "PENDING": "OPEN"}},
    "attributes_json": {"object": {"type": "service.code", "who": "assignees"}},
    "visits": {"from": "at.count"},
}


def test_a_path_leads_into_structs(read, rows_of, rejects_of):
    columns = {
        "service": [{"tenantId": "pb", "state": "PENDING", "code": 1.5}, {"tenantId": None}, {"tenantId": "ke"}],
        "action": ["COMMENT", "CLOSE", "CLOSE"],
        "assignees": [["a"], None, []],
        "at.count": [1, 2, 3],
        "more": [1, 2, 3],
    }

    batches = read(written(columns), "parquet", columns=NESTED)

    assert [(row["tenant_id"], row["status"], row["visits"]) for row in rows_of(batches)] == [
        ("pb", "OPEN", 1), ("ke", "CLOSED", 3),
    ]  # fmt: skip
    assert [row["attributes_json"] for row in rows_of(batches)] == ['{"type":1.5,"who":["a"]}', '{"who":[]}']
    assert [(reject.position, reject.column) for reject in rejects_of(batches)] == [(1, "tenant_id")]
    assert batches[0].unknown_columns == {"more": 3}


def test_a_path_that_nothing_requires_leads_into_structs_too(read, rows_of):
    rules = {"status": {"from": "a.b"}, "attributes_json": {"object": {"x": "a.b"}}}

    (row,) = rows_of(read(written({"a": [{"b": "x"}]}), "parquet", columns=rules))

    assert (row["status"], row["attributes_json"]) == ("x", '{"x":"x"}')


def test_a_file_without_the_column_that_a_required_path_goes_through_is_refused(read):
    with pytest.raises(SchemaMismatchError, match=r"'service\.tenantId': required for tenant_id"):
        read(written({"services": [{"tenantId": "pb"}]}), "parquet", columns=NESTED)


@pytest.mark.parametrize("type_", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_of_a_column_are_mapped(read, rows_of, rejects_of, type_):
    columns = {
        "status": pa.array(["a", None, "b", "a"], type_),
        "visits": pa.array(["many", "few", "x", "x"], type_),
    }
    rules = {"status": {"map": {"a": "A"}}, "visits": {"map": {"many": "100", "few": "2"}, "unmapped": "keep"}}

    batches = read(written(columns), "parquet", columns=rules)

    assert [(row["status"], row["visits"]) for row in rows_of(batches)] == [("A", 100), (None, 2)]
    assert [(reject.position, reject.column) for reject in rejects_of(batches)] == [(2, "status"), (3, "visits")]


def test_numbers_of_a_column_are_mapped_by_their_texts(read, rows_of):
    rules = {"status": {"map": {"1": "OPEN", "2": "CLOSED"}}, "visits": {"map": {"2": "20"}, "unmapped": "keep"}}

    rows = rows_of(read(written({"status": [1, 2], "visits": [1, 2]}), "parquet", columns=rules))

    assert [(row["status"], row["visits"]) for row in rows] == [("OPEN", 1), ("CLOSED", 20)]


def test_a_row_over_the_limit_is_refused(read, rows_of, rejects_of):
    batches = read(written({"tenant_id": ["a" * 60, "b" * 200, "c"]}), "parquet", max_record_bytes=100)

    assert [row["_position"] for row in rows_of(batches)] == [0, 2]
    (reject,) = rejects_of(batches)
    assert (reject.reason, reject.record_bytes) == (Reason.TOO_LARGE, 200 + len('{"tenant_id":""}'))


def test_columns_that_nothing_takes_are_counted_once_a_row(read):
    (batch,) = read(written({"tenant_id": ["a", "b", "c\0"], "x": [1, None, 2]}), "parquet")

    assert batch.unknown_columns == {"x": 2}


def test_columns_that_nothing_takes_refuse_every_row_where_the_contract_says_so(refused):
    found = refused({"tenant_id": ["a", "b"], "x": [1, 2]}, unknown_columns="reject")

    assert found == [(0, Reason.EXTRA_FIELD, "x"), (1, Reason.EXTRA_FIELD, "x")]


@pytest.mark.parametrize(
    ("names", "sections", "said"),
    [
        (["tenant_id", "status", "status"], {}, "'status': stands 2 times"),
        (["tenant"], {"columns": {"tenant_id": {"required": True}}}, "is it 'tenant'?"),
        (["tenant_id", "x"], {"unknown_columns": "fail"}, "'x': in the file, but no column takes it"),
        (["a", "b"], {}, "none of the file's columns is known"),
        (["tenant_id", "Status"], {}, "'Status': differs from 'status' in case or spaces only"),
        (["tenant_id", "x"], {"unknown_columns": "fail"}, "-                          'x' string"),
    ],
)
@pytest.mark.parametrize("rows", [0, 1])
def test_columns_that_do_not_fit_fail_the_file_and_say_how(read, names, sections, said, rows):
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(["v"] * rows, pa.string())] * len(names), names=names), sink)

    with pytest.raises(SchemaMismatchError) as caught:
        read(sink.getvalue(), "parquet", **sections)

    assert said in str(caught.value)


def test_rules_of_columns_apply_as_everywhere(read, rows_of, refused):
    sections = {
        "nulls": ("", "-1"),
        "columns": {
            "tenant_id": {"required": True, "allowed": "t*"},
            "status": {"default": "OPEN"},
            "visits": {"default": 3},
            "raw_payload": {"value": "x"},
        },
    }
    columns = {"tenant_id": ["t1", "", "u", "t2"], "status": [None, "", "a", "b"], "visits": [-1, 1, 2, None]}

    rows = rows_of(read(written(columns), "parquet", **sections))
    assert [(row["tenant_id"], row["status"], row["visits"], row["raw_payload"]) for row in rows] == [
        ("t1", "OPEN", 3, "x"),
        ("t2", "b", 3, "x"),
    ]
    assert refused(columns, **sections) == [
        (1, Reason.MISSING_FIELD, "tenant_id"),
        (2, Reason.NOT_ALLOWED, "tenant_id"),
    ]


def test_a_row_without_a_date_has_the_utc_day_of_its_time(column, refused):
    evening = datetime(1969, 12, 31, 22)  # noqa: DTZ001
    read_date = column("event_time", instants(evening, None), columns={"raw_payload": {"value": "x"}})
    assert read_date == [evening, None]

    required = {"event_date": {"required": True}}
    assert refused({"event_time": instants(evening, None)}, columns=required) == [
        (1, Reason.MISSING_FIELD, "event_date")
    ]


def test_repeated_texts_are_not_written_out_all_at_once(read, monkeypatch):
    monkeypatch.setattr(parquet_file, "BATCH_BYTES", 1_000)

    texts = ["a" * 300] * 10 + ["b" * 2_000] + ["c"] * 1_000
    batches = read(written({"tenant_id": texts}), "parquet")

    assert [batch.records for batch in batches][:5] == [3, 3, 3, 1, 1]
    assert len(batches) < 10


def test_an_epoch_in_a_column_of_numbers_is_a_time_where_the_contract_says_so(column):
    formats = {"times": {"formats": ["iso8601", "epoch_ms"]}}

    assert column("event_time", [1_733_047_200_000], **formats) == [datetime(2024, 12, 1, 10)]  # noqa: DTZ001


def test_a_time_is_judged_by_its_text_where_the_contract_declares_other_formats(refused):
    at_ten = {"event_time": instants(datetime(2024, 12, 1, 10, tzinfo=UTC), zone="UTC")}

    assert refused(at_ten, times={"formats": ["epoch_ms"]}) == [(0, Reason.WRONG_TYPE, "event_time")]
    assert refused(at_ten, times={"formats": ["%Y-%m-%dT%H:%M:%SZ", "iso8601"]}) == []


SAMPLE = written(
    {
        "tenant_id": [f"tenant {number % 7}" for number in range(2_000)],
        "visits": list(range(2_000)),
        "attributes_json": [f'{{"n":{number * 7919}}}' for number in range(2_000)],
    },
    row_group_size=500,
    write_page_checksum=True,
)


@pytest.mark.parametrize("kept", [1, 4, 8, 11, 12, 100, len(SAMPLE) // 2, len(SAMPLE) - 1, len(SAMPLE) - 8])
def test_a_file_that_is_cut_short_fails(read, kept):
    with pytest.raises(DamagedFileError, match="cannot be read as Parquet"):
        read(SAMPLE[:kept], "parquet")


def test_a_page_that_was_changed_fails_the_file(read):
    place = len(SAMPLE) // 2
    with pytest.raises(DamagedFileError):
        read(SAMPLE[:place] + bytes([SAMPLE[place] ^ 0x55]) + SAMPLE[place + 1 :], "parquet")


def test_a_number_that_no_value_of_a_dictionary_has_is_damage(read):
    """Arrow takes numbers as they stand in a page; nothing but a checksum, which few write, would tell."""
    content = written({"tenant_id": ["a", "b"] * 50})
    two_values, one_value = b"\x4c\x15\x04\x15\x00", b"\x4c\x15\x02\x15\x00"
    assert content.count(two_values) == 1

    with pytest.raises(DamagedFileError, match="value number 1 of 1"):
        read(content.replace(two_values, one_value), "parquet")


@pytest.mark.parametrize("content", [b"tenant_id,status\na,b\n", b'{"tenant_id":"a"}\n', b"PAR1", b"PAR1" * 3])
def test_what_is_not_parquet_fails_and_says_so(read, content):
    with pytest.raises(DamagedFileError, match="Parquet"):
        read(content, "parquet")


def test_a_damaged_file_is_damaged_whatever_is_broken_in_it(read):
    """Bits of pages, page headers and footer are flipped, cut out and put in."""
    random_numbers = random.Random(4)
    outcomes = set()
    for _ in range(200):
        damaged = bytearray(SAMPLE)
        for _ in range(random_numbers.choice((1, 3))):
            place = random_numbers.randrange(4, len(damaged))
            if random_numbers.random() < 0.5:
                place = random_numbers.randrange(len(damaged) - 1_500, len(damaged))
            damaged[place] ^= 1 << random_numbers.randrange(8)
        try:
            outcomes.add(sum(batch.records for batch in read(bytes(damaged), "parquet")))
        except (DamagedFileError, ForeignFileError, SchemaMismatchError) as error:
            outcomes.add(type(error))
            assert error.remedy  # noqa: PT017 - either outcome is right

    # Some bits of a footer mean nothing to the rows; what is read is read whole.
    assert outcomes <= {DamagedFileError, ForeignFileError, SchemaMismatchError, 2_000}
    assert DamagedFileError in outcomes


@given(content=st.binary() | st.binary().map(lambda inside: b"PAR1" + inside + b"PAR1"))
def test_any_bytes_are_a_file_or_an_error(read, content):
    try:
        read(content, "parquet")
    except (DamagedFileError, ForeignFileError, SchemaMismatchError) as error:
        assert error.remedy  # noqa: PT017 - either outcome is right


def test_a_copy_that_finds_no_room_is_no_damage(read, monkeypatch):
    class FullDisk(io.BytesIO):
        def write(self, _content):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(temporary_copy.tempfile, "TemporaryFile", FullDisk)

    with pytest.raises(TemporarySpaceError, match="No space left on device"):
        read(SAMPLE, "parquet")


def test_a_stream_is_asked_for_nothing_but_bytes(contract_of, table):
    class Stream:
        def __init__(self) -> None:
            self._content = io.BytesIO(SAMPLE)

        def read(self, size: int) -> bytes:
            return self._content.read(min(size, 1_000))

    batches = reader_for(contract_of("parquet"), table).read(Stream())

    assert sum(batch.records for batch in batches) == 2_000


def test_the_shipped_contract_reads_what_the_table_holds():
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contracts(CONTRACTS, tables, environment={})["pgr_events_parquet"]
    names = tables[contract.target].column_names
    event = {name: ["x"] for name in names} | {
        "event_date": pa.array([date(2024, 12, 1)]),
        "event_time": instants(datetime(2024, 12, 1, 10, tzinfo=UTC), zone="UTC"),
    }

    (batch,) = reader_for(contract, tables[contract.target]).read(io.BytesIO(written(event)))

    assert batch.rows.num_rows == 1
    assert contract.matches("warehouse", "staging/pgr_events_1.parquet")
    assert not contract.matches("warehouse", "staging/pgr_events_1.parquet.csv")


TEXTS = st.text(max_size=6) | st.sampled_from(
    ["", "NULL", "5", "-1", "true", "2024-12-01", "2024-02-30T10:00:00", "1e3"]
)
UNITS = ["s", "ms", "us", "ns"]
EDGES = (
    st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**18), 10**18) | st.integers(1_600_000_000, 1_800_000_000)
)


def arrays(kind: pa.DataType, values: st.SearchStrategy[object]) -> st.SearchStrategy[pa.Array]:
    return st.lists(st.none() | values, min_size=6, max_size=6).map(lambda items: pa.array(items, kind))


def times(unit: str, zone: str | None) -> st.SearchStrategy[pa.Array]:
    recent = st.integers(1_700_000_000, 1_740_000_000).map(lambda seconds: seconds * 10 ** (3 * UNITS.index(unit)))
    # A file keeps seconds as milliseconds, of which there must not be too many.
    edges = EDGES.map(lambda count: count // 2_000) if unit == "s" else EDGES
    return arrays(pa.int64(), edges | recent).map(lambda counts: counts.view(pa.timestamp(unit, zone)))


DAYS = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 30_000)
MILLISECONDS_OF_DAYS = st.integers(-(10**6), 10**7).map(lambda day: day * 86_400_000)
PLACES = st.fixed_dictionaries({"a": TEXTS, "b": st.lists(st.floats(), max_size=2)})
WHOLE_NUMBERS = st.one_of(
    *(arrays(kind, st.integers(0, 100)) for kind in (pa.int8(), pa.uint16())),
    arrays(pa.int64(), EDGES),
    arrays(pa.uint64(), st.integers(0, 2**64 - 1)),
)
TIMES = st.one_of(
    arrays(pa.int32(), DAYS).map(lambda days: days.view(pa.date32())),
    arrays(pa.int64(), MILLISECONDS_OF_DAYS).map(lambda days: days.view(pa.date64())),
    *(times(unit, zone) for unit in UNITS for zone in (None, "UTC", "Asia/Kolkata")),
)
COLUMNS = st.one_of(
    arrays(pa.string(), TEXTS),
    arrays(pa.string(), TEXTS).map(lambda texts: texts.dictionary_encode()),
    arrays(pa.binary(), st.binary(max_size=4)),
    *(arrays(kind, st.floats(width=kind.bit_width)) for kind in (pa.float32(), pa.float64())),
    arrays(pa.bool_(), st.booleans()),
    arrays(pa.decimal128(20, 2), st.decimals(-(10**15), 10**15, places=2)),
    arrays(pa.null(), st.none()),
    arrays(pa.struct([("a", pa.string()), ("b", pa.list_(pa.float64()))]), PLACES),
    arrays(pa.list_(pa.string()), st.lists(TEXTS, max_size=2)),
    WHOLE_NUMBERS,
    TIMES,
)
#: Columns of a type that has a cast come more often.
LIKELY = {"event_time": TIMES, "event_date": TIMES, "visits": WHOLE_NUMBERS, "floor": WHOLE_NUMBERS}
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "nulls": st.sampled_from([("",), ("NULL", "-1"), ("5", "true", "2024-12-01", "0.0")]),
        "times": st.fixed_dictionaries(
            {"zone": st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"])},
            optional={
                "formats": st.sampled_from(
                    [("epoch_ms",), ("iso8601", "epoch_s"), ("epoch_ms", "iso8601"), ("%Y-%m-%d", "iso8601")]
                )
            },
        ),
        "max_record_bytes": st.sampled_from([150, 300, 10**6]),
        "columns": st.sampled_from(
            [
                {"tenant_id": {"required": True}, "visits": {"default": 7}, "event_date": {"required": True}},
                {"tenant_id": {"allowed": "*e*"}, "score": {"required": True}, "event_time": {"required": True}},
                {"status": {"default": "OPEN"}, "visits": {"allowed": ["5", "7"]}, "raw_payload": {"value": "x"}},
            ]
        ),
    },
)


class NoShortCut(PlainColumns):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.applies = False


@settings(max_examples=400, deadline=None)
@given(data=st.data(), sections=SECTIONS)
def test_the_short_cut_and_the_records_as_json_have_one_verdict(read, table, data, sections):
    names = data.draw(st.lists(st.sampled_from([*table.column_names, "unknown"]), unique=True, min_size=1))
    content = written(
        {"is_open": [None] * 6}
        | {name: data.draw(LIKELY.get(name, COLUMNS) | COLUMNS, label=name) for name in names}
    )
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parquet_reader, "PlainColumns", NoShortCut)
            by_the_book = read(content, "parquet", **sections)
    except SchemaMismatchError:
        with pytest.raises(SchemaMismatchError):
            read(content, "parquet", **sections)
        return

    (expected,) = by_the_book
    (found,) = read(content, "parquet", **sections)

    assert found.rows.equals(expected.rows)
    assert found.rejects == expected.rejects
    assert found.unknown_columns == expected.unknown_columns


def test_rows_are_judged_as_the_same_records_of_a_json_feed(read, rows_of, rejects_of):
    records = [
        {"tenant_id": "a", "visits": 5, "score": 1.5, "is_open": True, "attributes_json": {"a": [1, None]}},
        {"tenant_id": None, "visits": 2**62, "score": -0.0, "is_open": None, "attributes_json": None},
        {"tenant_id": "c\0", "visits": None, "score": 3.0, "is_open": False, "attributes_json": {"a": []}},
    ]
    columns = {name: [record[name] for record in records] for name in records[0]}
    lines = "\n".join(json.dumps(record, separators=(",", ":")) for record in records).encode()

    from_parquet, from_json = read(written(columns), "parquet"), read(lines, "jsonl")

    assert rows_of(from_parquet) == rows_of(from_json)
    assert [(reject.reason, reject.record) for reject in rejects_of(from_parquet)] == [
        (reject.reason, reject.record) for reject in rejects_of(from_json)
    ]
