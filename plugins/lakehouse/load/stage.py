"""Steps 2 and 3: read and judge every record of a batch, spool rows and rejects, put staging tables over them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from lakehouse.contracts.contract import Contract
from lakehouse.engine import Engine
from lakehouse.errors import (
    BegunOtherwiseError,
    FileRefusedError,
    LakehouseError,
    ObjectNotFoundError,
    PositionsNotDistinctError,
    RejectBudgetError,
    SourceChangedError,
    StoreUnavailableError,
    TerminalError,
)
from lakehouse.identity import SourceIdentity, framing_mark, load_id, new_attempt
from lakehouse.load.attempt import AttemptPlaces, Failure, Load, Manifest, Unit
from lakehouse.load.ledger import Clock, system_clock
from lakehouse.load.read_ahead import ReadAhead
from lakehouse.load.spool import RangeTally, SpoolWriter
from lakehouse.readers import reader_for
from lakehouse.readers.reader import BATCH_RECORDS, Reader
from lakehouse.settings import StorageNames, reader_processes
from lakehouse.statements import render
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

_LOG = logging.getLogger(__name__)

#: Below the catalog's iceberg.max-partitions-per-writer, which a statement cannot raise.
PARTITIONS_PER_STATEMENT = 4_000
#: Partitions that the ledger rows of a unit name: they are in one statement, and Trino takes a million characters.
_MOST_TOUCHED = 10_000


class StageSource(Protocol):
    """A source to be read from a position on."""

    @property
    def source_id(self) -> str: ...

    @property
    def first_position(self) -> int: ...

    @property
    def begun_framing(self) -> str: ...

    @property
    def begun_target(self) -> str: ...

    @property
    def identity(self) -> SourceIdentity: ...

    def open(self, store: ObjectStore) -> AbstractContextManager[BinaryIO]:
        """Its bytes, as a stream.

        :raises SourceChangedError: it is no longer what was planned.
        :raises ObjectNotFoundError: it is gone.
        """
        ...


@dataclass(frozen=True)
class StageProgress:
    """How far reading a batch is."""

    source: str
    sources_done: int
    sources: int
    records: int
    rejects: int


def _no_report(_progress: StageProgress) -> None:
    return None


def stage_batch(
    sources: Sequence[StageSource],
    *,
    contract: Contract,
    table: TableDefinition,
    store: ObjectStore,
    engine: Engine,
    names: StorageNames,
    clock: Clock = system_clock,
    partitions_per_statement: int = PARTITIONS_PER_STATEMENT,
    processes: int | None = None,
    on_progress: Callable[[StageProgress], None] = _no_report,
) -> Manifest:
    """Read the sources of a batch to their ends before anything of them can be merged.

    A source that fails for a reason of its own (damaged, over its reject budget, overwritten since it was
    planned) is left out and named in the manifest; the others of the batch go on.

    :param processes: that judge the records of a large source; else what the setting says.
    :raises TransientError: engine or store do not answer; nothing is left but orphans for the sweep.
    """
    started_at = clock()
    places = AttemptPlaces(attempt=new_attempt(now=started_at), names=names)
    reader = reader_for(
        contract,
        table,
        batch_records=min(BATCH_RECORDS, contract.batch.records),
        processes=reader_processes() if processes is None else processes,
    )
    writer = SpoolWriter(
        store=store, places=places, table=table, partitions_per_statement=partitions_per_statement
    )
    stage = _Stage(
        contract=contract, table=table, store=store, reader=reader, writer=writer, on_progress=on_progress
    )
    with closing(reader), closing(writer):
        stage.read(sources)
    manifest = Manifest(
        attempt=places.attempt,
        contract=contract.name,
        contract_fingerprint=contract.fingerprint,
        framing_mark=framing_mark(contract.framing),
        target=table.name,
        started_at=started_at,
        units=tuple(stage.units),
        failures=tuple(stage.failures),
        terms=contract.terms,
    )
    create_staging_tables(manifest, table=table, engine=engine, places=places)
    store.put(manifest.to_json(), bucket=names.bucket, key=places.manifest_key)
    return manifest


class _Stage:
    """The reading of one batch."""

    def __init__(
        self,
        *,
        contract: Contract,
        table: TableDefinition,
        store: ObjectStore,
        reader: Reader,
        writer: SpoolWriter,
        on_progress: Callable[[StageProgress], None],
    ) -> None:
        self._contract = contract
        self._table = table
        self._store = store
        self._reader = reader
        self._writer = writer
        self._on_progress = on_progress
        #: Of the rows of the unit that is open, without those of a range that is open.
        self._unit_bytes = 0
        self.units: list[Unit] = []
        self.failures: list[Failure] = []

    def read(self, sources: Sequence[StageSource]) -> None:
        with ReadAhead(sources, store=self._store) as opened:
            self._read_in_turn(opened, count=len(sources))

    def _read_in_turn(self, opened: ReadAhead, *, count: int) -> None:
        shared: list[Load] = []
        for number, (source, stream) in enumerate(opened):
            is_begun = source.first_position > 0
            if is_begun:
                # One pin over it and its neighbours would hold what is recorded of it already.
                self._close_unit(shared)
                shared = []
            units_before = len(self.units)
            try:
                loads = self._read_source(source, stream, is_alone=count == 1)
            except (SourceChangedError, ObjectNotFoundError) as error:
                # Nothing is wrong: another version came, or it was deleted. The next plan sees what is there.
                self._leave_out(source, error, is_terminal=False, units=units_before)
            except StoreUnavailableError as error:
                # Of one object, as the store takes the manifest of the others; of all, it raises there.
                self._leave_out(source, error, is_terminal=False, units=units_before)
            except TerminalError as error:
                self._leave_out(source, error, is_terminal=True, units=units_before)
            else:
                shared += loads
                records = sum(load.records_read for load in shared)
                touched = sum(len(load.touched) for load in shared)
                # Compressed, nobody knew before how much is in them.
                if is_begun or self._is_enough(records=records, row_bytes=self._unit_bytes, touched=touched):
                    self._close_unit(shared)
                    shared = []
                self._report(source, done=number + 1, sources=count, loads=loads)
        self._close_unit(shared)

    def _read_source(
        self, source: StageSource, opened: AbstractContextManager[BinaryIO], *, is_alone: bool
    ) -> list[Load]:
        """The loads of one source that are not in a unit yet; a large source closes units as it goes."""
        self._check_begun(source)
        open_loads: list[Load] = []
        tallies: list[RangeTally] = []
        self._open(source, source.first_position)
        with opened as stream:
            for judged in self._reader.read(stream, start=source.first_position):
                self._writer.add(judged)
                tally = self._writer.tally
                if is_alone and self._is_enough(
                    records=tally.records, row_bytes=tally.row_bytes, touched=len(tally.touched)
                ):
                    tallies.append(self._writer.close_range())
                    open_loads.append(self._load(source, tallies[-1], end_position=None))
                    self._close_unit(open_loads)
                    open_loads = []
                    self._open(source, tallies[-1].next_position)
        if source.first_position == 0:
            # A source that was begun was found within its budget before its first merge.
            self._check_budget(source, [*tallies, self._writer.tally])
        last = self._writer.tally
        if not tallies or last.records:
            tallies.append(self._writer.close_range())
            self._unit_bytes += tallies[-1].row_bytes
            open_loads.append(self._load(source, tallies[-1], end_position=last.next_position))
        else:
            # The end fell exactly on a cut: the last unit is the one that ends the source.
            self._writer.abandon_range()
            self._mark_end(last.next_position)
        return open_loads

    def _check_begun(self, source: StageSource) -> None:
        if source.first_position == 0:
            return
        change = ""
        if source.begun_target != self._table.name:
            change = f"its target was {source.begun_target}"
        elif source.begun_framing != framing_mark(self._contract.framing):
            change = "its format or csv section cut the file into other records"
        if change:
            raise BegunOtherwiseError(
                source=source.identity.uri, next_position=source.first_position, change=change
            )

    def _open(self, source: StageSource, first_position: int) -> None:
        self._writer.open_range(
            source_id=source.source_id, source=source.identity.uri, first_position=first_position
        )

    def _check_budget(self, source: StageSource, tallies: list[RangeTally]) -> None:
        records = sum(tally.records for tally in tallies)
        rejects = sum(tally.rejects for tally in tallies)
        share = self._contract.reject_budget.share
        if rejects > records * share:
            by_reason: dict[str, int] = {}
            for tally in tallies:
                for reason, count in tally.rejects_by_reason.items():
                    by_reason[reason] = by_reason.get(reason, 0) + count
            raise RejectBudgetError(
                source=source.identity.uri, rejects=rejects, records=records, share=share, by_reason=by_reason
            )

    def _load(self, source: StageSource, tally: RangeTally, *, end_position: int | None) -> Load:
        return Load(
            source_id=source.source_id,
            first_position=tally.first_position,
            next_position=tally.next_position,
            end_position=end_position,
            load_id=load_id(
                source_id=source.source_id,
                first=tally.first_position,
                next_position=tally.next_position,
                fingerprint=self._contract.fingerprint,
                framing=self._contract.framing,
                columns=", ".join(f"{column.name} {column.type}" for column in self._table.columns),
            ),
            source_kind=source.identity.kind,
            source=source.identity.uri,
            identity=source.identity.identity,
            source_bytes=source.identity.size,
            records_read=tally.records,
            rows_loaded=tally.rows,
            rejects=tally.rejects,
            null_counts=dict(tally.null_counts),
            touched=tuple(sorted(tally.touched, key=lambda partition: partition.order)),
            unknown_columns=dict(tally.unknown_columns),
        )

    def _close_unit(self, loads: list[Load]) -> None:
        if loads:
            self._writer.flush()
            self.units.append(Unit(loads=tuple(loads), statements=self._writer.statements))
            self._writer.start_unit()
        self._unit_bytes = 0

    def _is_enough(self, *, records: int, row_bytes: int, touched: int) -> bool:
        """Whether so much is a unit.

        :param touched: partitions that its ledger rows name.
        """
        limits = self._contract.batch
        return records >= limits.records or row_bytes >= limits.bytes or touched >= _MOST_TOUCHED

    def _mark_end(self, end_position: int) -> None:
        *before, last = self.units
        loads = tuple(replace(load, end_position=end_position) for load in last.loads)
        self.units = [*before, Unit(loads=loads, statements=last.statements)]

    def _leave_out(self, source: StageSource, error: LakehouseError, *, is_terminal: bool, units: int) -> None:
        self._writer.abandon_range()
        # A large source may have closed units before its end was known to be bad: none of it is merged.
        del self.units[units:]
        _LOG.warning("%s is left out: %s", source.identity.uri, error)
        self.failures.append(
            Failure(
                source=source.identity.uri,
                message=str(error),
                is_terminal=is_terminal,
                source_id=source.source_id,
                refused_as=type(error).__name__ if isinstance(error, FileRefusedError) else "",
            )
        )

    def _report(self, source: StageSource, *, done: int, sources: int, loads: list[Load]) -> None:
        self._on_progress(
            StageProgress(
                source=source.identity.uri,
                sources_done=done,
                sources=sources,
                records=sum(load.records_read for load in loads),
                rejects=sum(load.rejects for load in loads),
            )
        )


def create_staging_tables(
    manifest: Manifest, *, table: TableDefinition, engine: Engine, places: AttemptPlaces
) -> None:
    """Step 3: put staging tables over what an attempt spooled.

    :raises PositionsNotDistinctError: the engine does not see there what was staged.
    """
    if manifest.rows_loaded:
        engine.execute(
            render(
                "load/create_staging_rows.sql",
                staging=places.rows_table,
                columns=table.columns,
                location=places.location(places.rows_prefix),
            )
        )
        _check_staged_rows(manifest, engine=engine, places=places)
    if manifest.rejects:
        engine.execute(
            render(
                "load/create_staging_rejects.sql",
                staging=places.rejects_table,
                location=places.location(places.rejects_prefix),
            )
        )


def _check_staged_rows(manifest: Manifest, *, engine: Engine, places: AttemptPlaces) -> None:
    """Trino must see as many rows of each source as were judged good, each position once, inside the range."""
    expected = _expected_rows(manifest)
    outcome = engine.execute(render("load/check_staging_rows.sql", staging=places.rows_table))
    for source_id, rows, positions, lowest, highest in outcome.rows:
        good, first, next_position = expected.pop(source_id, (0, 0, 0))
        if rows != good or positions != rows or lowest < first or highest >= next_position:
            raise PositionsNotDistinctError(
                staging_table=places.rows_table,
                detail=f"source {source_id} shows {rows} rows at {positions} positions in [{lowest}, {highest}], "
                f"staged were {good} in [{first}, {next_position})",
            )
    for source_id, (good, _first, _next_position) in expected.items():
        if good:
            raise PositionsNotDistinctError(
                staging_table=places.rows_table,
                detail=f"source {source_id} shows no rows, staged were {good}",
            )


def _expected_rows(manifest: Manifest) -> dict[str, tuple[int, int, int]]:
    expected: dict[str, tuple[int, int, int]] = {}
    for unit in manifest.units:
        for load in unit.loads:
            rows, first, next_position = expected.get(load.source_id, (0, load.first_position, load.next_position))
            expected[load.source_id] = (
                rows + load.rows_loaded,
                min(first, load.first_position),
                max(next_position, load.next_position),
            )
    return expected
