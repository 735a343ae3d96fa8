"""Finishes what dead workers began, and removes what they left behind."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from lakehouse.load.files import finish_attempt
from lakehouse.maintenance import sweep_attempts
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.paths import BRONZE_TABLES
from lakehouse.tables.definition import read_table_definitions

if TYPE_CHECKING:
    from airflow.sdk import Context


class SweepAttemptsOperator(LakehouseOperator):
    """Drops staging tables and spools that are older than any attempt lives; returns how many.

    An attempt of which some is in bronze and not recorded is finished first; the task fails when one cannot be.
    """

    def perform(self, context: Context) -> dict[str, Any]:
        finish = partial(
            finish_attempt,
            tables=read_table_definitions(BRONZE_TABLES),
            engine=self.engine,
            ledger=self.ledger(context),
            store=self.store,
            names=self.names,
        )
        report = sweep_attempts(self.engine, store=self.store, names=self.names, finish=finish)
        if report.kept:
            raise AirflowFailException(
                f"{len(report.kept)} attempts hold records that nobody else has and could not be finished; "
                f"their reasons are above: {', '.join(report.kept)}"
            )
        return asdict(report)
