"""Takes what was found out of bronze again: the second step of an unload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true, triggered_by
from lakehouse.repair.asking import stated_reason
from lakehouse.repair.originals import missing_original
from lakehouse.repair.unload import Unload, UnloadRange, UnloadStep

if TYPE_CHECKING:
    from airflow.sdk import Context


class TakeOutOperator(LakehouseOperator):
    """Takes a range out of bronze, safe beside loads of the same source; returns the counts.

    May run any number of times: it goes on where the last try stopped.

    :param unload_range: what :class:`FindLoadedOperator` returned of it. (templated)
    :param reload: ``True`` has the next load take it again. (templated)
    :param reason: why, for whoever reads the ledger. (templated)
    """

    template_fields: Sequence[str] = ("unload_range", "reload", "reason")
    template_fields_renderers = {"unload_range": "json"}  # noqa: RUF012 (declared so by the base class)

    def __init__(
        self, *, unload_range: dict[str, Any], reason: str, reload: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.unload_range = unload_range
        self.reason = reason
        self.reload = reload

    def perform(self, context: Context) -> dict[str, Any]:
        reason = stated_reason(self.reason)
        what = msgspec.convert(self.unload_range, UnloadRange)
        actor = triggered_by(context)
        self.log.info("%s takes out %s %s, because: %s", actor, what.source, what.positions, reason)
        ledger = self.ledger(context)
        unload = Unload(engine=self.engine, ledger=ledger, actor=actor, reason=reason, on_step=self._log_step)
        report = unload.run(what, reload=is_true(self.reload))
        self.log.info(
            "%d rows and %d judgements of bad records are taken out; %s",
            report.rows, report.rejects, "the next load takes it again" if report.reloads_as else "it stays out",
        )  # fmt: skip
        if report.reloads_as and (
            missing := missing_original(what, engine=self.engine, store=self.store, ledger=ledger)
        ):
            self.log.warning("%s", missing)
        result: dict[str, Any] = {
            "source": what.source,
            "positions": what.positions,
            "rows": report.rows,
            "rejects": report.rejects,
            "reloads_as": report.reloads_as,
        }
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"kind": "unload", **result}
        return result

    def _log_step(self, done: UnloadStep) -> None:
        self.log.info("%s done", done)
