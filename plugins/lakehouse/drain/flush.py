"""One flush: what was collected goes through the load protocol, as one attempt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from lakehouse.broker import Broker, TopicPartition
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.collector import CollectedRange
from lakehouse.drain.errors import TopicReplacedError
from lakehouse.drain.leftovers import finish_leftovers
from lakehouse.drain.patience import Patience
from lakehouse.engine import Engine
from lakehouse.errors import StagingGoneError, TransientError
from lakehouse.identity import framing_mark, load_id, new_attempt
from lakehouse.load.attempt import AttemptPlaces, Load, Manifest, Unit
from lakehouse.load.files import insert_through_conflicts
from lakehouse.load.ledger import Clock, Ledger, system_clock
from lakehouse.load.protocol import InsertReport, LoadProtocol, StepDone, drop_attempt
from lakehouse.load.spool import RangeTally, SpoolWriter
from lakehouse.load.stage import PARTITIONS_PER_STATEMENT, create_staging_tables
from lakehouse.settings import StorageNames
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

_LOG = logging.getLogger(__name__)

#: Partitions share a merge while the offsets it spans are at most so many times those that one of them has in it.
#: A file of such a merge lies within the bounds of about as many later ones, each of which must look into it.
_SPREAD = 32


@dataclass(frozen=True)
class FlushReport:
    """What a flush came to.

    :param positions: the recorded position of each partition; empty when others recorded a part.
    :param is_taken: another drain recorded a part of it: plan again.
    """

    attempt: str
    records: int
    rows: int
    rejects: int
    source_bytes: int
    units: int
    positions: Mapping[TopicPartition, int]
    is_taken: bool


class Flusher:
    """Takes what was collected into bronze, and into the ledger.

    :param patience: how long to try again when store, engine or brokers do not answer.
    :param on_step: is told of each step that ended, by name.
    """

    def __init__(
        self,
        *,
        contract: KafkaContract,
        table: TableDefinition,
        broker: Broker,
        engine: Engine,
        store: ObjectStore,
        names: StorageNames,
        ledger: Ledger,
        patience: Patience,
        clock: Clock = system_clock,
        on_step: Callable[[str], None],
    ) -> None:
        self._contract = contract
        self._table = table
        self._broker = broker
        self._engine = engine
        self._store = store
        self._names = names
        self._patience = patience
        self._clock = clock
        self._on_step = on_step
        self._protocol = LoadProtocol(
            engine=engine, ledger=ledger, table=table, names=names, clock=clock, on_step=self._tell
        )
        self._columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)

    def flush(self, collected: Sequence[CollectedRange]) -> FlushReport:
        """Stage, insert, drop; what does not answer is waited for.

        :raises TopicReplacedError: what was collected may be of another topic by now; nothing of it is loaded.
        :raises TransientError: there is no time left to wait.
        """
        self._on_step("flushing")
        self._patience.through(lambda: self._check_topics(collected))
        report = self._insert(collected)
        self._drop(report.attempt)
        return FlushReport(
            attempt=report.attempt,
            records=sum(batch.rows.num_rows + len(batch.rejects) for part in collected for batch in part.batches),
            rows=report.rows,
            rejects=report.rejects,
            source_bytes=sum(part.source_bytes for part in collected),
            units=report.units,
            positions={part.partition.key: part.next_position for part in collected}
            if not report.units_taken
            else {},
            is_taken=bool(report.units_taken),
        )

    def finish_leftovers(self) -> None:
        """Record what drains that died had merged."""
        self._patience.through(
            lambda: finish_leftovers(
                self._contract,
                protocol=self._protocol,
                engine=self._engine,
                store=self._store,
                names=self._names,
            )
        )

    def _insert(self, collected: Sequence[CollectedRange]) -> InsertReport:
        """Stage once and insert until it is done; what was swept meanwhile is staged again."""
        while True:
            manifest = self._patience.through(lambda: self._stage(collected))
            self._on_step("staged")
            try:
                return self._patience.through(lambda: insert_through_conflicts(self._protocol, manifest))  # noqa: B023
            except StagingGoneError as error:
                _LOG.warning("%s", error)

    def _check_topics(self, collected: Sequence[CollectedRange]) -> None:
        """Make sure that all of it came from the topics that were planned.

        Ids never come back: what a topic has now it had when each of these messages was read.
        """
        now = self._broker.describe({part.partition.key.topic for part in collected})
        for part in collected:
            identity = part.partition.identity
            topic = now.get(identity.topic)
            if topic is None or topic.topic_id != identity.topic_id:
                raise TopicReplacedError(topic=identity.topic)

    def _stage(self, collected: Sequence[CollectedRange]) -> Manifest:
        started_at = self._clock()
        places = AttemptPlaces(attempt=new_attempt(now=started_at), names=self._names)
        writer = SpoolWriter(
            store=self._store,
            places=places,
            table=self._table,
            partitions_per_statement=PARTITIONS_PER_STATEMENT,
        )
        with closing(writer):
            units = tuple(self._unit(parts, writer) for parts in neighbours(collected))
        manifest = Manifest(
            attempt=places.attempt,
            contract=self._contract.name,
            contract_fingerprint=self._contract.fingerprint,
            framing_mark=framing_mark(self._contract.framing),
            target=self._table.name,
            started_at=started_at,
            units=units,
            failures=(),
        )
        create_staging_tables(manifest, table=self._table, engine=self._engine, places=places)
        self._store.put(manifest.to_json(), bucket=self._names.bucket, key=places.manifest_key)
        return manifest

    def _unit(self, parts: Sequence[CollectedRange], writer: SpoolWriter) -> Unit:
        loads = []
        for part in parts:
            writer.open_range(
                source_id=part.partition.source_id, source=part.partition.identity.uri, first_position=part.first
            )
            for batch in part.batches:
                writer.add(batch)
            loads.append(self._load(part, writer.close_range()))
        writer.flush()
        unit = Unit(loads=tuple(loads), statements=writer.statements)
        writer.start_unit()
        return unit

    def _load(self, part: CollectedRange, tally: RangeTally) -> Load:
        identity = part.partition.identity
        return Load(
            source_id=part.partition.source_id,
            first_position=part.first,
            next_position=part.next_position,
            end_position=None,
            load_id=load_id(
                source_id=part.partition.source_id,
                first=part.first,
                next_position=part.next_position,
                fingerprint=self._contract.fingerprint,
                framing=self._contract.framing,
                columns=self._columns,
            ),
            source_kind=identity.kind,
            source=identity.uri,
            identity=identity.identity,
            source_bytes=part.source_bytes,
            records_read=tally.records,
            rows_loaded=tally.rows,
            rejects=tally.rejects,
            null_counts=dict(tally.null_counts),
            touched=tuple(sorted(tally.touched, key=lambda partition: partition.order)),
            unknown_columns=dict(tally.unknown_columns),
        )

    def _drop(self, attempt: str) -> None:
        try:
            drop_attempt(attempt, engine=self._engine, store=self._store, names=self._names)
        except TransientError as error:
            _LOG.warning("Attempt %s is left to the sweep: %s", attempt, error)
        self._on_step("dropped")

    def _tell(self, done: StepDone) -> None:
        self._on_step(str(done.step))


def neighbours(collected: Sequence[CollectedRange]) -> Iterator[tuple[CollectedRange, ...]]:
    """Runs of partitions, by source id, that share one merge.

    A merge is pinned to the offsets between the first and the last of its ranges, and its files have these bounds.
    Where partitions are far apart, every later merge would look into all files of such merges; so each of them
    then gets its own.
    """
    run: list[CollectedRange] = []
    for part in sorted(collected, key=lambda part: part.partition.source_id):
        if run and not _is_near([*run, part]):
            yield tuple(run)
            run = []
        run.append(part)
    if run:
        yield tuple(run)


def _is_near(parts: Sequence[CollectedRange]) -> bool:
    span = max(part.next_position for part in parts) - min(part.first for part in parts)
    widths = sum(part.next_position - part.first for part in parts)
    return span * len(parts) <= _SPREAD * widths
