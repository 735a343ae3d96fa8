"""Removes rows of bronze that are older than they are kept for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lakehouse.operators.lakehouse_operator import LakehouseOperator, triggered_by
from lakehouse.paths import BRONZE_TABLES
from lakehouse.repair.retention import Retention
from lakehouse.settings import retention
from lakehouse.tables.definition import read_table_definitions

if TYPE_CHECKING:
    from airflow.sdk import Context


class RetainRowsOperator(LakehouseOperator):
    """Removes what is older than LAKEHOUSE_RETENTION says, of every bronze table; nothing while that is off.

    Returns what was removed, by table. May run any number of times.
    """

    def perform(self, context: Context) -> dict[str, Any]:
        age = retention()
        if age is None:
            self.log.info("LAKEHOUSE_RETENTION is off: rows are kept for ever")
            return {}
        what = Retention(
            engine=self.engine,
            ledger=self.ledger(context),
            age=age,
            actor=triggered_by(context),
            reason=f"LAKEHOUSE_RETENTION is {age.days}d",
        )
        reports = [what.run(table) for table in sorted(read_table_definitions(BRONZE_TABLES))]
        return {report.table: {**asdict(report), "before": report.before.isoformat()} for report in reports}
