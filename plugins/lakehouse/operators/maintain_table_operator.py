"""Keeps a table small, without disturbing loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.maintenance import maintain_table
from lakehouse.operators.lakehouse_operator import LakehouseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class MaintainTableOperator(LakehouseOperator):
    """Expires old snapshots of a table, and removes files that no snapshot knows.

    :param table: as ``catalog.schema.table``. (templated)
    """

    template_fields: Sequence[str] = ("table",)

    def __init__(self, *, table: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table

    def perform(self, context: Context) -> None:  # noqa: ARG002
        maintain_table(self.engine, name=self.table)
