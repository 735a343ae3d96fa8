"""Does with loaded objects what their contract says: tags, archives or deletes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from lakehouse.arrival.after_load import AfterLoading
from lakehouse.contracts import FilesContract
from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context


class AfterLoadOperator(LakehouseOperator):
    """Acts on objects that the ledger has to their end, whichever run loaded them; returns the counts.

    Skipped when there was nothing to do.

    :param source: name of the contract.
    :param is_dry_run: ``True`` only counts. (templated)
    """

    template_fields: Sequence[str] = ("is_dry_run",)

    def __init__(self, *, source: str, is_dry_run: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.is_dry_run = is_dry_run

    def perform(self, context: Context) -> dict[str, Any]:
        report = AfterLoading(
            read_source(self.source, kind=FilesContract).contract,
            engine=self.engine,
            store=self.store,
            ledger=self.ledger(context),
            names=self.names,
        ).run(dry_run=is_true(self.is_dry_run))
        self.log.info(
            "%s: %d objects (action %s), %d kept for their open rejects, %d waiting for their day, %d changed "
            "meanwhile, %d with too long a key, %d left for the next run",
            "Would be done with" if is_true(self.is_dry_run) else "Done with",
            report.done, report.action, report.held, report.waiting, report.changed, report.unnamed, report.left,
        )  # fmt: skip
        if not report.done:
            raise AirflowSkipException("There was nothing to do")
        return asdict(report)
