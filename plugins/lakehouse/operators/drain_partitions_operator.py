"""Drains a group of Kafka partitions for a bounded time."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from lakehouse.drain.assignment import AcceptedGap
from lakehouse.drain.backfill import asked_backfill
from lakehouse.drain.drain import Drain
from lakehouse.drain.limits import DrainWindow, FlushLimits
from lakehouse.operators.kafka_operator import KafkaOperator
from lakehouse.repair.asking import asked_period, offset_range

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakehouse.drain.flush import FlushReport

UNTIL_END = "end"
UNTIL_TIME = "time"
#: How long a drain goes on, unless told otherwise; the asset of the table is announced when it ends.
MINUTES = 10
#: The same of one that ends when it has reached the end.
MINUTES_TO_END = 240


class DrainPartitionsOperator(KafkaOperator):
    """Reads messages, and flushes them into bronze, until the time is over or the end is reached.

    Returns the counts of what was loaded. Skipped when there was nothing new. Killed, it costs nothing but the
    reading of the last flush.

    :param group: what :class:`ListPartitionsOperator` returned for this drain. (templated)
    :param minutes: how long at most; empty for :data:`MINUTES`, or :data:`MINUTES_TO_END`. (templated)
    :param until: ``end`` for what is there when it begins, ``time`` to go on for all of the minutes. (templated)
    :param batch_size: messages of a flush; empty for BATCH_SIZE, or the contract's. (templated)
    :param flush_interval: seconds that a message waits for others at most; empty for FLUSH_INTERVAL_SEC, or the
        contract's. (templated)
    :param accept_gap: why messages that Kafka no longer holds are recorded as missing; empty to stop. (templated)
    :param sent_from: to backfill what was sent from this moment on, ISO 8601. (templated)
    :param sent_to: to backfill what was sent before this moment. (templated)
    :param offsets: to backfill these, ``topic/partition:first-next``. (templated)
    """

    template_fields: Sequence[str] = (
        "group",
        "minutes",
        "until",
        "batch_size",
        "flush_interval",
        "accept_gap",
        "sent_from",
        "sent_to",
        "offsets",
    )
    template_fields_renderers = {"group": "json"}  # noqa: RUF012 (declared so by the base class)

    def __init__(
        self,
        *,
        group: dict[str, Any],
        minutes: str | float = "",
        until: str = UNTIL_TIME,
        batch_size: str | int = "",
        flush_interval: str | float = "",
        accept_gap: str = "",
        sent_from: str = "",
        sent_to: str = "",
        offsets: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.group = group
        self.minutes = minutes
        self.until = until
        self.batch_size = batch_size
        self.flush_interval = flush_interval
        self.accept_gap = accept_gap
        self.sent_from = sent_from
        self.sent_to = sent_to
        self.offsets = offsets

    def perform(self, context: Context) -> dict[str, Any]:
        found = self.found
        backfill = asked_backfill(
            offsets=offset_range(self.offsets) if self.offsets else None,
            period=asked_period(self.sent_from, self.sent_to),
        )
        is_to_end = self.until == UNTIL_END or backfill is not None
        minutes = float(self.minutes or (MINUTES_TO_END if is_to_end else MINUTES))
        drain = Drain(
            found.contract,
            table=found.table,
            broker=self.broker,
            engine=self.engine,
            store=self.store,
            names=self.names,
            limits=FlushLimits.of(
                found.contract,
                environment=os.environ,
                records=int(self.batch_size) if self.batch_size else None,
                seconds=float(self.flush_interval) if self.flush_interval else None,
            ),
            window=DrainWindow(seconds=minutes * 60, until_end=is_to_end),
            backfill=backfill,
            only=self.group["source_ids"],
            accepted_gap=AcceptedGap(actor=self.started_by(context), reason=self.accept_gap)
            if self.accept_gap
            else None,
            run=self.ledger(context).run,
            stop=self.stop,
            on_flush=self._log_flush,
        )
        report = drain.run()
        summary = asdict(report)
        self.log.info("%s: %s", self.source, summary)
        if backfill is not None and not report.flushes:
            raise AirflowSkipException("There was nothing to backfill; see the log")
        if not report.partitions:
            raise AirflowSkipException("The topics are not there (yet); see the log")
        if not report.flushes:
            raise AirflowSkipException("There was nothing new")
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {
                "source": self.source,
                **{count: summary[count] for count in ("rows", "rejects", "records", "partitions")},
            }
        return summary

    def on_kill(self) -> None:
        self.stop.set()
        super().on_kill()

    @cached_property
    def stop(self) -> threading.Event:
        """Set when nobody waits for the drain any more."""
        return threading.Event()

    def _log_flush(self, report: FlushReport) -> None:
        self.log.info(
            "%d messages: %d rows, %d rejects, %d bytes, in %d merges",
            report.records, report.rows, report.rejects, report.source_bytes, report.units,
        )  # fmt: skip
        if report.is_taken:
            self.log.warning("Another drain recorded a part of it; going on from where the ledger is")
