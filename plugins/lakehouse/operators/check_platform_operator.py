"""Checks the platform, and tells what changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from lakehouse.broker import BrokerRefusedError
from lakehouse.hooks.alert_notifiers import AirflowAlerts
from lakehouse.hooks.kafka_broker_hook import KafkaBrokerHook
from lakehouse.load.ledger import system_clock
from lakehouse.operators.kafka_operator import KAFKA_CONNECTION
from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true
from lakehouse.watch.alert import failed_check
from lakehouse.watch.platform_check import PlatformCheck

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakehouse.broker import KafkaBroker

#: Clocks of workers differ; loads of this time are asked of once more.
_OVERLAP = timedelta(minutes=1)


class CheckPlatformOperator(LakehouseOperator):
    """Opens and clears conditions, each told once. Returns how many are open.

    The certificate is asked of what was loaded since the run that succeeded last, and of everything in the first
    run of a day.

    :param is_full: ``true`` to ask it of everything now. (templated)
    :param kafka_conn_id: connection of type Kafka.
    """

    template_fields: Sequence[str] = ("is_full",)

    def __init__(self, *, is_full: str = "", kafka_conn_id: str = KAFKA_CONNECTION, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_full = is_full
        self.kafka_conn_id = kafka_conn_id

    def perform(self, context: Context) -> dict[str, int]:
        previous = context.get("prev_start_date_success") or None
        is_full = is_true(self.is_full) or previous is None or _day(previous) != _day(system_clock())
        check = PlatformCheck.of_all_sources(
            engine=self.engine,
            store=self.store,
            broker=self._broker,
            notifier=AirflowAlerts(),
            base_url=conf.get("api", "base_url", fallback=""),
            run=self.ledger(context).run,
        )
        report = check.run(touched_since=previous and previous - _OVERLAP, is_full=is_full)
        for opening in report.open:
            self.log.warning("Open since %s: %s: %s", opening.opened_at, opening.condition_key, opening.detail)
        return {
            "open": len(report.open),
            "opened": len(report.opened),
            "cleared": len(report.cleared),
            "told": report.told,
        }

    def _broker(self) -> KafkaBroker:
        try:
            return KafkaBrokerHook(self.kafka_conn_id).broker
        except AirflowNotFoundException as error:
            raise BrokerRefusedError(operation=f"connection {self.kafka_conn_id}", message=str(error)) from error


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def tell_of_failed_check(context: Context) -> None:  # noqa: ARG001  (Airflow passes it)
    """Tell that nobody knows how the platform is. It cannot be stored, so each run that fails tells it again."""
    AirflowAlerts().send(failed_check(base_url=conf.get("api", "base_url", fallback=""), now=system_clock()))
