"""Drops what an attempt staged: step 8 of a load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.load.files import drop_settled
from lakehouse.load.protocol import LoadProtocol
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class DropAttemptOperator(LakehouseOperator):
    """Drops the staging tables and the spool of an attempt; what is gone already is no error.

    An attempt of which some is in bronze and not recorded is kept: the next run, or the sweep, finishes it.

    :param source: name of the contract.
    :param attempt: what staging returned. (templated)
    """

    template_fields: Sequence[str] = ("attempt",)

    def __init__(self, *, source: str, attempt: str | XComArg, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.attempt: str = attempt  # type: ignore[assignment]  # rendered before it is used

    def perform(self, context: Context) -> None:
        protocol = LoadProtocol(
            engine=self.engine,
            ledger=self.ledger(context),
            table=read_source(self.source).table,
            names=self.names,
        )
        drop_settled(self.attempt, protocol=protocol, engine=self.engine, store=self.store, names=self.names)
