"""Takes older versions of objects out of bronze once a newer one is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from lakehouse.contracts import FilesContract
from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true
from lakehouse.repair.supersede import supersede
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context


class SupersedeOperator(LakehouseOperator):
    """Takes out what newer versions stand in bronze for, whichever run loaded them; returns the counts.

    Skipped when there was nothing to take out.

    :param source: name of the contract.
    :param is_dry_run: ``True`` only logs what would be taken out. (templated)
    """

    template_fields: Sequence[str] = ("is_dry_run",)

    def __init__(self, *, source: str, is_dry_run: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.is_dry_run = is_dry_run

    def perform(self, context: Context) -> dict[str, int]:
        report = supersede(
            read_source(self.source, kind=FilesContract).contract,
            engine=self.engine,
            ledger=self.ledger(context),
            dry_run=is_true(self.is_dry_run),
        )
        for source in report.found:
            self.log.info("%s is there in a newer version", source)
        if not report.unloads:
            raise AirflowSkipException("Nothing was taken out")
        result = {
            "versions": len(report.unloads),
            "rows": sum(unload.rows for unload in report.unloads),
            "rejects": sum(unload.rejects for unload in report.unloads),
            "left": report.left,
        }
        self.log.info("Older versions are taken out: %s", result)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"kind": "unload", "source": self.source, **result}
        return result
