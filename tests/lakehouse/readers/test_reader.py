from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CASE_ID, OPENED, STATUS, NEIGHBORHOOD = "case_enquiry_id", "open_dt", "case_status", "neighborhood"
BOSTON = {
    "times": {"zone": "America/New_York"},
    "nulls": ("", " "),
    "columns": {
        "tenant_id": {"value": "us.boston"},
        "event_time": {"from": OPENED, "required": True},
        "status": {"from": STATUS},
        "visits": {"from": CASE_ID},
        "raw_payload": {"from": NEIGHBORHOOD},
    },
}


@pytest.fixture(scope="module")
def boston(shared_data, read):
    def boston(name: str, format_: str = "csv", **sections: object):
        return read((shared_data / "us-311-samples" / name).read_bytes(), format_, **BOSTON | sections)

    return boston


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("boston311-100.csv.gz", {}),
        ("boston311-100.csv.multimember.gz", {}),
        ("boston311-100.csv.zst", {}),
        ("boston311-100.tab", {"csv": {"delimiter": "\t"}}),
        ("boston311-100.jsonl", {}),
    ],
)
def test_a_feed_is_the_same_rows_from_every_container(boston, rows_of, name, sections):
    expected = rows_of(boston("boston311-100.csv"))
    format_ = "jsonl" if name.endswith("jsonl") else "csv"

    assert len(expected) == 100
    assert rows_of(boston(name, format_, **sections)) == expected


NYC = {
    "nulls": ("",),
    "times": {"zone": "America/New_York", "formats": ["%m/%d/%Y %I:%M:%S %p"]},
    "columns": {
        "event_time": {"from": "Created Date", "required": True},
        "tenant_id": {"from": "Agency"},
        "status": {"from": "Status"},
        "visits": {"from": "Unique Key", "required": True},
        "score": {"from": "Latitude"},
        "attributes_json": {"from": "BBL"},
        "raw_payload": {"from": "Resolution Description"},
    },
}


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("NYC311-5.csv.gz", {}),
        ("NYC311-5.csv.zst", {}),
        ("NYC311-5.tab", {"csv": {"delimiter": "\t"}}),
        ("NYC311-5.tsv", {"csv": {"delimiter": "\t"}}),
        ("NYC311-5.tsv.gz", {"csv": {"delimiter": "\t"}}),
        ("NYC311-5.tsv.zst", {"csv": {"delimiter": "\t"}}),
        ("NYC311-5.ssv", {"csv": {"delimiter": ";"}}),
        ("NYC311-5.ssv.gz", {"csv": {"delimiter": ";"}}),
        ("NYC311-5.ssv.zst", {"csv": {"delimiter": ";"}}),
        ("NYC311-5.jsonl", {}),
        ("NYC311-5.parquet", {}),
    ],
)
def test_a_feed_with_types_of_its_own_is_the_same_rows_too(shared_data, read, rows_of, name, sections):
    samples = shared_data / "us-311-samples"
    suffix = name.split(".")[1]
    format_ = suffix if suffix in {"jsonl", "parquet"} else "csv"
    expected = rows_of(read((samples / "NYC311-5.csv").read_bytes(), "csv", **NYC))

    assert len(expected) == 5
    assert rows_of(read((samples / name).read_bytes(), format_, **NYC | sections)) == expected


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_a_feed_is_the_same_rows_from_parquet(shared_data, boston, read, rows_of, compression):
    lines = (shared_data / "us-311-samples" / "boston311-100.jsonl").read_text(encoding="utf-8").splitlines()
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([json.loads(line) for line in lines]), sink, compression=compression)

    found = rows_of(read(sink.getvalue(), "parquet", **BOSTON))

    assert found == rows_of(boston("boston311-100.csv"))


def test_the_record_of_30_fields_among_29_is_refused_and_no_other(boston, rejects_of, rows_of):
    batches = boston("boston311-100-bad.tsv", csv={"delimiter": "\t"})

    (reject,) = rejects_of(batches)
    assert reject.reason == "extra_field"
    assert len(rows_of(batches)) + 1 == sum(batch.records for batch in batches)


def test_days_before_months_are_read_as_declared(boston, rows_of):
    declared = {"times": {"zone": "America/New_York", "formats": ["%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S"]}}

    batches = boston("boston311-dmy-100.csv", **declared)

    assert [row["event_time"] for row in rows_of(batches)] == [
        row["event_time"] for row in rows_of(boston("boston311-100.csv"))
    ]
