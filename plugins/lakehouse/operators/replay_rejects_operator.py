"""Takes rejects through today's contract again: a whole replay in one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.contracts.reason import Reason
from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true, triggered_by
from lakehouse.repair.asking import moment, stated_reason
from lakehouse.repair.replay import Replay, ReplayFilter, ReplayReport
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReplayRejectsOperator(LakehouseOperator):
    """Judges the open rejects of a source again; what passes is in bronze. Returns the counts.

    May run any number of times: a row comes in once only. Nothing of a record is logged or returned.

    :param source: name of the contract. (templated)
    :param reason: why, for whoever reads the ledger. (templated)
    :param load_id: only rejects of this load; or empty. (templated)
    :param rejected_for: only rejects with this reason of the closed list; or empty. (templated)
    :param rejected_from: only rejects from this moment on, ISO 8601; or empty. (templated)
    :param rejected_to: only rejects until before this moment; or empty. (templated)
    :param is_dry_run: ``True`` judges them, and writes nothing. (templated)
    """

    template_fields: Sequence[str] = (
        "source",
        "reason",
        "load_id",
        "rejected_for",
        "rejected_from",
        "rejected_to",
        "is_dry_run",
    )

    def __init__(
        self,
        *,
        source: str,
        reason: str,
        load_id: str = "",
        rejected_for: str = "",
        rejected_from: str = "",
        rejected_to: str = "",
        is_dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.reason = reason
        self.load_id = load_id
        self.rejected_for = rejected_for
        self.rejected_from = rejected_from
        self.rejected_to = rejected_to
        self.is_dry_run = is_dry_run

    def perform(self, context: Context) -> dict[str, Any]:
        reason = stated_reason(self.reason)
        found = read_source(self.source)
        actor = triggered_by(context)
        is_dry_run = is_true(self.is_dry_run)
        self.log.info("%s replays rejects of %s, because: %s", actor, self.source, reason)
        replay = Replay(
            found.contract,
            table=found.table,
            engine=self.engine,
            store=self.store,
            ledger=self.ledger(context),
            names=self.names,
            actor=actor,
            why=reason,
        )
        report = replay.run(self._wanted(), dry_run=is_dry_run)
        self._log_report(report, is_dry_run=is_dry_run)
        result: dict[str, Any] = {
            "source": self.source,
            "rejects": report.rejects,
            "rows": report.rows,
            "failed": dict(report.failed),
            "not_replayable": dict(report.not_replayable),
            "is_dry_run": is_dry_run,
        }
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"kind": "replay", **result}
        return result

    def _wanted(self) -> ReplayFilter:
        return ReplayFilter(
            load_id=self.load_id or None,
            reason=Reason(self.rejected_for) if self.rejected_for else None,
            rejected_from=moment(self.rejected_from) if self.rejected_from else None,
            rejected_to=moment(self.rejected_to) if self.rejected_to else None,
        )

    def _log_report(self, report: ReplayReport, *, is_dry_run: bool) -> None:
        self.log.info(
            "%d open rejects: %d %s rows in bronze",
            report.rejects, report.rows, "would be" if is_dry_run else "are",
        )  # fmt: skip
        for name, count in sorted(report.failed.items()):
            self.log.info("  %d fail again: %s", count, name)
        for problem, count in sorted(report.not_replayable.items()):
            self.log.warning("  %d cannot be replayed: %s", count, problem)
