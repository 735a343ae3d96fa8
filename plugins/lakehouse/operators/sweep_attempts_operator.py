"""Removes what dead workers left behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from lakehouse.maintenance import sweep_attempts
from lakehouse.operators.lakehouse_operator import LakehouseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SweepAttemptsOperator(LakehouseOperator):
    """Drops staging tables and spools that are older than any attempt lives; returns how many."""

    def perform(self, context: Context) -> dict[str, int]:  # noqa: ARG002
        return asdict(sweep_attempts(self.engine, store=self.store, names=self.names))
