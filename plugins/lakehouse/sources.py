"""The sources of this project: the contracts of ``include/contracts/``, each with the table it fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.contracts import Contract, ContractError, load_contract, load_contracts
from lakehouse.errors import UnknownSourceError
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.tables.definition import TableDefinition, read_table_definitions


@dataclass(frozen=True)
class Source:
    """A contract and the definition of its target."""

    contract: Contract
    table: TableDefinition


def read_source(name: str, *, directory: Path = CONTRACTS) -> Source:
    """One source by name, whatever is wrong with the contracts of others.

    :raises UnknownSourceError: no contract has this name.
    :raises ContractError: its contract is wrong.
    """
    path = directory / f"{name}.yaml"
    if not path.exists():
        raise UnknownSourceError(name, known=sorted(other.stem for other in directory.glob("*.yaml")))
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contract(path, tables)
    return Source(contract=contract, table=tables[contract.target])


def usable_sources(*, directory: Path = CONTRACTS) -> Iterator[Source]:
    """Every source whose contract is right; :func:`check_contracts` tells of the others."""
    tables = read_table_definitions(BRONZE_TABLES)
    try:
        load_contracts(directory, tables)
        broken: set[Path] = set()
    except ContractError as error:
        broken = {problem.file for problem in error.problems}
    for path in sorted(set(directory.glob("*.yaml")) - broken):
        contract = load_contract(path, tables)
        yield Source(contract=contract, table=tables[contract.target])


def check_contracts(*, directory: Path = CONTRACTS) -> None:
    """Read every contract.

    :raises ContractError: with everything that is wrong with any of them.
    """
    load_contracts(directory, read_table_definitions(BRONZE_TABLES))
