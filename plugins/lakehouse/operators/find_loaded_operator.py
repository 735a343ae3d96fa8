"""Finds what somebody wants to take out of bronze again: the first step of an unload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true, triggered_by
from lakehouse.repair.asking import asked_ranges, stated_reason
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context


class FindLoadedOperator(LakehouseOperator):
    """Says what would be taken out, and returns it, a range each, for mapping; nothing on a dry run.

    A task of its own, so that whoever tries again to take something out means the same thing: what was loaded
    again meanwhile has the same name.

    :param source: name of the contract. (templated)
    :param load_id: of the load that is to go; or empty. (templated)
    :param key: of an object, or the idempotency key of rows; or empty. (templated)
    :param offsets: ``topic/partition:first-next``; or empty. (templated)
    :param reload: ``True`` asks that the next load takes it again. (templated)
    :param reason: why, for whoever reads the ledger. (templated)
    :param is_dry_run: ``True`` only logs what would be taken out. (templated)
    """

    template_fields: Sequence[str] = ("source", "load_id", "key", "offsets", "reload", "reason", "is_dry_run")

    def __init__(
        self,
        *,
        source: str,
        reason: str,
        load_id: str = "",
        key: str = "",
        offsets: str = "",
        reload: bool | str = False,
        is_dry_run: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.reason = reason
        self.load_id = load_id
        self.key = key
        self.offsets = offsets
        self.reload = reload
        self.is_dry_run = is_dry_run

    def perform(self, context: Context) -> list[dict[str, Any]]:
        reason = stated_reason(self.reason)
        found = asked_ranges(
            read_source(self.source).contract,
            engine=self.engine,
            ledger=self.ledger(context),
            load_id=self.load_id or None,
            key=self.key or None,
            offsets=self.offsets or None,
            reload=is_true(self.reload),
        )
        self.log.info("%s asks to take this out of %s, because: %s", triggered_by(context), self.source, reason)
        for each in found:
            self.log.info("  %s", each.told)
        if is_true(self.is_dry_run):
            self.log.info("Dry run: nothing is taken out")
            return []
        return [{**msgspec.to_builtins(each), "label": f"{each.source} {each.positions}"} for each in found]
