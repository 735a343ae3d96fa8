"""Contracts: what a source promises and how its records are judged. Nothing of Airflow."""

from __future__ import annotations

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.errors import ContractError, ContractProblem
from lakehouse.contracts.loading import load_contract, load_contracts

__all__ = ["Contract", "ContractError", "ContractProblem", "load_contract", "load_contracts"]
