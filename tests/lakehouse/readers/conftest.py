from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import FilesContract
from lakehouse.readers import JudgedBatch, reader_for
from lakehouse.tables.definition import Column, ColumnType, TableDefinition

SHARED_DATA = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"

COLUMNS = {
    "event_date": ColumnType.DATE,
    "event_time": ColumnType.TIMESTAMP,
    "tenant_id": ColumnType.VARCHAR,
    "status": ColumnType.VARCHAR,
    "visits": ColumnType.BIGINT,
    "floor": ColumnType.INTEGER,
    "score": ColumnType.DOUBLE,
    "is_open": ColumnType.BOOLEAN,
    "attributes_json": ColumnType.VARCHAR,
    "raw_payload": ColumnType.VARCHAR,
}


@pytest.fixture(scope="session")
def table() -> TableDefinition:
    """A table with a column of every type."""
    columns = tuple(Column(name, column_type) for name, column_type in COLUMNS.items())
    return TableDefinition("iceberg.bronze.visits", columns, ("event_date",), Path("visits.sql"))


@pytest.fixture(scope="session")
def contract_of() -> Callable[..., FilesContract]:
    """A contract that asks for nothing but what is given."""

    def contract_of(format_: str = "jsonl", **sections: object) -> FilesContract:
        origin = {"bucket": "warehouse", "key": f"staging/*.{format_}", "format": format_}
        contract = {"name": "visits", "kind": "files", "from": origin, "target": "iceberg.bronze.visits"}
        return FilesContract.model_validate(contract | sections)

    return contract_of


@pytest.fixture(scope="session")
def read(contract_of: Callable[..., FilesContract], table: TableDefinition) -> Callable[..., list[JudgedBatch]]:
    """Read bytes as a file under a contract; every record must come out, as a row or as a reject."""

    def read(content: bytes, format_: str, *, start: int = 0, batch_records: int = 65_536, **sections: object):
        reader = reader_for(contract_of(format_, **sections), table, batch_records=batch_records)
        batches = list(reader.read(io.BytesIO(content), start=start))
        position = start
        for batch in batches:
            assert batch.first_position == position
            assert batch.records == batch.rows.num_rows + len(batch.rejects)
            taken = batch.rows.column("_position").to_pylist()
            refused = [reject.position for reject in batch.rejects]
            assert sorted(taken + refused) == list(range(batch.first_position, batch.next_position))
            assert taken == sorted(taken)
            assert refused == sorted(refused)
            position = batch.next_position
        return batches

    return read


@pytest.fixture(scope="session")
def rows_of() -> Callable[[list[JudgedBatch]], list[dict[str, object]]]:
    return lambda batches: [row for batch in batches for row in batch.rows.to_pylist()]


@pytest.fixture(scope="session")
def rejects_of() -> Callable[[list[JudgedBatch]], list[object]]:
    return lambda batches: [reject for batch in batches for reject in batch.rejects]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Files of other projects to test against; not part of a clone."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared test data is not beside this clone")
    return SHARED_DATA
