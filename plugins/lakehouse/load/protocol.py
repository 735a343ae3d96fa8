"""Steps 4 to 8: merge rows, merge rejects, verify, record, drop. See docs/adr/0001.

Each step may be repeated by any number of attempts, at any time, in any order with others, and bronze holds every
record at most once; a range is done when its ledger row is there.

    | step    | statement              | if the process dies right after it        |
    |---------|------------------------|-------------------------------------------|
    | rows    | load/merge_rows        | a repetition inserts nothing              |
    | rejects | load/merge_rejects     | a repetition inserts nothing              |
    | verify  | load/count_*           | a repetition counts again                 |
    | record  | load/merge_ledger      | a repetition finds the row and stops      |
    | drop    | load/drop_staging      | the sweep drops what is left              |
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from lakehouse.engine import Engine, Outcome
from lakehouse.errors import (
    ObjectNotFoundError,
    RangeTakenError,
    RangeUnloadedError,
    StagingGoneError,
    StatementError,
    TargetChangedError,
    VerificationError,
)
from lakehouse.load.attempt import AttemptPlaces, Failure, Load, Manifest, Unit
from lakehouse.load.ledger import Clock, Ledger, naive_utc, system_clock
from lakehouse.settings import StorageNames
from lakehouse.statements import Statement, render
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

_LOG = logging.getLogger(__name__)

_NO_TABLE = "TABLE_NOT_FOUND"
#: Attempts under three contracts at one range, at once, are more than anybody has seen.
_RECOUNTS = 2


class Step(StrEnum):
    """The steps of inserting one unit, in their order."""

    ROWS = "rows"
    REJECTS = "rejects"
    VERIFY = "verify"
    RECORD = "record"


@dataclass(frozen=True)
class StepDone:
    """A step of a unit that has just ended."""

    step: Step
    unit: int
    units: int
    rows: int
    rejects: int
    query_id: str | None = None


def _no_report(_done: StepDone) -> None:
    return None


@dataclass(frozen=True)
class InsertReport:
    """What inserting an attempt came to.

    :param rows: in bronze and recorded, from this attempt or an earlier one at the same ranges.
    :param units_taken: units of which another load recorded a part, or of which something was taken out; the next
        plan takes what is left of them.
    """

    attempt: str
    units: int
    units_already_recorded: int
    units_taken: int
    sources: int
    records: int
    rows: int
    rejects: int
    query_id: str | None
    failures: tuple[Failure, ...]


def read_manifest(attempt: str, *, store: ObjectStore, names: StorageNames) -> Manifest:
    """The manifest of a staged attempt.

    :raises StagingGoneError: it was swept, or staging never ended.
    """
    places = AttemptPlaces(attempt=attempt, names=names)
    try:
        return Manifest.from_json(store.get(bucket=names.bucket, key=places.manifest_key))
    except ObjectNotFoundError as error:
        raise StagingGoneError(attempt=attempt) from error


class LoadProtocol:
    """Takes a staged attempt into bronze, exactly once.

    :param on_step: is told of each step that ended.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        ledger: Ledger,
        table: TableDefinition,
        names: StorageNames,
        clock: Clock = system_clock,
        on_step: Callable[[StepDone], None] = _no_report,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._table = table
        self._names = names
        self._clock = clock
        self._on_step = on_step

    def insert(self, manifest: Manifest) -> InsertReport:
        """Merge, verify and record every unit that is not recorded yet, in order.

        :raises CommitConflictError: another attempt committed first; calling again is the remedy.
        :raises VerificationError: the tables do not hold what was read.
        """
        if manifest.target != self._table.name:
            raise TargetChangedError(attempt=manifest.attempt, staged_for=manifest.target, target=self._table.name)
        already_recorded = taken = 0
        taken_sources: set[str] = set()
        wrong: list[VerificationError] = []
        done: list[Unit] = []
        query_id: str | None = None
        for number, unit in enumerate(manifest.units):
            sources = {load.source_id for load in unit.loads}
            if sources & taken_sources:
                # Another load cut this source elsewhere: a later range of ours would leave a hole before it.
                taken += 1
                continue
            wanted: Unit | None = unit
            try:
                while wanted is not None:
                    try:
                        if self._ledger.is_recorded(wanted):
                            already_recorded += 1
                        else:
                            query_id, found = self._insert_unit(wanted, manifest, number=number)
                            wrong += found
                        done.append(wanted)
                        break
                    except RangeUnloadedError as error:
                        _LOG.warning("%s", error)
                        taken_sources |= set(error.source_ids)
                        wanted = _without(wanted, error.source_ids)
            except RangeTakenError as error:
                _LOG.warning("%s", error)
                taken_sources |= sources
            taken += bool(sources & taken_sources)
        if wrong:
            raise wrong[0]
        loads = [load for unit in done for load in unit.loads]
        return InsertReport(
            attempt=manifest.attempt,
            units=len(manifest.units),
            units_already_recorded=already_recorded,
            units_taken=taken,
            sources=len({load.source_id for load in loads}),
            records=sum(load.records_read for load in loads),
            rows=sum(load.rows_loaded for load in loads),
            rejects=sum(load.rejects for load in loads),
            query_id=query_id,
            failures=manifest.failures,
        )

    def _insert_unit(
        self, unit: Unit, manifest: Manifest, *, number: int
    ) -> tuple[str | None, list[VerificationError]]:
        """The steps of one unit; a source that does not verify is not recorded, its neighbours are."""
        places = AttemptPlaces(attempt=manifest.attempt, names=self._names)

        def done(step: Step, query_id: str | None = None) -> None:
            self._on_step(
                StepDone(
                    step=step,
                    unit=number,
                    units=len(manifest.units),
                    rows=unit.rows_loaded,
                    rejects=unit.rejects,
                    query_id=query_id,
                )
            )

        query_id = self.merge_rows(unit, places)
        done(Step.ROWS, query_id)
        if unit.rejects:
            self.merge_rejects(unit, manifest, places)
        done(Step.REJECTS)
        wrong = self.verify(unit, manifest)
        done(Step.VERIFY)
        wrong_sources = {error.source_id for error in wrong}
        right = tuple(load for load in unit.loads if load.source_id not in wrong_sources)
        if right:
            self._ledger.record(replace(unit, loads=right), manifest, query_id=query_id)
        done(Step.RECORD)
        return query_id, wrong

    def merge_rows(self, unit: Unit, places: AttemptPlaces) -> str | None:
        """Step 4: append the rows whose keys bronze does not have. Returns the last query's id."""
        query_id = None
        for statement_number in range(unit.statements):
            outcome = self._execute_staged(
                places,
                render(
                    "load/merge_rows.sql",
                    target=self._table.name,
                    staging=places.rows_table,
                    ledger=self._ledger.tables.ledger,
                    columns=self._table.column_names,
                    statement=statement_number,
                    load_ids=_load_ids(unit),
                    ranges=_ranges(unit),
                    ingested_at=naive_utc(self._clock()),
                    **_pin(unit),
                ),
            )
            query_id = outcome.query_id
        return query_id

    def merge_rejects(self, unit: Unit, manifest: Manifest, places: AttemptPlaces) -> None:
        """Step 5: append the judgements that the reject table does not have."""
        self._execute_staged(
            places,
            render(
                "load/merge_rejects.sql",
                rejects=self._ledger.tables.rejects,
                ledger=self._ledger.tables.ledger,
                staging=places.rejects_table,
                contract=manifest.contract,
                contract_fingerprint=manifest.contract_fingerprint,
                target=self._table.name,
                load_ids=_load_ids(unit),
                ranges=_ranges(unit),
                rejected_at=naive_utc(self._clock()),
                **_pin(unit),
            ),
        )

    def _execute_staged(self, places: AttemptPlaces, statement: Statement) -> Outcome:
        """Execute a statement that reads the attempt's staging tables.

        :raises StagingGoneError: somebody dropped them.
        """
        try:
            return self._engine.execute(statement)
        except StatementError as error:
            if error.error_name == _NO_TABLE and places.attempt in error.message:
                raise StagingGoneError(attempt=places.attempt) from error
            raise

    def verify(self, unit: Unit, manifest: Manifest) -> list[VerificationError]:
        """Step 6: rows in bronze + open rejects = records read, each key once, nulls as staged.

        Returns an error for each source of which that is not so.

        :raises RangeUnloadedError: somebody takes some of it out meanwhile.
        """
        wrong = self._find_differences(unit, manifest)
        for _ in range(_RECOUNTS):
            if not wrong:
                break
            # Two counts see two snapshots: what this attempt rejects, another one, under another contract, may
            # have taken between them.
            wrong = self._find_differences(unit, manifest)
        if wrong:
            # What is missing may be missing because somebody takes it out.
            self._ledger.refuse_unloaded(unit)
        return wrong

    def is_open(self, unit: Unit, manifest: Manifest) -> bool:
        """Whether some of a unit is in the tables and its commit records are not: only its attempt can finish it.

        A unit of which another load recorded a part is that load's to finish, and what was taken out is nobody's.
        """
        try:
            if self._ledger.is_recorded(unit):
                return False
        except RangeTakenError:
            return False
        except RangeUnloadedError as error:
            left = _without(unit, error.source_ids)
            return left is not None and self.is_open(left, manifest)
        counts, open_rejects = self._counts(unit, manifest)
        # The range of ids may hold sources of others, too.
        return any(load.source_id in counts or load.source_id in open_rejects for load in unit.loads)

    def _counts(self, unit: Unit, manifest: Manifest) -> tuple[dict[str, _BronzeCount], dict[str, int]]:
        """What bronze has, and the open rejects, by source."""
        bronze = self._engine.execute(
            render(
                "load/count_bronze.sql",
                target=self._table.name,
                columns=self._table.column_names,
                load_ids=_load_ids(unit),
                framing_mark=manifest.framing_mark,
                ranges=_ranges(unit),
                **_pin(unit),
            )
        )
        open_rejects: dict[str, int] = {}
        if unit.rejects:
            counted = self._engine.execute(
                render(
                    "load/count_open_rejects.sql",
                    target=self._table.name,
                    rejects=self._ledger.tables.rejects,
                    ranges=_ranges(unit),
                    **_pin(unit),
                )
            )
            open_rejects = dict(counted.rows)
        return {source_id: _BronzeCount(*values) for source_id, *values in bronze.rows}, open_rejects

    def _find_differences(self, unit: Unit, manifest: Manifest) -> list[VerificationError]:
        counts, open_rejects = self._counts(unit, manifest)
        nothing = _BronzeCount(0, 0, 0, 0, [0] * len(self._table.columns))
        wrong = []
        for load in unit.loads:
            problem = self._difference(
                load, counts.get(load.source_id, nothing), open_rejects.get(load.source_id, 0)
            )
            if problem:
                wrong.append(
                    VerificationError(
                        source_id=load.source_id,
                        first=load.first_position,
                        next_position=load.next_position,
                        detail=problem,
                    )
                )
        return wrong

    def _difference(self, load: Load, count: _BronzeCount, open_rejects: int) -> str:
        if count.framed_otherwise:
            return (
                f"{count.framed_otherwise} rows of an earlier attempt were read under another format or csv "
                "section of the contract, and stand for other records"
            )
        if count.rows != count.positions:
            return f"bronze has {count.rows} rows at {count.positions} positions"
        if count.rows + open_rejects != load.records_read:
            return (
                f"{load.records_read} records were read, "
                f"bronze has {count.rows} rows and {open_rejects} open rejects"
            )
        # Rows of an earlier attempt under another contract have nulls of their own.
        if count.rows == count.own == load.rows_loaded:
            for column, nulls in zip(self._table.column_names, count.null_counts, strict=True):
                if nulls != load.null_counts.get(column, 0):
                    return f"column {column} has {nulls} nulls, staged were {load.null_counts.get(column, 0)}"
        return ""


