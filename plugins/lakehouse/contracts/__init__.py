"""Contracts: what a source promises and how its records are judged. Nothing of Airflow."""

from __future__ import annotations

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.errors import ContractError, ContractProblem
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.contracts.kinds import AnyContract
from lakehouse.contracts.loading import load_contract, load_contracts
from lakehouse.contracts.rows_contract import RowsContract

__all__ = [
    "AnyContract",
    "Contract",
    "ContractError",
    "ContractProblem",
    "FilesContract",
    "KafkaContract",
    "RowsContract",
    "load_contract",
    "load_contracts",
]
