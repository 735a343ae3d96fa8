from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lakehouse.contracts import Contract, load_contract
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import StorageNames
from lakehouse.tables.definition import TableDefinition, read_table_definitions
from tests.lakehouse.load.doubles import MemoryStore

CONTRACT = """\
name: parking_fines
kind: files
from: {bucket: warehouse, key: "staging/parking_*.jsonl", format: jsonl}
target: iceberg.bronze.service_events_raw
"""


@pytest.fixture(scope="session")
def tables() -> Mapping[str, TableDefinition]:
    return read_table_definitions(BRONZE_TABLES)


@pytest.fixture(scope="session")
def table(tables) -> TableDefinition:
    return tables["iceberg.bronze.service_events_raw"]


@pytest.fixture
def contract_with(tmp_path: Path, tables: Mapping[str, TableDefinition]) -> Callable[[str], Contract]:
    """A contract of JSON lines under staging/parking_*, with some lines added."""

    def contract_with(added: str = "") -> Contract:
        path = tmp_path / "parking_fines.yaml"
        path.write_text(CONTRACT + added, encoding="utf-8")
        return load_contract(path, tables, environment={})

    return contract_with


@pytest.fixture
def contract(contract_with) -> Contract:
    return contract_with()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="session")
def names() -> StorageNames:
    return StorageNames()