@dataclass(frozen=True)
class _BronzeCount:
    """What bronze has of one source in the range of its unit."""

    rows: int
    positions: int
    own: int
    framed_otherwise: int
    null_counts: list[int]


def drop_attempt(attempt: str, *, engine: Engine, store: ObjectStore, names: StorageNames) -> None:
    """Step 8: drop an attempt's staging tables and spool; what is gone already is no error."""
    places = AttemptPlaces(attempt=attempt, names=names)
    # First of all, for who dies in the middle: without a manifest, nobody tries to finish what is half dropped.
    store.delete(bucket=names.bucket, key=places.manifest_key)
    engine.execute(render("load/drop_staging.sql", staging=places.rows_table))
    engine.execute(render("load/drop_staging.sql", staging=places.rejects_table))
    store.delete_prefix(bucket=names.bucket, prefix=places.prefix)


def _without(unit: Unit, source_ids: Collection[str]) -> Unit | None:
    """What is left of a unit; None when nothing is."""
    loads = tuple(load for load in unit.loads if load.source_id not in source_ids)
    return replace(unit, loads=loads) if loads else None


def _load_ids(unit: Unit) -> str:
    return json.dumps({load.source_id: load.load_id for load in unit.loads})


def _ranges(unit: Unit) -> str:
    """The range of each load: that of the unit spans them all."""
    return json.dumps({load.source_id: (load.first_position, load.next_position) for load in unit.loads})


def _pin(unit: Unit) -> dict[str, object]:
    return {
        "source_from": unit.source_from,
        "source_to": unit.source_to,
        "first": unit.first_position,
        "next": unit.next_position,
    }
