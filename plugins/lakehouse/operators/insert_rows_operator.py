"""Inserts the rows that a run was given: a whole load in one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from lakehouse.contracts import RowsContract
from lakehouse.load.protocol import StepDone
from lakehouse.load.rows import RowsReport, load_rows
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.readers.row_lines import lines_of_rows
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context

#: A result stays small; the reject table has them all.
_REJECTS_IN_RESULT = 1_000
_REJECTS_IN_LOG = 100


class InsertRowsOperator(LakehouseOperator):
    """Inserts the rows of the run's param ``rows`` under its key, each once, however often the task runs.

    Returns the counts, and the rejects by index, reason and column. Nothing of a row is logged or returned, as
    rows may hold personal data. Fails when no row is good, and when any is bad if the param ``fail_on_rejects``
    is true; the good ones are loaded by then.

    :param source: name of the contract. (templated)
    :param idempotency_key: names the rows in their source. (templated)
    """

    # Not the rows: Airflow shows and keeps what it renders.
    template_fields: Sequence[str] = ("source", "idempotency_key")

    def __init__(self, *, source: str, idempotency_key: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.idempotency_key = idempotency_key

    def perform(self, context: Context) -> dict[str, Any]:
        source = read_source(self.source, kind=RowsContract)
        report = load_rows(
            lines_of_rows(context["params"]["rows"]),
            idempotency_key=self.idempotency_key,
            contract=source.contract,
            table=source.table,
            engine=self.engine,
            store=self.store,
            ledger=self.ledger(context),
            names=self.names,
            on_step=self._log_step,
        )
        self._log_report(report)
        result: dict[str, Any] = {
            "source": report.source,
            "idempotency_key": report.idempotency_key,
            "source_id": report.source_id,
            "rows": report.rows,
            "rejects": len(report.rejects),
            "already_loaded": report.already_loaded,
        }
        for asset in self.outlets:
            context["outlet_events"][asset].extra = dict(result)
        result["rejected"] = [
            {"index": reject.index, "reason": str(reject.reason), "column": reject.column}
            for reject in report.rejects[:_REJECTS_IN_RESULT]
        ]
        if report.rejects and (not report.rows or context["params"]["fail_on_rejects"]):
            context["ti"].xcom_push(key="return_value", value=result)
            raise AirflowFailException(
                f"{len(report.rejects)} rows were rejected (see above), {report.rows} are loaded. Correct the bad "
                "ones and start another run with them alone; the details are in iceberg.bronze.open_rejects."
            )
        return result

    def _log_step(self, done: StepDone) -> None:
        self.log.info("%s done (%d rows, %d rejects)", done.step, done.rows, done.rejects)

    def _log_report(self, report: RowsReport) -> None:
        self.log.info(
            "%d rows are in bronze, %d were rejected; key %s, source id %s%s",
            report.rows, len(report.rejects), report.idempotency_key, report.source_id,
            " (an earlier run did it)" if report.already_loaded else "",
        )  # fmt: skip
        for reject in report.rejects[:_REJECTS_IN_LOG]:
            self.log.warning("Row %d is rejected: %s %s", reject.index, reject.reason, reject.column or "")
        if len(report.rejects) > _REJECTS_IN_LOG:
            self.log.warning("and %d more rows", len(report.rejects) - _REJECTS_IN_LOG)
