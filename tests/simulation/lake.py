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

from lakehouse.engine import GUARD_TEXT, UNLOADED_TEXT, Outcome
from lakehouse.errors import CommitConflictError, PositionsNotDistinctError, StatementError
from lakehouse.statements import Statement
from lakehouse.tables.definition import TableDefinition
from tests.lakehouse.load.doubles import MemoryStore, StoredObject, named_parameters

Row = dict[str, Any]

_UNLOAD_RANGE = (
    "loads",
    "records_read",
    "first_position",
    "next_position",
    "has_hole",
    "targets",
    "contract",
    "touched",
    "is_begun",
    "is_ended",
)
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
    """An Iceberg table: each snapshot adds files, each of one partition, or takes rows away."""

    partitioning: tuple[str, ...] = ()
    snapshots: list[list[list[Row]]] = field(default_factory=list)
    _gone: set[int] = field(default_factory=set)

    @property
    def version(self) -> int:
        return len(self.snapshots)

    def rows(self) -> list[Row]:
        every = (row for snapshot in self.snapshots for file in snapshot for row in file)
        return [row for row in every if id(row) not in self._gone]

    def take_away(self, rows: list[Row]) -> bool:
        """Take rows away as whole files, with which nothing that only adds rows conflicts; False if they went."""
        if any(id(row) in self._gone for row in rows):
            return False
        self._gone |= {id(row) for row in rows}
        return True

    def files_since(self, version: int) -> Iterator[list[Row]]:
        return (file for snapshot in self.snapshots[version:] for file in snapshot)

    def append(self, rows: list[Row]) -> None:
        by_partition = sorted(rows, key=lambda row: str(self.partition_of(row)))
        self.snapshots.append([list(file) for _, file in groupby(by_partition, key=self.partition_of)])

    def partition_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[column] for column in self.partitioning)


@dataclass(frozen=True)
class PlannedMerge:
    """A merge or a delete that runs: what it will append or take away, unless another writer is first."""

    table: Table
    version: int
    pin: Pin
    rows: list[Row]
    query_id: str
    deleted: tuple[Row, ...] = ()


