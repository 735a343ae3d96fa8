"""Trino over Iceberg as the load protocol meets it, in memory: snapshots, pinned merges, and their conflicts.

A merge reads the snapshot it was planned on, and commits only when no file that was added since can hold rows
within its pin; Iceberg decides that by the bounds of the file's columns. Everything else of the engine is left
out, so a property that holds here holds because of the protocol.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count, groupby
from typing import Any

import pyarrow.parquet as pq

from lakehouse.engine import GUARD_TEXT, Outcome
from lakehouse.errors import CommitConflictError, PositionsNotDistinctError, StatementError
from lakehouse.statements import Statement
from lakehouse.tables.definition import TableDefinition
from tests.lakehouse.load.doubles import MemoryStore, StoredObject, named_parameters

Row = dict[str, Any]

_LOCATION = re.compile(r"external_location = 's3://([^/]+)/([^']+)'")
_STAGING = re.compile(r'"staging"\."attempts"\."(\w+)"')


class Validation(Enum):
    """What a commit is validated against."""

    WHOLE_TABLE = auto()
    """As loads need it: file_based_conflict_detection_enabled = false."""
    WRITTEN_PARTITIONS = auto()
    """As Trino does by default: only files of the partitions that the merge writes."""
    NONE = auto()
    """As with write.delete.isolation-level = snapshot."""


@dataclass(frozen=True)
class Pin:
    """What a merge says of its target: inclusive bounds by column."""

    lowest: dict[str, Any]
    highest: dict[str, Any]

    def holds(self, row: Row) -> bool:
        return self.may_hold([row])

    def may_hold(self, rows: list[Row]) -> bool:
        """Whether a file of these rows can hold one within the pin, as far as its bounds tell."""
        return all(max(row[column] for row in rows) >= value for column, value in self.lowest.items()) and all(
            min(row[column] for row in rows) <= value for column, value in self.highest.items()
        )


@dataclass
class Table:
    """An Iceberg table that is only appended to: each snapshot adds files, each of one partition."""

    partitioning: tuple[str, ...] = ()
    snapshots: list[list[list[Row]]] = field(default_factory=list)

    @property
    def version(self) -> int:
        return len(self.snapshots)

    def rows(self, version: int | None = None) -> list[Row]:
        return [row for snapshot in self.snapshots[:version] for file in snapshot for row in file]

    def files_since(self, version: int) -> Iterator[list[Row]]:
        return (file for snapshot in self.snapshots[version:] for file in snapshot)

    def append(self, rows: list[Row]) -> None:
        by_partition = sorted(rows, key=lambda row: str(self.partition_of(row)))
        self.snapshots.append([list(file) for _, file in groupby(by_partition, key=self.partition_of)])

    def partition_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[column] for column in self.partitioning)


@dataclass(frozen=True)
class PlannedMerge:
    """A merge that runs: what it will append, unless another writer is first."""

    table: Table
    version: int
    pin: Pin
    rows: list[Row]
    query_id: str


class Lake:
    """The state that every process shares: tables, staging tables, objects."""

    def __init__(self, table: TableDefinition, *, validation: Validation = Validation.WHOLE_TABLE) -> None:
        self.store = MemoryStore()
        self.bronze = Table(partitioning=table.partitioning)
        self.rejects = Table()
        self.ledger = Table()
        self.sources = Table()
        self.refusals = Table()
        self._columns = table.column_names
        self._validation = validation
        self._locations: dict[str, tuple[str, str]] = {}
        self._queries = count()
        self._scanned: dict[StoredObject, list[Row]] = {}
        self._merges: dict[str, Callable[[Statement], tuple[Table, Pin, list[Row]]]] = {
            "plan/register_sources.sql": self._register,
            "load/merge_rows.sql": self._merge_rows,
            "load/merge_rejects.sql": self._merge_rejects,
            "load/merge_ledger.sql": self._merge_ledger,
        }
        self._reads: dict[str, Callable[[Statement], list[tuple[Any, ...]]]] = {
            "plan/source_progress.sql": self._progress,
            "plan/refused_sources.sql": self._refused,
            "load/insert_refusals.sql": self._insert_refusals,
            "load/recorded_ranges.sql": self._recorded,
            "load/create_staging_rows.sql": self._create_staging,
            "load/create_staging_rejects.sql": self._create_staging,
            "load/drop_staging.sql": self._drop_staging,
            "load/check_staging_rows.sql": self._check_staging,
            "load/count_bronze.sql": self._count_bronze,
            "load/count_open_rejects.sql": self._count_open_rejects,
            "rows/open_rejects.sql": self._open_rejects_of_request,
        }

    def execute(self, statement: Statement) -> Outcome:
        """Run a statement with nothing else beside it."""
        return self.commit(self.plan(statement)) if self.is_merge(statement) else self.read(statement)

    def is_merge(self, statement: Statement) -> bool:
        return statement.name in self._merges

    def read(self, statement: Statement) -> Outcome:
        """Run a statement that is no merge."""
        rows = tuple(self._reads[statement.name](statement))
        return Outcome(columns=(), rows=rows, query_id=self._query_id(), updated=None)

    def plan(self, statement: Statement) -> PlannedMerge:
        """Begin a merge: what it reads is decided now, what it commits on later.

        :raises PositionsNotDistinctError: the guard failed, or a key is twice in the target.
        """
        table, pin, rows = self._merges[statement.name](statement)
        return PlannedMerge(table=table, version=table.version, pin=pin, rows=rows, query_id=self._query_id())

    def commit(self, merge: PlannedMerge) -> Outcome:
        """End a merge.

        :raises CommitConflictError: a file that was added since may hold rows within its pin.
        """
        if merge.rows and any(map(merge.pin.may_hold, self._conflicting(merge))):
            raise CommitConflictError(message="Found conflicting files", query_id=merge.query_id)
        if merge.rows:
            merge.table.append(merge.rows)
        return Outcome(columns=(), rows=(), query_id=merge.query_id, updated=len(merge.rows))

    def open_rejects(self) -> set[tuple[str, int]]:
        """The keys of bad records that bronze has no row for."""
        keyed = {(row["_source_id"], row["_position"]) for row in self.bronze.rows()}
        return {(row["source_id"], row["record_position"]) for row in self.rejects.rows()} - keyed

    def _conflicting(self, merge: PlannedMerge) -> Iterator[list[Row]]:
        match self._validation:
            case Validation.NONE:
                return
            case Validation.WRITTEN_PARTITIONS:
                written = {merge.table.partition_of(row) for row in merge.rows}
                for file in merge.table.files_since(merge.version):
                    if merge.table.partition_of(file[0]) in written:
                        yield file
            case Validation.WHOLE_TABLE:
                yield from merge.table.files_since(merge.version)

    def _query_id(self) -> str:
        return f"query_{next(self._queries):06d}"

    # --- merges ------------------------------------------------------------------------------------------------

    def _register(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        pin = Pin({"source_digest": named["digest_from"]}, {"source_digest": named["digest_to"]})
        known = {row["source_digest"] for row in self.sources.rows()}
        return (
            self.sources,
            pin,
            [row for row in json.loads(named["planned"]) if row["source_digest"] not in known],
        )

    def _merge_rows(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        pin = _pin(named, source="_source_id", position="_position")
        staged = [row for row in self._scan(statement) if pin.holds(row)]
        if len({_key(row) for row in staged}) != len(staged):
            raise PositionsNotDistinctError(staging_table=_staging_name(statement), detail=GUARD_TEXT)
        there = [_key(row) for row in self.bronze.rows() if pin.holds(row)]
        if len(set(there)) != len(there):
            raise PositionsNotDistinctError(staging_table="", detail="MERGE_TARGET_ROW_MULTIPLE_MATCHES")
        load_ids = json.loads(named["load_ids"])
        new = [
            {**row, "_load_id": load_ids.get(row["_source_id"])}
            for row in staged
            if row["_statement"] == named["statement"] and _key(row) not in set(there)
        ]
        return self.bronze, pin, new

    def _merge_rejects(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        fingerprint = named["contract_fingerprint"]
        pin = _pin(named, source="source_id", position="record_position")
        pin.lowest["contract_fingerprint"] = pin.highest["contract_fingerprint"] = fingerprint
        there = {(row["source_id"], row["record_position"]) for row in self.rejects.rows() if pin.holds(row)}
        new = [
            {**row, "contract_fingerprint": fingerprint}
            for row in self._scan(statement)
            if (row["source_id"], row["record_position"]) not in there
            and pin.holds({**row, "contract_fingerprint": fingerprint})
        ]
        return self.rejects, pin, new

    def _merge_ledger(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        pin = _ledger_pin(named)
        there = [row for row in self.ledger.rows() if pin.holds(row)]
        new = [
            {**load, "target": named["target"], "attempt": named["attempt"]}
            for load in json.loads(named["loads"])
            if not any(_overlap(load, row) for row in there)
        ]
        return self.ledger, pin, new

    # --- what reads, and what concerns one attempt alone -------------------------------------------------------

    def _progress(self, statement: Statement) -> list[tuple[Any, ...]]:
        digests = set(json.loads(named_parameters(statement)["digests"]))
        found = []
        for source in self.sources.rows():
            if source["source_digest"] in digests:
                recorded = [row for row in self.ledger.rows() if row["source_id"] == source["source_id"]]
                ranges = [(row["first_position"], row["next_position"], row["end_position"]) for row in recorded]
                framing = min((row["load_id"][-3:] for row in recorded), default=None)
                target = min((row["target"] for row in recorded), default=None)
                known = (source["source_digest"], source["source_id"], source["identity"])
                found.append((*known, ranges or None, framing, target))
        return found

    def _refused(self, statement: Statement) -> list[tuple[Any, ...]]:
        named = named_parameters(statement)
        wanted = set(json.loads(named["source_ids"]))
        first: dict[str, Row] = {}
        for row in self.refusals.rows():
            if row["source_id"] in wanted and row["terms"] == named["terms"]:
                first.setdefault(row["source_id"], row)
        told = ("source_id", "source", "refused_as", "message", "refused_at")
        return [tuple(row[name] for name in told) for row in first.values()]

    def _insert_refusals(self, statement: Statement) -> list[tuple[Any, ...]]:
        named = named_parameters(statement)
        said = {name: named[name] for name in ("contract", "terms", "attempt", "run", "refused_at")}
        there = {(row["attempt"], row["source_id"]) for row in self.refusals.rows()}
        refused = [{**row, **said} for row in json.loads(named["refused"])]
        new = [row for row in refused if (row["attempt"], row["source_id"]) not in there]
        if new:
            self.refusals.append(new)
        return []

    def _recorded(self, statement: Statement) -> list[tuple[Any, ...]]:
        pin = _ledger_pin(named_parameters(statement))
        return [
            (row["source_id"], row["first_position"], row["next_position"])
            for row in self.ledger.rows()
            if pin.holds(row)
        ]

    def _create_staging(self, statement: Statement) -> list[tuple[Any, ...]]:
        bucket, prefix = _LOCATION.findall(statement.text)[0]
        self._locations[_staging_name(statement)] = (bucket, prefix)
        return []

    def _drop_staging(self, statement: Statement) -> list[tuple[Any, ...]]:
        self._locations.pop(_staging_name(statement), None)
        return []

    def _check_staging(self, statement: Statement) -> list[tuple[Any, ...]]:
        positions: dict[str, list[int]] = {}
        for row in self._scan(statement):
            positions.setdefault(row["_source_id"], []).append(row["_position"])
        return [(source, len(all_), len(set(all_)), min(all_), max(all_)) for source, all_ in positions.items()]

    def _count_bronze(self, statement: Statement) -> list[tuple[Any, ...]]:
        named = named_parameters(statement)
        pin = _pin(named, source="_source_id", position="_position")
        load_ids = json.loads(named["load_ids"])
        groups: dict[str, list[Row]] = {}
        for row in filter(pin.holds, self.bronze.rows()):
            if _is_in_range(named, row["_source_id"], row["_position"]):
                groups.setdefault(row["_source_id"], []).append(row)
        return [
            (
                source_id,
                len(rows),
                len({row["_position"] for row in rows}),
                sum(row["_load_id"] == load_ids.get(source_id) for row in rows),
                sum(row["_load_id"][-3:] != named["framing_mark"] for row in rows),
                self._null_counts(rows),
            )
            for source_id, rows in groups.items()
        ]

    def _count_open_rejects(self, statement: Statement) -> list[tuple[Any, ...]]:
        named = named_parameters(statement)
        pin = _pin(named, source="_source_id", position="_position")
        found: dict[str, int] = {}
        for source_id, position in self.open_rejects():
            is_pinned = pin.holds({"_source_id": source_id, "_position": position})
            if is_pinned and _is_in_range(named, source_id, position):
                found[source_id] = found.get(source_id, 0) + 1
        return list(found.items())

    def _open_rejects_of_request(self, statement: Statement) -> list[tuple[Any, ...]]:
        source_id = named_parameters(statement)["source_id"]
        newest = {row["record_position"]: row for row in self.rejects.rows() if row["source_id"] == source_id}
        return [
            (position, newest[position]["reason"], newest[position]["column_name"], newest[position]["detail"])
            for position in sorted(newest)
            if (source_id, position) in self.open_rejects()
        ]

    def _null_counts(self, rows: list[Row]) -> list[int]:
        return [sum(row[column] is None for row in rows) for column in self._columns]

    def _scan(self, statement: Statement) -> list[Row]:
        """The rows of a staging table: whatever lies under its location now."""
        name = _staging_name(statement)
        if name not in self._locations:
            raise StatementError(error_name="TABLE_NOT_FOUND", message=f"{name} does not exist", query_id=None)
        bucket, prefix = self._locations[name]
        return [
            row
            for key in self.store.keys_under(prefix, bucket=bucket)
            for row in self._rows_of_file(self.store.objects[bucket, key])
        ]

    def _rows_of_file(self, stored: StoredObject) -> list[Row]:
        if stored not in self._scanned:
            self._scanned[stored] = pq.read_table(io.BytesIO(stored.content)).to_pylist()
        return self._scanned[stored]


def _is_in_range(named: dict[str, Any], source_id: str, position: int) -> bool:
    """Whether a position lies in the range of its source's own load."""
    first, next_position = json.loads(named["ranges"]).get(source_id, (0, 0))
    return bool(first <= position < next_position)


def _pin(named: dict[str, Any], *, source: str, position: str) -> Pin:
    return Pin(
        lowest={source: named["source_from"], position: named["first"]},
        highest={source: named["source_to"], position: named["next"] - 1},
    )


def _ledger_pin(named: dict[str, Any]) -> Pin:
    return Pin(
        lowest={"source_id": named["source_from"], "next_position": named["reach"]},
        highest={"source_id": named["source_to"], "first_position": named["next"] - 1},
    )


def _overlap(one: Row, other: Row) -> bool:
    ours, theirs = ((row["first_position"], row["next_position"]) for row in (one, other))
    same_source = one["source_id"] == other["source_id"]
    return same_source and (ours == theirs or (ours[0] < theirs[1] and ours[1] > theirs[0]))


def _key(row: Row) -> tuple[str, int]:
    return row["_source_id"], row["_position"]


def _staging_name(statement: Statement) -> str:
    return _STAGING.findall(statement.text)[0]
