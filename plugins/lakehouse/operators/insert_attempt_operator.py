"""Inserts a staged attempt into bronze: steps 4 to 7 of a load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from lakehouse.errors import StagingGoneError
from lakehouse.load.files import insert_through_conflicts
from lakehouse.load.plan import remaining
from lakehouse.load.plan_store import read_batch
from lakehouse.load.preflight import preflight
from lakehouse.load.protocol import InsertReport, LoadProtocol, StepDone, read_manifest
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from lakehouse.load.attempt import Failure

#: More stand in the log; a report passes between tasks and must stay small.
_FAILURES_IN_REPORT = 50


class InsertAttemptOperator(LakehouseOperator):
    """Merges rows and rejects of an attempt, verifies them, and records its ranges in the ledger.

    Returns the counts of what is in bronze, and the objects that staging left out. May run any number of times.

    :param source: name of the contract.
    :param batch: the reference of the batch that was staged. (templated)
    :param attempt: what staging returned. (templated)
    """

    template_fields: Sequence[str] = ("batch", "attempt")
    template_fields_renderers = {"batch": "json"}  # noqa: RUF012 (declared so by the base class)

    def __init__(self, *, source: str, batch: dict[str, Any], attempt: str | XComArg, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.batch = batch
        self.attempt: str = attempt  # type: ignore[assignment]  # rendered before it is used

    def perform(self, context: Context) -> dict[str, Any]:
        source = read_source(self.source)
        ledger = self.ledger(context)
        try:
            manifest = read_manifest(self.attempt, store=self.store, names=self.names)
        except StagingGoneError as error:
            planned = read_batch(self.batch["key"], store=self.store, names=self.names)
            if remaining(planned, ledger=ledger).sources:
                # The same task would find the same hole; only staging again helps.
                raise AirflowFailException(str(error)) from error
            self.log.info("The attempt is gone, and all it staged is recorded: nothing is left to do")
            return {}
        preflight(self.engine, catalog=self.names.catalog, table=source.table, tables=ledger.tables)
        protocol = LoadProtocol(
            engine=self.engine, ledger=ledger, table=source.table, names=self.names, on_step=self._log_step
        )
        report = insert_through_conflicts(protocol, manifest)
        # Before the report, which fails the run: a try that dies here is made again and finds the manifest.
        ledger.refuse(manifest)
        self._log_report(report)
        self.query_page = self.hook.query_page(report.query_id) if report.query_id else ""
        summary = {
            **asdict(report),
            "failures": [asdict(failure) for failure in _foremost(report.failures)],
            "objects_left_out": len(report.failures),
        }
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {
                "source": self.source,
                **{count: summary[count] for count in ("rows", "rejects", "records", "sources")},
            }
        return summary

    def _log_step(self, done: StepDone) -> None:
        self.log.info(
            "Unit %d of %d: %s done (%d rows, %d rejects)",
            done.unit + 1, done.units, done.step, done.rows, done.rejects,
        )  # fmt: skip

    def _log_report(self, report: InsertReport) -> None:
        self.log.info(
            "%d rows of %d objects are in bronze, %d records were rejected (%d of %d units were recorded before)",
            report.rows, report.sources, report.rejects, report.units_already_recorded, report.units,
        )  # fmt: skip
        if report.units_taken:
            self.log.warning(
                "Other runs loaded parts of %d units; the next plan takes the rest", report.units_taken
            )
        for failure in report.failures:
            self.log.warning("Left out: %s: %s", failure.source, failure.message)


def _foremost(failures: Sequence[Failure]) -> list[Failure]:
    """Those that fail the run come first: the others are met again by the next one."""
    return sorted(failures, key=lambda failure: not failure.is_terminal)[:_FAILURES_IN_REPORT]
