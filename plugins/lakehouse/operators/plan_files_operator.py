"""Plans the loads of a file source: step 1 of a load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lakehouse.contracts import FilesContract
from lakehouse.load.ledger import Refusal
from lakehouse.load.plan import Plan, plan_files
from lakehouse.load.plan_store import store_batches
from lakehouse.load.preflight import preflight
from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true
from lakehouse.repair.asking import asked_period
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context

_OBJECTS_NAMED_IN_LOG = 100
#: What passes between tasks must stay small; iceberg.bronze.open_refusals names them all.
_REFUSALS_IN_REPORT = 50
_MESSAGE_CHARACTERS = 500
REFUSED_EARLIER = "refused_earlier"


class PlanFilesOperator(LakehouseOperator):
    """Lists what a contract matches, subtracts what the ledger has, and cuts the rest into batches.

    Returns a reference for each batch, for mapping; none when there is nothing to do, or on a dry run. What was
    refused earlier goes to the report.

    :param source: name of the contract.
    :param key: a key, a glob or an ``s3://`` URI that narrows the contract's own; empty for all. (templated)
    :param modified_from: only objects that were put from this moment on, ISO 8601; empty for all. (templated)
    :param modified_to: only objects that were put before this moment. (templated)
    :param is_dry_run: ``True`` only logs what would be loaded. (templated)
    """

    template_fields: Sequence[str] = ("key", "modified_from", "modified_to", "is_dry_run")

    def __init__(
        self,
        *,
        source: str,
        key: str = "",
        modified_from: str = "",
        modified_to: str = "",
        is_dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.key = key
        self.modified_from = modified_from
        self.modified_to = modified_to
        self.is_dry_run = is_dry_run

    def perform(self, context: Context) -> list[dict[str, Any]]:
        source = read_source(self.source, kind=FilesContract)
        ledger = self.ledger(context)
        is_dry_run = is_true(self.is_dry_run)
        preflight(self.engine, catalog=self.names.catalog, table=source.table, tables=ledger.tables)
        plan = plan_files(
            source.contract,
            store=self.store,
            ledger=ledger,
            pattern=self.key or None,
            modified=asked_period(self.modified_from, self.modified_to),
            register=not is_dry_run,
        )
        self._log(plan)
        context["ti"].xcom_push(
            key="objects",
            value={"seen": plan.objects_seen, "loaded": plan.objects_loaded, "planned": plan.objects_planned,
                   "left": plan.objects_left, "refused": len(plan.refused)},
        )  # fmt: skip
        context["ti"].xcom_push(key=REFUSED_EARLIER, value=_told(plan.refused))
        if is_dry_run:
            self.log.info("Dry run: nothing is loaded")
            return []
        return [asdict(reference) for reference in store_batches(plan, store=self.store, names=self.names)]

    def _log(self, plan: Plan) -> None:
        self.log.info(
            "%s: %d objects seen, %d loaded already, %d taken out for good, %d refused earlier, %d to load in "
            "%d batches, %d left for the next plan",
            plan.contract, plan.objects_seen, plan.objects_loaded, plan.objects_unloaded, len(plan.refused),
            plan.objects_planned, len(plan.batches), plan.objects_left,
        )  # fmt: skip
        sources = [source for batch in plan.batches for source in batch.sources]
        for source in sources[:_OBJECTS_NAMED_IN_LOG]:
            self.log.info(
                "  %s, %d bytes, from position %d", source.version.uri, source.size, source.first_position
            )
        if len(sources) > _OBJECTS_NAMED_IN_LOG:
            self.log.info("  and %d more", len(sources) - _OBJECTS_NAMED_IN_LOG)


def _told(refusals: Sequence[Refusal]) -> dict[str, Any]:
    named = [
        {
            "source": refusal.source,
            "message": refusal.message[:_MESSAGE_CHARACTERS],
            "refused_at": refusal.refused_at.isoformat(),
        }
        for refusal in refusals[:_REFUSALS_IN_REPORT]
    ]
    return {"objects": len(refusals), "named": named}
