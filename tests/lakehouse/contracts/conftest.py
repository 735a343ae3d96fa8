from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lakehouse.contracts import Contract, ContractProblem, load_contract
from lakehouse.contracts.errors import ContractError
from lakehouse.paths import BRONZE_TABLES
from lakehouse.tables.definition import TableDefinition, read_table_definitions

MINIMAL = """\
name: parking_fines
kind: files
from: {bucket: warehouse, key: "staging/parking_*.csv", format: csv}
target: iceberg.bronze.service_events_raw
"""


@pytest.fixture(scope="session")
def tables() -> Mapping[str, TableDefinition]:
    return read_table_definitions(BRONZE_TABLES)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "parking_fines") -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def load(write: Callable[..., Path], tables: Mapping[str, TableDefinition]) -> Callable[..., Contract]:
    """Load the minimal contract with some lines added."""

    def load(added: str = "", **environment: str) -> Contract:
        return load_contract(write(MINIMAL + added), tables, environment=environment)

    return load


@pytest.fixture
def problems(load: Callable[..., Contract]) -> Callable[..., tuple[ContractProblem, ...]]:
    """What is wrong with the minimal contract when some lines are added."""

    def problems(added: str, **environment: str) -> tuple[ContractProblem, ...]:
        with pytest.raises(ContractError) as caught:
            load(added, **environment)
        return caught.value.problems

    return problems
