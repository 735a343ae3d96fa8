"""A record whose partition the store would refuse is a reject; the records beside it are rows."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.contracts import load_contracts
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.readers import Reason, reader_for
from lakehouse.tables.definition import read_table_definitions

SERVICES = ["WATER", "x" * 1_000, "", None, "a/b", "..", "पानी की आपूर्ति", "प" * 28, "\x01\t", "x" * 247, "x" * 248]
REFUSED = [1, 2, 7, 10]


def as_csv() -> bytes:
    lines = [f"2024-12-01,{service or ''}" for service in SERVICES]
    return "\n".join(["event_date,service", *lines]).encode()


def as_jsonl() -> bytes:
    records = ({"event_date": "2024-12-01", "service": service} for service in SERVICES)
    return "\n".join(map(json.dumps, records)).encode()


def as_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"event_date": ["2024-12-01"] * len(SERVICES), "service": SERVICES}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [("pgr_events_csv", as_csv()), ("pgr_events_jsonl", as_jsonl()), ("pgr_events_parquet", as_parquet())],
)
def test_a_value_that_makes_no_path_refuses_its_record_only(name, content):
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contracts(CONTRACTS, tables, environment={})[name]
    lenient = contract.model_copy(update={"columns": {}, "nulls": ()})

    (batch,) = reader_for(lenient, tables[contract.target]).read(io.BytesIO(content))

    # In CSV, an empty text is all that there can be for none.
    refused = [*REFUSED[:2], 3, *REFUSED[2:]] if name.endswith("csv") else REFUSED
    assert [(reject.position, reject.reason, reject.column) for reject in batch.rejects] == [
        (position, Reason.OUT_OF_RANGE, "service") for position in refused
    ]
    taken = [service for position, service in enumerate(SERVICES) if position not in refused]
    assert batch.rows.column("service").to_pylist() == taken
