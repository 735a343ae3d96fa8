"""Stages one batch of files: steps 2 and 3 of a load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from lakehouse.contracts import FilesContract
from lakehouse.load.plan import remaining
from lakehouse.load.plan_store import read_batch
from lakehouse.load.stage import StageProgress, stage_batch
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context


class StageFilesOperator(LakehouseOperator):
    """Reads and judges every record of a batch, spools rows and rejects, and puts staging tables over them.

    Returns the name of the attempt. Skipped when other runs have loaded the batch since it was planned.

    :param source: name of the contract.
    :param batch: a reference that the plan returned. (templated)
    """

    template_fields: Sequence[str] = ("batch",)
    template_fields_renderers = {"batch": "json"}  # noqa: RUF012 (declared so by the base class)

    def __init__(self, *, source: str, batch: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.batch = batch

    def perform(self, context: Context) -> str:
        source = read_source(self.source, kind=FilesContract)
        planned = read_batch(self.batch["key"], store=self.store, names=self.names)
        batch = remaining(planned, ledger=self.ledger(context))
        if not batch.sources:
            raise AirflowSkipException("Every object of this batch is loaded by now")
        manifest = stage_batch(
            batch.sources,
            contract=source.contract,
            table=source.table,
            store=self.store,
            engine=self.engine,
            names=self.names,
            on_progress=self._log_progress,
        )
        self.log.info(
            "Attempt %s: %d rows and %d rejects staged, %d objects left out",
            manifest.attempt, manifest.rows_loaded, manifest.rejects, len(manifest.failures),
        )  # fmt: skip
        return manifest.attempt

    def _log_progress(self, progress: StageProgress) -> None:
        self.log.info(
            "%d of %d: %s, %d records, %d rejects",
            progress.sources_done, progress.sources, progress.source, progress.records, progress.rejects,
        )  # fmt: skip
