"""Removes one person's records from every layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection

from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true, triggered_by
from lakehouse.paths import BRONZE_TABLES
from lakehouse.repair.asking import stated_reason
from lakehouse.repair.erasure import Erasure
from lakehouse.repair.removal import RemovalStep
from lakehouse.repair.selector import Selector
from lakehouse.tables.definition import read_table_definitions

if TYPE_CHECKING:
    from airflow.sdk import Context


class ErasePersonOperator(LakehouseOperator):
    """Removes what names a person, and returns the report, of which nothing says who that is.

    What names the person is the password of a connection: Airflow keeps the params of a run and shows them, but
    encrypts passwords and masks them in logs. May run any number of times.

    :param person_conn_id: connection of any type, made for this and deleted after it. (templated)
    :param reason: why, for whoever reads the ledger. (templated)
    :param is_dry_run: ``True`` only looks. (templated)
    """

    template_fields: Sequence[str] = ("person_conn_id", "reason", "is_dry_run")

    def __init__(self, *, person_conn_id: str, reason: str, is_dry_run: bool | str = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.person_conn_id = person_conn_id
        self.reason = reason
        self.is_dry_run = is_dry_run

    def perform(self, context: Context) -> dict[str, Any]:
        reason = stated_reason(self.reason)
        actor = triggered_by(context)
        self.log.info("%s asks to erase whom %s names, because: %s", actor, self.person_conn_id, reason)
        report = Erasure(
            Selector(Connection.get(self.person_conn_id).password or ""),
            tables=read_table_definitions(BRONZE_TABLES),
            engine=self.engine,
            store=self.store,
            ledger=self.ledger(context),
            names=self.names,
            actor=actor,
            reason=reason,
            on_step=self._log_step,
        ).run(dry_run=is_true(self.is_dry_run))
        for line in report.told:
            self.log.info("%s", line)
        result: dict[str, Any] = json.loads(json.dumps(asdict(report), default=str))
        if not report.is_dry_run:
            for asset in self.outlets:
                context["outlet_events"][asset].extra = {"kind": "erasure", "records": report.removed.records}
        return result

    def _log_step(self, done: RemovalStep) -> None:
        self.log.info("%s done", done)
