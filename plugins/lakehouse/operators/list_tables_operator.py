"""Finds the tables that are to be maintained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.maintenance import chosen_tables, list_tables
from lakehouse.operators.lakehouse_operator import LakehouseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListTablesOperator(LakehouseOperator):
    """Returns the names of the tables of bronze, silver and gold that are there now.

    :param table: as ``catalog.schema.table``, the only one that is wanted; empty for all. (templated)
    """

    template_fields: Sequence[str] = ("table",)

    def __init__(self, *, table: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table

    def perform(self, context: Context) -> list[str]:  # noqa: ARG002
        return chosen_tables(list_tables(self.engine, catalog=self.names.catalog), table=self.table)
