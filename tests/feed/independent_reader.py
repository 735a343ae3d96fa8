"""Judges a feed's files by the platform's rules, with nothing of the generator and no reader of the platform."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

HEADER = (
    "event_date,event_time,tenant_id,service,entity_type,entity_id,event_type,status,"
    "actor_type,actor_id,channel,ward_id,locality_id,attributes_json,raw_payload"
)


def read_content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    if path.suffix == ".zst":
        return zstd.decompress(content)
    return content


def judged(content: bytes, file_format: str) -> list[dict | str]:
    """Each record in order: its columns, with the attributes decoded beside them, or the reason of its reject."""
    if file_format == "jsonl":
        return [_judged_line(line) for line in content.split(b"\n")[:-1]]
    if file_format == "parquet":
        return [_judged_typed(row) for row in _typed_rows(content)]
    # Latin-1 keeps every byte, so that one bad row spoils no other.
    header, *rows = csv.reader(io.StringIO(content.decode("latin-1"), newline=""), strict=True)
    assert header == HEADER.split(",")
    return [_judged_row(header, row) for row in rows]


def good_rows(content: bytes, file_format: str) -> list[dict]:
    return [record for record in judged(content, file_format) if isinstance(record, dict)]


def _typed_rows(content: bytes) -> list[dict]:
    table = pq.read_table(io.BytesIO(content))
    assert table.schema.names == HEADER.split(",")
    assert table.schema.types == [pa.date32(), pa.timestamp("us", tz="UTC"), *[pa.string()] * 13]
    # Python knows no year beyond 9999, and no text that is not UTF-8.
    columns = [
        column.cast(pa.int64() if pa.types.is_timestamp(column.type) else pa.binary())
        if not pa.types.is_date(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.schema.names).to_pylist()


def _judged_typed(row: dict) -> dict | str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["event_time"])
        texts = {name: value.decode() for name, value in row.items() if isinstance(value, bytes)}
    except OverflowError:
        return "out_of_range"
    except UnicodeDecodeError:
        return "not_utf8"
    typed = {"event_date": row["event_date"].isoformat(), "event_time": moment.isoformat(timespec="milliseconds")}
    return _judged_record(row | texts | typed)


def _judged_row(header: list[str], row: list[str]) -> dict | str:
    if not row:
        return "empty_record"
    if len(row) != len(header):
        return "missing_field" if len(row) < len(header) else "extra_field"
    try:
        fields = [field.encode("latin-1").decode() for field in row]
    except UnicodeDecodeError:
        return "not_utf8"
    return _judged_record(dict(zip(header, fields, strict=True)))


def _judged_line(line: bytes) -> dict | str:
    if not line:
        return "empty_record"
    try:
        value = json.loads(line.decode(), object_pairs_hook=list)
    except ValueError as error:
        return "not_utf8" if isinstance(error, UnicodeDecodeError) else "invalid_json"
    if not all(isinstance(pair, tuple) for pair in value):
        return "wrong_type"
    if len({name for name, _ in value}) < len(value):
        return "duplicate_field"
    if line.count(b"{") > 200:
        return "too_deep"
    return _judged_record(json.loads(line))


def _judged_record(record: dict) -> dict | str:
    if any("\x00" in value for value in record.values() if isinstance(value, str)):
        return "nul_byte"
    if not record.get("tenant_id"):
        return "missing_field"
    if not re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{3}(Z|\+\d\d:\d\d)?$", record["event_time"]):
        return "wrong_type"
    try:
        date.fromisoformat(record["event_date"])
    except ValueError:
        return "out_of_range"
    attributes = record["attributes_json"]
    return record | {"attributes": json.loads(attributes) if isinstance(attributes, str) else attributes}
