"""Reads a feed's files by the platform's rules, with the standard library and nothing of the generator."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import date
from pathlib import Path

import zstandard

HEADER = (
    "event_date,event_time,tenant_id,service,entity_type,entity_id,event_type,status,"
    "actor_type,actor_id,channel,ward_id,locality_id,attributes_json,raw_payload"
)


def read_content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return content


def good_rows(content: bytes, file_format: str) -> list[dict]:
    """The rows that the platform's rules accept, attributes decoded; written without the generator."""
    rows = _csv_rows(content) if file_format == "csv" else _jsonl_rows(content)
    return [row | {"attributes": _attributes(row)} for row in rows]


def _attributes(row: dict) -> dict:
    text = row["attributes_json"]
    return json.loads(text) if isinstance(text, str) else text


def _csv_rows(content: bytes) -> list[dict]:
    # Latin-1 keeps every byte, so that one bad row spoils no other.
    header, *rows = csv.reader(io.StringIO(content.decode("latin-1"), newline=""), strict=True)
    assert header == HEADER.split(",")
    accepted = []
    for row in rows:
        if len(row) != len(header):
            continue
        try:
            fields = [field.encode("latin-1").decode() for field in row]
        except UnicodeDecodeError:
            continue
        record = dict(zip(header, fields, strict=True))
        if is_good(record):
            accepted.append(record)
    return accepted


def _jsonl_rows(content: bytes) -> list[dict]:
    accepted = []
    for line in content.split(b"\n")[:-1]:
        try:
            pairs = json.loads(line, object_pairs_hook=list)
        except ValueError:
            continue
        names = [pair[0] for pair in pairs if isinstance(pair, tuple)]
        if len(names) != len(set(names)) or not names or line.count(b"{") > 200:
            continue
        record = json.loads(line)
        if is_good(record):
            accepted.append(record)
    return accepted


def is_good(record: dict) -> bool:
    if not record.get("tenant_id") or "\x00" in record["actor_id"]:
        return False
    try:
        date.fromisoformat(record["event_date"])
    except ValueError:
        return False
    return record["event_time"][:1] == "2"
