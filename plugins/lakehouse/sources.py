"""The sources of this project: the contracts of ``include/contracts/``, each with the table it fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, overload

from lakehouse.contracts import Contract, ContractError, load_contract, load_contracts
from lakehouse.contracts.kinds import kind_of
from lakehouse.errors import OtherKindError, UnknownSourceError
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.tables.definition import TableDefinition, read_table_definitions

Contract_co = TypeVar("Contract_co", bound=Contract, covariant=True)


@dataclass(frozen=True)
class Source(Generic[Contract_co]):
    """A contract and the definition of its target."""

    contract: Contract_co
    table: TableDefinition


@overload
def read_source(name: str, *, directory: Path = CONTRACTS) -> Source[Contract]: ...


@overload
def read_source(name: str, *, kind: type[Contract_co], directory: Path = CONTRACTS) -> Source[Contract_co]: ...


def read_source(name: str, *, kind: type[Contract] = Contract, directory: Path = CONTRACTS) -> Source[Contract]:
    """One source by name, whatever is wrong with the contracts of others.

    :param kind: the contract's class, such as ``FilesContract``; any by default.
    :raises UnknownSourceError: no contract has this name.
    :raises ContractError: its contract is wrong.
    :raises OtherKindError: its contract is of another kind.
    """
    path = directory / f"{name}.yaml"
    if not path.exists():
        raise UnknownSourceError(name, known=sorted(other.stem for other in directory.glob("*.yaml")))
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contract(path, tables)
    if not isinstance(contract, kind):
        raise OtherKindError(name, kind=contract.kind, wanted=kind_of(kind))
    return Source(contract=contract, table=tables[contract.target])


def usable_sources(kind: type[Contract_co], *, directory: Path = CONTRACTS) -> Iterator[Source[Contract_co]]:
    """Every source of a kind whose contract is right; :func:`check_contracts` tells of the others.

    :param kind: the contract's class, such as ``FilesContract``; ``Contract`` for all.
    """
    tables = read_table_definitions(BRONZE_TABLES)
    try:
        load_contracts(directory, tables)
        broken: set[Path] = set()
    except ContractError as error:
        broken = {problem.file for problem in error.problems}
    for path in sorted(set(directory.glob("*.yaml")) - broken):
        contract = load_contract(path, tables)
        if isinstance(contract, kind):
            yield Source(contract=contract, table=tables[contract.target])


def check_contracts(*, directory: Path = CONTRACTS) -> None:
    """Read every contract.

    :raises ContractError: with everything that is wrong with any of them.
    """
    load_contracts(directory, read_table_definitions(BRONZE_TABLES))
