"""Drops what an attempt staged: step 8 of a load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.load.protocol import drop_attempt
from lakehouse.operators.lakehouse_operator import LakehouseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class DropAttemptOperator(LakehouseOperator):
    """Drops the staging tables and the spool of an attempt; what is gone already is no error.

    :param attempt: what staging returned. (templated)
    """

    template_fields: Sequence[str] = ("attempt",)

    def __init__(self, *, attempt: str | XComArg, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attempt: str = attempt  # type: ignore[assignment]  # rendered before it is used

    def perform(self, context: Context) -> None:  # noqa: ARG002
        drop_attempt(self.attempt, engine=self.engine, store=self.store, names=self.names)
