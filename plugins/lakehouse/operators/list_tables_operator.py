"""Finds the tables that are to be maintained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.maintenance import list_tables
from lakehouse.operators.lakehouse_operator import LakehouseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListTablesOperator(LakehouseOperator):
    """Returns the names of the tables of bronze, silver and gold that are there now."""

    def perform(self, context: Context) -> list[str]:  # noqa: ARG002
        return list_tables(self.engine, catalog=self.names.catalog)
