"""Removes one person's records from every layer. See docs/adr/0023.

Bronze and rejects at once; silver and gold with their next run, after which the same is run again: it then
removes what silver noted of the cases it changed, rewrites the files of silver and gold in which deleted rows lie,
and says that nothing is left. Leftover spools of attempts go too. What cannot be removed from here is named:
originals in the bucket and in Kafka, loads that are not recorded yet, and how far back tables can still be read.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.engine import Engine
from lakehouse.errors import ObjectNotFoundError, RangeTakenError, RangeUnloadedError, StagingGoneError
from lakehouse.identity import SPOOL_PREFIX
from lakehouse.load.ledger import Clock, Ledger, system_clock
from lakehouse.load.pause import Pause, pause_for_others
from lakehouse.load.protocol import drop_attempt, read_manifest
from lakehouse.repair.originals import kept_originals
from lakehouse.repair.removal import RemovalCount, RemovalKind, Removals, RemovalStep
from lakehouse.repair.selector import Selector
from lakehouse.settings import StorageNames
from lakehouse.statements import render
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import ColumnType, TableDefinition

_LOG = logging.getLogger(__name__)

_CASE_CHANGES = "case_changes"
_TAKEN_INPUTS = "taken_inputs"


@dataclass(frozen=True)
class NamingSource:
    """A source with records that name the person.

    :param source: as the ledger calls it; of rows by hand, that.
    :param source_kind: None of rows that were written by hand.
    :param rows: in bronze.
    :param rejects: records among the rejects.
    :param unrecorded: of these, those of a load that is not recorded yet.
    :param original: what holds the records still, and is not the lakehouse's to delete; None where nothing does.
    """

    source: str
    source_kind: str | None
    contract: str | None
    rows: int
    rejects: int
    unrecorded: int
    original: str | None


@dataclass(frozen=True)
class ErasureReport:
    """What names a person, and what was removed. Nothing of it says who that is.

    :param sources: what was found in bronze and among the rejects, before.
    :param later_rows: rows of silver and gold that name the person now, by table.
    :param removed: of sources, by this call.
    :param by_hand: rows that had been written by hand and were removed by this call.
    :param spools_dropped: attempts whose leftovers were deleted.
    :param spools_kept: attempts that are not over, or whose leftovers hold what nobody else has.
    :param readable_since: UTC, the oldest snapshot of each table that has, or had, such rows.
    """

    is_dry_run: bool
    sources: tuple[NamingSource, ...]
    later_rows: Mapping[str, int]
    removed: RemovalCount
    by_hand: int
    spools_dropped: tuple[str, ...]
    spools_kept: tuple[str, ...]
    readable_since: Mapping[str, datetime | None]

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources)

    @property
    def rejects(self) -> int:
        return sum(source.rejects for source in self.sources)

    @property
    def unrecorded(self) -> int:
        return sum(source.unrecorded for source in self.sources)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing names the person any more, in what tables hold now."""
        return not (self.sources or any(self.later_rows.values()) or self.spools_kept or self.spools_dropped)

    @property
    def told(self) -> list[str]:
        """The report for people, a line each."""
        found = "name the person"
        lines = [f"bronze: {self.rows:,} rows {found}; rejects: {self.rejects:,}"]
        lines += [
            f"  {source.source}: {source.rows:,} rows, {source.rejects:,} rejects" for source in self.sources
        ]
        lines += [f"{table}: {rows:,} rows {found}" for table, rows in self.later_rows.items() if rows]
        if not self.is_dry_run:
            lines.append(
                f"removed: {self.removed.records:,} records of {self.removed.sources} sources, "
                f"{self.by_hand:,} rows by hand, spools of {len(self.spools_dropped)} attempts"
            )
        if self.unrecorded:
            lines.append(f"{self.unrecorded:,} are of loads that are not recorded yet: run this again after them")
        lines += [
            f"attempt {attempt} is not over and holds such records: run this again after it"
            for attempt in self.spools_kept
        ]
        lines += [f"delete yourself: {source.original}" for source in self.sources if source.original]
        lines += [
            f"{table} can be read as it was since {since:%Y-%m-%d %H:%M} UTC"
            for table, since in self.readable_since.items()
            if since is not None
        ]
        if self.is_nothing:
            lines.append("Nothing names the person.")
        elif self.is_dry_run:
            lines.append("Nothing was done.")
        elif any(self.later_rows.values()) or self.rows:
            lines.append("Silver and gold follow with their next run; run this again after it.")
        return lines