class Lake:
    """The state that every process shares: tables, staging tables, objects."""

    def __init__(
        self,
        table: TableDefinition,
        *,
        validation: Validation = Validation.WHOLE_TABLE,
        is_guarded: bool = True,
        is_fenced: bool = True,
    ) -> None:
        self.is_guarded = is_guarded
        self.is_fenced = is_fenced
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
            "repair/merge_intent.sql": self._merge_intent,
            "repair/merge_fence.sql": self._merge_fence,
            "repair/merge_unload.sql": self._merge_unload,
            "repair/register_again.sql": self._register_again,
        }
        self._deletes: dict[str, tuple[Table, str, str]] = {
            "repair/delete_rows.sql": (self.bronze, "_source_id", "_position"),
            "repair/delete_rejects.sql": (self.rejects, "source_id", "record_position"),
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
            "repair/count_rows.sql": self._count_rows,
            "repair/unload_range.sql": self._unload_range,
        }

    def execute(self, statement: Statement) -> Outcome:
        """Run a statement with nothing else beside it."""
        return self.commit(self.plan(statement)) if self.is_merge(statement) else self.read(statement)

    def is_merge(self, statement: Statement) -> bool:
        return statement.name in self._merges or statement.name in self._deletes

    def read(self, statement: Statement) -> Outcome:
        """Run a statement that is no merge."""
        rows = tuple(self._reads[statement.name](statement))
        columns = _UNLOAD_RANGE if statement.name == "repair/unload_range.sql" else ()
        return Outcome(columns=columns, rows=rows, query_id=self._query_id(), updated=None)

    def plan(self, statement: Statement) -> PlannedMerge:
        """Begin a merge: what it reads is decided now, what it commits on later.

        :raises PositionsNotDistinctError: the guard failed, or a key is twice in the target.
        """
        if statement.name in self._deletes:
            return self._plan_delete(statement)
        table, pin, rows = self._merges[statement.name](statement)
        return PlannedMerge(table=table, version=table.version, pin=pin, rows=rows, query_id=self._query_id())

    def commit(self, merge: PlannedMerge) -> Outcome:
        """End a merge.

        :raises CommitConflictError: a file that was added since may hold rows within its pin.
        """
        writes = merge.rows or merge.deleted
        if writes and any(map(merge.pin.may_hold, self._conflicting(merge))):
            raise CommitConflictError(message="Found conflicting files", query_id=merge.query_id)
        if merge.rows:
            merge.table.append(merge.rows)
        if merge.deleted and not merge.table.take_away(list(merge.deleted)):
            raise CommitConflictError(message="Missing required files to delete", query_id=merge.query_id)
        return Outcome(columns=(), rows=(), query_id=merge.query_id, updated=len(merge.rows) + len(merge.deleted))

    def open_rejects(self) -> set[tuple[str, int]]:
        """The keys of bad records that bronze has no row for."""
        keyed = {(row["_source_id"], row["_position"]) for row in self.bronze.rows()}
        return {
            (row["source_id"], row["record_position"])
            for row in self.rejects.rows()
            if not self.is_unloaded(row["source_id"], row["record_position"])
        } - keyed

    def is_unloaded(self, source_id: str, position: int) -> bool:
        """Whether a position lies in a range that is taken out."""
        return any(
            row["source_id"] == source_id and row["first_position"] <= position < row["next_position"]
            for row in self.ledger.rows()
            if row["kind"] == "unload_intent"
        )

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
                is_load = not any(row.get("_load_id") == "fence" for row in merge.rows)
                for file in merge.table.files_since(merge.version):
                    if self.is_fenced or not is_load or file[0].get("_load_id") != "fence":
                        yield file

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
        self._refuse_unloaded(named)
        load_ids = json.loads(named["load_ids"])
        new = [
            {**row, "_load_id": load_ids[row["_source_id"]]}
            for row in staged
            if row["_statement"] == named["statement"]
            and row["_source_id"] in load_ids
            and _key(row) not in set(there)
        ]
        return self.bronze, pin, new

    def _merge_rejects(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        fingerprint = named["contract_fingerprint"]
        pin = _pin(named, source="source_id", position="record_position")
        pin.lowest["contract_fingerprint"] = pin.highest["contract_fingerprint"] = fingerprint
        there = {(row["source_id"], row["record_position"]) for row in self.rejects.rows() if pin.holds(row)}
        self._refuse_unloaded(named)
        new = [
            {**row, "contract_fingerprint": fingerprint}
            for row in self._scan(statement)
            if row["source_id"] in json.loads(named["load_ids"])
            and (row["source_id"], row["record_position"]) not in there
            and pin.holds({**row, "contract_fingerprint": fingerprint})
        ]
        return self.rejects, pin, new

    def _merge_ledger(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        pin = _ledger_pin(named)
        there = [row for row in self.ledger.rows() if pin.holds(row)]
        new = [
            {**load, "kind": "load", "target": named["target"], "attempt": named["attempt"]}
            for load in json.loads(named["loads"])
            if not any(_overlap(load, row) for row in there if row["kind"] != "unload")
        ]
        return self.ledger, pin, new

    def _refuse_unloaded(self, named: dict[str, Any]) -> None:
        """The guard of the merges: nothing comes into a range that is taken out."""
        for source_id, (first, next_position) in json.loads(named["ranges"]).items():
            if self.is_guarded and any(
                row["kind"] == "unload_intent"
                and row["source_id"] == source_id
                and row["first_position"] < next_position
                and row["next_position"] > first
                for row in self.ledger.rows()
            ):
                raise CommitConflictError(message=UNLOADED_TEXT, query_id=None)

    def _merge_intent(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        of_source = [row for row in self.ledger.rows() if row["source_id"] == named["source_id"]]
        begun = any(row["kind"] == "unload_intent" and _contains(row, named) for row in of_source)
        new = [] if begun else [_unload_row("unload_intent", named)]
        return self.ledger, _unload_pin(named), new

    def _merge_fence(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        there = {_key(row) for row in self.bronze.rows()}
        nothing = dict.fromkeys((*self._columns, "_load_id"))
        new = [
            {**nothing, "_source_id": named["source_id"], "_position": position, "_load_id": "fence"}
            for position in json.loads(named["positions"])
            if (named["source_id"], position) not in there
        ]
        pin = Pin(
            lowest={"_source_id": named["source_id"], "_position": named["first"]},
            highest={"_source_id": named["source_id"], "_position": named["next"] - 1},
        )
        return self.bronze, pin, new

    def _merge_unload(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        there = [
            row
            for row in self.ledger.rows()
            if row["kind"] == "unload" and row["source_id"] == named["source_id"] and _contains(row, named)
        ]
        return self.ledger, _unload_pin(named), [] if there else [_unload_row("unload", named)]

    def _register_again(self, statement: Statement) -> tuple[Table, Pin, list[Row]]:
        named = named_parameters(statement)
        again = named["new_source_id"]
        (unloaded,) = [row for row in self.sources.rows() if row["source_id"] == named["source_id"]]
        known = any(row["source_id"] == again for row in self.sources.rows())
        pin = Pin({"source_id": again}, {"source_id": again})
        return self.sources, pin, [] if known else [{**unloaded, "source_id": again}]

    def _plan_delete(self, statement: Statement) -> PlannedMerge:
        named = named_parameters(statement)
        table, source, position = self._deletes[statement.name]
        pin = Pin(
            lowest={source: named["source_id"], position: named["first"]},
            highest={source: named["source_id"], position: named["next"] - 1},
        )
        gone = tuple(row for row in table.rows() if pin.holds(row))
        return PlannedMerge(
            table=table, version=table.version, pin=pin, rows=[], query_id=self._query_id(), deleted=gone
        )

    # --- what reads, and what concerns one attempt alone -------------------------------------------------------

    def _progress(self, statement: Statement) -> list[tuple[Any, ...]]:
        digests = set(json.loads(named_parameters(statement)["digests"]))
        found = []
        unloaded = {row["source_id"] for row in self.ledger.rows() if row["kind"] == "unload_intent"}
        named: dict[str, Row] = {}
        for source in self.sources.rows():
            known = named.get(source["source_digest"])
            if known is None or known["source_id"] in unloaded:
                named[source["source_digest"]] = source
        for source in named.values():
            if source["source_digest"] in digests:
                of_source = [row for row in self.ledger.rows() if row["source_id"] == source["source_id"]]
                recorded = [row for row in of_source if row["kind"] == "load"]
                ranges = [(row["first_position"], row["next_position"], row["end_position"]) for row in recorded]
                framing = min((row["load_id"][-3:] for row in recorded), default=None)
                target = min((row["target"] for row in recorded), default=None)
                about = (source["source_digest"], source["source_id"], source["identity"])
                found.append((*about, ranges or None, framing, target, source["source_id"] in unloaded))
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
            (row["source_id"], row["first_position"], row["next_position"], row["kind"])
            for row in self.ledger.rows()
            if pin.holds(row) and row["kind"] != "unload"
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

    def _count_rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        named = named_parameters(statement)
        keys = [_key(row) for row in self.bronze.rows()]
        found = [key for key in keys if key[0] == named["source_id"] and named["first"] <= key[1] < named["next"]]
        return [(len(found),)]

    def _unload_range(self, statement: Statement) -> list[tuple[Any, ...]]:
        named = named_parameters(statement)
        of_source = [row for row in self.ledger.rows() if row["source_id"] == named["source_id"]]
        loads = [row for row in of_source if row["kind"] == "load"]
        is_begun = any(row["kind"] == "unload_intent" for row in of_source)
        is_ended = any(row["kind"] == "unload" for row in of_source)
        return [(len(loads), 0, None, None, False, None, None, None, is_begun, is_ended)]

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


def _unload_pin(named: dict[str, Any]) -> Pin:
    return Pin(
        lowest={"source_id": named["source_id"], "next_position": named["first"] + 1},
        highest={"source_id": named["source_id"], "first_position": named["next"] - 1},
    )


def _unload_row(kind: str, named: dict[str, Any]) -> Row:
    return {
        "kind": kind,
        "source_id": named["source_id"],
        "first_position": named["first"],
        "next_position": named["next"],
        "end_position": None,
        "records_read": 0,
        "load_id": "",
        "target": "",
    }


def _contains(row: Row, named: dict[str, Any]) -> bool:
    return bool(row["first_position"] <= named["first"] and row["next_position"] >= named["next"])


def _overlap(one: Row, other: Row) -> bool:
    ours, theirs = ((row["first_position"], row["next_position"]) for row in (one, other))
    same_source = one["source_id"] == other["source_id"]
    return same_source and (ours == theirs or (ours[0] < theirs[1] and ours[1] > theirs[0]))


def _key(row: Row) -> tuple[str, int]:
    return row["_source_id"], row["_position"]


def _staging_name(statement: Statement) -> str:
    return _STAGING.findall(statement.text)[0]
