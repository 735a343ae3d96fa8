"""Keeps a table small, without disturbing loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lakehouse.maintenance import maintain_table
from lakehouse.operators.lakehouse_operator import LakehouseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class MaintainTableOperator(LakehouseOperator):
    """Rewrites small files of a table, expires its old snapshots, and removes files that no snapshot knows.

    Returns what was rewritten: partitions, files and bytes before and after.

    :param table: as ``catalog.schema.table``. (templated)
    """

    template_fields: Sequence[str] = ("table",)

    def __init__(self, *, table: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table

    def perform(self, context: Context) -> dict[str, Any]:  # noqa: ARG002
        return asdict(maintain_table(self.engine, name=self.table))