def _no_report(_step: RemovalStep) -> None:
    return None


class Erasure:
    """Removes a person's records; safe beside loads, and to be run until it says that nothing is left.

    :param tables: the bronze tables.
    :param actor: who asks.
    :param reason: why, for whoever reads the ledger: without anything that says who the person is.
    :param silver: the schema of silver, with what its builds noted.
    :param gold: the schema of gold.
    :param on_step: is told of each step that ended.
    """

    def __init__(
        self,
        selector: Selector,
        *,
        tables: Mapping[str, TableDefinition],
        engine: Engine,
        store: ObjectStore,
        ledger: Ledger,
        names: StorageNames,
        actor: str,
        reason: str,
        silver: str = "silver",
        gold: str = "gold",
        clock: Clock = system_clock,
        pause: Pause = pause_for_others,
        on_step: Callable[[RemovalStep], None] = _no_report,
    ) -> None:
        self._selector = selector
        self._tables = tables
        self._engine = engine
        self._store = store
        self._ledger = ledger
        self._names = names
        self._silver = silver
        self._gold = gold
        self._removals = Removals(
            engine=engine,
            ledger=ledger,
            kind=RemovalKind.ERASURE,
            actor=actor,
            reason=reason,
            clock=clock,
            pause=pause,
            on_step=on_step,
        )

    def run(self, *, dry_run: bool = True) -> ErasureReport:
        """Look for the person's records, and remove them.

        :param dry_run: only look.
        :raises CommitConflictError: other writers kept committing first; running again goes on.
        """
        if not dry_run:
            self._removals.settle()
        sources = tuple(source for table in self._tables.values() for source in self._find(table))
        removed, by_hand = RemovalCount(), 0
        if not dry_run:
            for table in self._tables.values():
                count, rows = self._remove(table)
                removed += count
                by_hand += rows
        dropped, kept = self._search_spools(dry_run=dry_run)
        later = self._later_texts()
        if not dry_run:
            self._tidy_later(later)
        later_rows = {table: self._count(table, columns) for table, columns in later.items()}
        return ErasureReport(
            is_dry_run=dry_run,
            sources=sources,
            later_rows=later_rows,
            removed=removed,
            by_hand=by_hand,
            spools_dropped=dropped,
            spools_kept=kept,
            readable_since={
                table: self._engine.execute(
                    render("repair/oldest_snapshot.sql", snapshots=f"{table}$snapshots")
                ).scalar
                for table in (*self._tables, self._ledger.tables.rejects, *later)
            },
        )

    def _find(self, table: TableDefinition) -> list[NamingSource]:
        found = self._engine.execute(
            render(
                "repair/find_person.sql",
                target=table.name,
                bronze=table.name,
                columns=_texts(table),
                rejects=self._ledger.tables.rejects,
                ledger=self._ledger.tables.ledger,
                sources=self._ledger.tables.sources,
                **self._selector.bound,
            )
        ).rows
        return [
            NamingSource(
                source="rows written by hand" if source_id is None else source or source_id,
                source_kind=source_kind,
                contract=contract,
                rows=rows,
                rejects=rejects,
                unrecorded=unrecorded,
                original=self._original(source, source_kind),
            )
            for source_id, source, source_kind, contract, rows, rejects, unrecorded in found
        ]

    def _original(self, source: str | None, source_kind: str | None) -> str | None:
        """What still holds the records that a source was read from, and is not ours."""
        if source is None or source_kind is None:
            return None
        if source_kind == "partition":
            return f"messages of {source}, if the topic still has them"
        if source_kind != "object":
            return f"what was handed over as {source}, with whoever did, and in the history of Airflow's runs"
        # An older version that was archived may say the same of the person.
        places = kept_originals(source, engine=self._engine, store=self._store, ledger=self._ledger)
        return ", ".join(places) or None

    def _remove(self, table: TableDefinition) -> tuple[RemovalCount, int]:
        removed = self._removals.remove(
            "repair/note_person.sql",
            target=table.name,
            columns=_texts(table),
            rejects=self._ledger.tables.rejects,
            **self._selector.bound,
        )
        by_hand = self._removals.remove_by_hand(
            "repair/delete_person_by_hand.sql",
            target=table.name,
            columns=_texts(table),
            **self._selector.bound,
        )
        return removed, by_hand

    def _search_spools(self, *, dry_run: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The attempts whose spools name the person: those that are over, dropped, and the others."""
        found = sorted(
            {
                version.key.removeprefix(SPOOL_PREFIX).partition("/")[0]
                for version in self._store.list_objects(bucket=self._names.bucket, prefix=SPOOL_PREFIX)
                if version.key.endswith(".parquet") and self._names_person(version.key)
            }
        )
        dropped, kept = [], []
        for attempt in found:
            if dry_run or not self._is_over(attempt):
                kept.append(attempt)
                continue
            drop_attempt(attempt, engine=self._engine, store=self._store, names=self._names)
            dropped.append(attempt)
        return tuple(dropped), tuple(kept)

    def _names_person(self, key: str) -> bool:
        try:
            content = self._store.get(bucket=self._names.bucket, key=key)
        except ObjectNotFoundError:
            return False
        table = pq.read_table(io.BytesIO(content))
        return any(_has_text(column, self._selector.text_pattern) for column in table.columns)

    def _is_over(self, attempt: str) -> bool:
        """Whether all of an attempt is recorded, by itself or by another that read the same."""
        try:
            manifest = read_manifest(attempt, store=self._store, names=self._names)
        except StagingGoneError:
            return False
        try:
            return all(self._ledger.is_recorded(unit) for unit in manifest.units)
        except (RangeTakenError, RangeUnloadedError):
            return False

    def _later_texts(self) -> dict[str, list[str]]:
        """The tables of silver and gold, with those of their columns that are texts."""
        catalog = self._names.catalog
        found = self._engine.execute(
            render(
                "repair/text_columns.sql",
                information_columns=f"{catalog}.information_schema.columns",
                information_tables=f"{catalog}.information_schema.tables",
                schemas=f"{self._silver},{self._gold}",
            )
        ).rows
        return {f"{catalog}.{schema}.{table}": list(columns) for schema, table, columns in found}

    def _count(self, table: str, columns: Sequence[str]) -> int:
        counted = self._engine.execute(
            render("repair/count_person.sql", table=table, columns=columns, **self._selector.bound)
        )
        return int(counted.scalar)

    def _tidy_later(self, later: Mapping[str, Sequence[str]]) -> None:
        """Forget which cases changed, and leave no file with rows that are deleted."""
        changes, taken = (
            f"{self._names.catalog}.{self._silver}.{name}" for name in (_CASE_CHANGES, _TAKEN_INPUTS)
        )
        if changes in later and taken in later:
            self._removals.execute(
                "repair/delete_case_changes.sql", case_changes=changes, taken_inputs=taken, **self._selector.bound
            )
        for table in later:
            self._removals.execute("repair/rewrite_table.sql", table=table)


def _texts(table: TableDefinition) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.type is ColumnType.VARCHAR)


def _has_text(column: pa.ChunkedArray[Any], pattern: str) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_binary(column.type)):
        return False
    return bool(pc.any(pc.match_substring_regex(column, pattern)).as_py())
