"""The loop: read and judge the next flush while the last one is merged; plan again when something changed.

Positions come from the ledger when partitions are planned, and nothing is read twice into it: a flush is recorded
by the same conditional appends as every load, so that any number of drains may read the same partition. What one
of them has recorded, the others find when theirs is refused.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum, auto

from lakehouse.broker import Broker, PartitionConsumer, Polled, TopicPartition
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.assignment import AcceptedGap, AssignedPartition, assign_partitions, identify
from lakehouse.drain.backfill import Backfill, assign_backfill
from lakehouse.drain.collector import Collector
from lakehouse.drain.errors import TopicReplacedError
from lakehouse.drain.flush import Flusher, FlushReport
from lakehouse.drain.limits import DrainWindow, FlushLimits
from lakehouse.drain.patience import Patience
from lakehouse.drain.positions import Positions
from lakehouse.engine import Engine
from lakehouse.errors import LakehouseError, TransientError
from lakehouse.load.ledger import Clock, Ledger, system_clock
from lakehouse.load.preflight import preflight
from lakehouse.readers.json_block import JsonBlock, JsonBlockJudge
from lakehouse.readers.judging import JudgeMaker, Judging
from lakehouse.settings import StorageNames, reader_processes
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

_LOG = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
LOOK_SECONDS = 30.0


def _no_report(_report: FlushReport) -> None:
    return None


def _no_step(_step: str) -> None:
    return None


@dataclass
class DrainReport:
    """What a drain came to.

    :param positions: the offset up to which each partition is recorded, of those that moved.
    """

    partitions: int = 0
    flushes: int = 0
    records: int = 0
    rows: int = 0
    rejects: int = 0
    source_bytes: int = 0
    positions: dict[str, int] = field(default_factory=dict)


class _Next(Enum):
    """What comes after reading the partitions of one plan."""

    END = auto()
    PLAN = auto()


class Drain:
    """Drains the topics of one contract.

    :param backfill: read this alone, and only what lies before where reading began; the positions of the live
        drain and of the group stay where they are. Ends when it is recorded.
    :param only: source ids of the partitions to drain; by default all, those too that are added meanwhile.
    :param processes: that judge messages when many wait; else what the setting says, else this one alone.
    :param stop: ends the drain, after a last flush, when it is set.
    :param look_seconds: how soon partitions are seen that were added, and topics that were replaced.
    :param on_flush: is told of each flush.
    :param on_step: is told of each step that ended, by name.
    """

    def __init__(
        self,
        contract: KafkaContract,
        *,
        table: TableDefinition,
        broker: Broker,
        engine: Engine,
        store: ObjectStore,
        names: StorageNames,
        limits: FlushLimits,
        window: DrainWindow | None = None,
        backfill: Backfill | None = None,
        only: Collection[str] | None = None,
        processes: int | None = None,
        accepted_gap: AcceptedGap | None = None,
        run: str = "",
        stop: threading.Event | None = None,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
        on_flush: Callable[[FlushReport], None] = _no_report,
        on_step: Callable[[str], None] = _no_step,
    ) -> None:
        self._contract = contract
        self._table = table
        self._broker = broker
        self._engine = engine
        self._names = names
        self._limits = limits
        self._window = window or DrainWindow()
        self._backfill = backfill
        self._only = only
        self._accepted_gap = accepted_gap
        self._stop = stop or threading.Event()
        self._clock = clock
        self._monotonic = monotonic
        self._look_seconds = look_seconds
        self._on_flush = on_flush
        self._on_step = on_step
        self._ledger = Ledger(engine=engine, clock=clock, run=run)
        self._positions = Positions(contract=contract, engine=engine, ledger=self._ledger, clock=clock)
        # Judging keeps pace with the engine; more processes would take more memory than a drain may have.
        self._processes = reader_processes(most=1) if processes is None else processes
        self._deadline = None if self._window.seconds is None else monotonic() + self._window.seconds
        self._patience = Patience(stop=self._stop, deadline=self._deadline, monotonic=monotonic)
        self._flusher = Flusher(
            contract=contract,
            table=table,
            broker=broker,
            engine=engine,
            store=store,
            names=names,
            ledger=self._ledger,
            patience=self._patience,
            clock=clock,
            on_step=on_step,
        )
        self._report = DrainReport()
        self._ends: dict[str, int] = {}

    def run(self) -> DrainReport:
        """Drain until the window ends.

        :raises RetentionGapError: messages were deleted before they were read, and nobody accepted that.
        :raises LogTruncatedError: a log ends before its recorded position.
        :raises TransientError: brokers, store or engine did not answer until the window ended.
        """
        self._patience.through(
            lambda: preflight(
                self._engine, catalog=self._names.catalog, table=self._table, tables=self._ledger.tables
            )
        )
        if self._backfill is None:
            self._warn_of_members()
        self._flusher.finish_leftovers()
        consumer = self._broker.consumer(self._contract.origin.group)
        try:
            with (
                closing(self._judging()) as judging,
                ThreadPoolExecutor(max_workers=1, thread_name_prefix="flush") as flushing,
            ):
                while self._read(self._plan(), consumer, judging, flushing) is _Next.PLAN:
                    pass
        finally:
            consumer.close()
        return self._report

    def _judging(self) -> Judging[JsonBlock]:
        return Judging(JudgeMaker(JsonBlockJudge, self._contract, self._table), processes=self._processes)

    def _plan(self) -> tuple[AssignedPartition, ...]:
        partitions = self._patience.through(self._assign)
        for partition in partitions:
            self._ends.setdefault(partition.source_id, partition.end)
            _LOG.info("%s from offset %d of %d", partition.identity.uri, partition.position, partition.end)
        self._report.partitions = max(self._report.partitions, len(partitions))
        self._on_step("planned")
        return partitions

    def _assign(self) -> tuple[AssignedPartition, ...]:
        if self._backfill is not None:
            return assign_backfill(
                self._contract,
                self._backfill,
                broker=self._broker,
                positions=self._positions,
                only=self._only,
                clock=self._clock,
            )
        return assign_partitions(
            self._contract,
            broker=self._broker,
            positions=self._positions,
            only=self._only,
            accepted_gap=self._accepted_gap,
            clock=self._clock,
        )

    def _read(
        self,
        partitions: tuple[AssignedPartition, ...],
        consumer: PartitionConsumer,
        judging: Judging[JsonBlock],
        flushing: ThreadPoolExecutor,
    ) -> _Next:
        collector = Collector(partitions, contract=self._contract, limits=self._limits, monotonic=self._monotonic)
        consumer.assign(collector.positions)
        # Whoever deleted or reset the group's offsets sees the truth again.
        self._commit(consumer, collector.positions)
        reading = _Reading(partitions, collector=collector, looked_at=self._monotonic())
        try:
            while True:
                for batch in judging.judged(self._blocks(reading, consumer)):
                    collector.accept(batch)
                    self._on_step("judged")
                self._settle(reading, consumer, wait=True)
                if reading.is_overtaken:
                    return _Next.PLAN
                if not collector.is_empty:
                    reading.flight = flushing.submit(self._flusher.flush, collector.take())
                elif reading.is_read:
                    return _Next.PLAN if reading.must_plan and not self._is_over(reading) else _Next.END
        finally:
            self._abandon(reading)

    def _blocks(self, reading: _Reading, consumer: PartitionConsumer) -> Iterator[JsonBlock]:
        """What is polled, until there is a flush to be made: while the last one lasts, it may become larger."""
        collector = reading.collector
        while not (reading.is_read or reading.is_overtaken or collector.is_full):
            self._settle(reading, consumer, wait=False)
            if collector.is_due and reading.flight is None:
                return
            yield from collector.blocks(self._poll(reading, consumer))

    def _poll(self, reading: _Reading, consumer: PartitionConsumer) -> Polled:
        polled = consumer.poll(messages=reading.collector.messages_wanted, seconds=_POLL_SECONDS)
        self._on_step("polled")
        for partition in polled.lost:
            _LOG.warning("%s has no such offset any more", partition)
        reading.must_plan |= bool(polled.lost) or reading.collector.has_met_recorded
        if self._monotonic() - reading.looked_at >= self._look_seconds:
            reading.looked_at = self._monotonic()
            reading.must_plan |= self._has_changed(reading.partitions)
        # Not asked again: while messages come, there would be always one more flush to make.
        reading.is_read = reading.must_plan or self._is_over(reading)
        return polled

    def _settle(self, reading: _Reading, consumer: PartitionConsumer, *, wait: bool) -> None:
        """Take note of a flush that has ended, after waiting for it if need be."""
        if reading.flight is None or not (wait or reading.flight.done()):
            return
        flight, reading.flight = reading.flight, None
        try:
            report = flight.result()
        except TopicReplacedError as error:
            _LOG.warning("%s", error)
            reading.is_overtaken = True
            return
        self._report.flushes += 1
        self._report.records += report.records
        self._report.rows += report.rows
        self._report.rejects += report.rejects
        self._report.source_bytes += report.source_bytes
        self._on_flush(report)
        reading.is_overtaken = report.is_taken
        if report.positions:
            self._report.positions |= {str(key): position for key, position in report.positions.items()}
            self._commit(consumer, report.positions)
            self._on_step("committed")

    def _commit(self, consumer: PartitionConsumer, positions: Mapping[TopicPartition, int]) -> None:
        """Tell tools that show lag; the ledger has what counts."""
        if not positions or self._backfill is not None:
            return
        try:
            consumer.commit(positions)
        except LakehouseError as error:
            _LOG.warning("The group's offsets are behind, which harms nothing: %s", error)

    def _abandon(self, reading: _Reading) -> None:
        """Let a flush end that is under way, whatever made the reading end."""
        if reading.flight is not None:
            self._stop.set()
            reading.flight.exception()

    def _is_over(self, reading: _Reading) -> bool:
        if self._stop.is_set() or (self._deadline is not None and self._monotonic() >= self._deadline):
            return True
        if self._backfill is not None:
            # What is recorded is planned no more.
            return not reading.partitions
        return self._window.until_end and self._has_reached_ends(reading)

    def _has_reached_ends(self, reading: _Reading) -> bool:
        positions = reading.collector.positions
        return all(positions[partition.key] >= self._ends[partition.source_id] for partition in reading.partitions)

    def _has_changed(self, partitions: Collection[AssignedPartition]) -> bool:
        """Whether there are other partitions than those that are read."""
        try:
            now = identify(self._contract, broker=self._broker, clock=self._clock)
        except TransientError as error:
            _LOG.warning("%s", error)
            return False
        planned = {partition.identity.digest for partition in partitions}
        found = {identity.digest for identity in now.values()}
        is_part = self._only is not None or self._backfill is not None
        has_changed = bool(planned - found) if is_part else planned != found
        if has_changed:
            _LOG.info("The topics' partitions have changed: planning again")
        return has_changed

    def _warn_of_members(self) -> None:
        group = self._contract.origin.group
        try:
            members = self._broker.members(group)
        except LakehouseError as error:
            _LOG.warning("Who reads in group %s is not known: %s", group, error)
            return
        if members:
            _LOG.warning(
                "Group %s has members that are not this drain: %s. While they live, the group's offsets are "
                "theirs, and what they read they may load a second time; stop them, or name another group",
                group, ", ".join(map(str, members)),
            )  # fmt: skip


@dataclass
class _Reading:
    """The state of reading one plan's partitions.

    :param must_plan: the plan is out of date.
    :param is_read: nothing more is read under this plan; what is collected is flushed.
    :param is_overtaken: what is collected may be recorded by others: it is dropped.
    """

    partitions: tuple[AssignedPartition, ...]
    collector: Collector
    looked_at: float
    flight: Future[FlushReport] | None = None
    must_plan: bool = False
    is_read: bool = False
    is_overtaken: bool = False
