"""Writes judged records to the spool of an attempt, as Parquet sorted by partition, with bounded memory.

Segments of a range that is still open are sorted, encoded and put by a thread while the next one is read.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import SpoolNotWrittenError, StoreUnavailableError
from lakehouse.load.attempt import AttemptPlaces, Partition
from lakehouse.load.ledger import naive_utc
from lakehouse.readers.judged_batch import JudgedBatch, Reject
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

#: A segment is written when its rows reach one of these; more would only cost memory.
SEGMENT_ROWS = 65_536
SEGMENT_BYTES = 48 * 1024 * 1024

_REJECT_FIELDS: list[pa.Field[Any]] = [
    pa.field("source_id", pa.string()),
    pa.field("record_position", pa.int64()),
    pa.field("source", pa.string()),
    pa.field("reason", pa.string()),
    pa.field("column_name", pa.string()),
    pa.field("detail", pa.string()),
    pa.field("line", pa.int64()),
    pa.field("record", pa.binary()),
    pa.field("record_bytes", pa.int64()),
    pa.field("record_sha256", pa.string()),
    pa.field("record_key", pa.binary()),
    pa.field("record_timestamp", pa.timestamp("us")),
    pa.field("record_headers", pa.string()),
]
_REJECT_SCHEMA = pa.schema(_REJECT_FIELDS)


#: A feed that makes a name of every id would fill the ledger with them.
_NAMED_COLUMNS = 100
_NAME_CHARACTERS = 100
OTHER_COLUMNS = "(others)"
#: Fast, and read by Trino 476, which LZ4 as Arrow writes it is not.
_COMPRESSION: Final = "snappy"


@dataclass
class RangeTally:
    """What was judged of one range so far."""

    first_position: int
    next_position: int
    rows: int = 0
    row_bytes: int = 0
    rejects_by_reason: Counter[str] = field(default_factory=Counter)
    null_counts: Counter[str] = field(default_factory=Counter)
    touched: set[Partition] = field(default_factory=set)
    unknown_columns: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        return self.rows + self.rejects

    @property
    def rejects(self) -> int:
        return self.rejects_by_reason.total()

    def count_rejects(self, rejects: Iterable[Reject]) -> None:
        """Count rejects by reason, and by column for the first ones."""
        for reject in rejects:
            name = str(reject.reason) if reject.column is None else f"{reject.reason} in {reject.column}"
            shown = name[:_NAME_CHARACTERS]
            # Columns may be fields of the source, which may have any number of names.
            is_named = shown in self.rejects_by_reason or len(self.rejects_by_reason) < _NAMED_COLUMNS
            self.rejects_by_reason[shown if is_named else str(reject.reason)] += 1

    def count_unknown(self, unknown_columns: Mapping[str, int]) -> None:
        """Count columns that the contract does not know: the first ones by name, all others together."""
        for name, count in unknown_columns.items():
            shown = name[:_NAME_CHARACTERS]
            is_named = shown in self.unknown_columns or len(self.unknown_columns) < _NAMED_COLUMNS
            self.unknown_columns[shown if is_named else OTHER_COLUMNS] += count


@dataclass
class _Buffer:
    """Rows and rejects that are not yet written."""

    tables: list[pa.Table] = field(default_factory=list)
    rejects: list[dict[str, object]] = field(default_factory=list)
    row_count: int = 0
    row_bytes: int = 0
    reject_bytes: int = 0

    def add(self, table: pa.Table, rejects: Sequence[dict[str, object]]) -> None:
        if table.num_rows:
            self.tables.append(table)
            self.row_count += table.num_rows
            self.row_bytes += table.nbytes
        self.rejects.extend(rejects)
        self.reject_bytes += sum(len(record) for row in rejects if isinstance(record := row["record"], bytes))

    def take_in(self, other: _Buffer) -> None:
        self.tables += other.tables
        self.rejects += other.rejects
        self.row_count += other.row_count
        self.row_bytes += other.row_bytes
        self.reject_bytes += other.reject_bytes

    @property
    def is_full(self) -> bool:
        return (
            self.row_count + len(self.rejects) >= SEGMENT_ROWS
            or self.row_bytes >= SEGMENT_BYTES
            or self.reject_bytes >= SEGMENT_BYTES
        )


class SpoolWriter:
    """Writes the ranges of one attempt, one after the other.

    A range becomes a part of the attempt when it is closed; an abandoned one leaves nothing. Rows are sorted by
    partition within a segment, which is what the engine's writers need to keep few files open. Must be closed.

    :param partitions_per_statement: how many partitions one MERGE may write; rows of further partitions are
        marked for a further statement.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        places: AttemptPlaces,
        table: TableDefinition,
        partitions_per_statement: int,
    ) -> None:
        self._store = store
        self._places = places
        self._table = table
        self._partitions_per_statement = partitions_per_statement
        self._statement_of: dict[Partition, int] = {}
        self._closed = _Buffer()
        self._open = _Buffer()
        self._open_segments: list[Future[list[str]]] = []
        self._writing: Future[list[str]] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._tally: RangeTally | None = None
        self._source_id = ""
        self._source = ""
        self._segments = 0

    def open_range(self, *, source_id: str, source: str, first_position: int) -> None:
        """Begin a range of a source."""
        self._source_id = source_id
        self._source = source
        self._tally = RangeTally(first_position=first_position, next_position=first_position)

    @property
    def tally(self) -> RangeTally:
        """The counts of the open range; raises :class:`RuntimeError` when none is open."""
        if self._tally is None:
            raise RuntimeError("no range is open")
        return self._tally

    def add(self, batch: JudgedBatch) -> None:
        """Take a batch that continues the open range."""
        tally = self.tally
        tally.next_position = batch.next_position
        tally.rows += batch.rows.num_rows
        tally.row_bytes += batch.rows.nbytes
        tally.count_rejects(batch.rejects)
        tally.null_counts.update({name: batch.rows.column(name).null_count for name in self._table.column_names})
        tally.touched.update(_partitions(batch.rows))
        tally.count_unknown(batch.unknown_columns)
        source_ids = pa.repeat(self._source_id, batch.rows.num_rows)
        self._open.add(
            batch.rows.append_column("_source_id", source_ids),
            [self._reject_row(reject) for reject in batch.rejects],
        )
        if self._open.is_full:
            self._open_segments.append(self._begin_to_write(self._open))
            self._open = _Buffer()

    def close_range(self) -> RangeTally:
        """Make the open range a part of the attempt; returns its counts."""
        tally = self.tally
        # What cannot be written is a failure of this range, and not of the next.
        self._wait()
        self._closed.take_in(self._open)
        self._forget_range()
        if self._closed.is_full:
            self.flush()
        return tally

    def abandon_range(self) -> None:
        """Drop the open range, with what was written of it."""
        for segment in self._open_segments:
            if segment.exception() is None:
                for key in segment.result():
                    self._store.delete(bucket=self._places.names.bucket, key=key)
        self._writing = None
        self._forget_range()

    def flush(self) -> None:
        """Write what is closed and not yet written. Called once more when the last range is closed."""
        self._write(self._closed)
        self._closed = _Buffer()

    def close(self) -> None:
        """End the thread that writes."""
        self._thread.shutdown(cancel_futures=True)

    def start_unit(self) -> None:
        """Begin loads that are merged by statements of their own: segments and statement numbers start anew."""
        self.flush()
        self._statement_of = {}

    @property
    def statements(self) -> int:
        """How many MERGE statements the current unit takes."""
        return max(self._statement_of.values(), default=-1) + 1

    def _forget_range(self) -> None:
        self._open = _Buffer()
        self._open_segments = []
        self._tally = None

    def _reject_row(self, reject: Reject) -> dict[str, object]:
        return {
            "source_id": self._source_id,
            "record_position": reject.position,
            "source": self._source,
            "reason": str(reject.reason),
            "column_name": reject.column,
            "detail": reject.detail,
            "line": reject.line,
            "record": reject.record,
            "record_bytes": reject.record_bytes,
            "record_sha256": reject.record_sha256,
            "record_key": reject.key,
            "record_timestamp": None if reject.timestamp is None else naive_utc(reject.timestamp),
            "record_headers": reject.headers,
        }

    def _begin_to_write(self, buffer: _Buffer) -> Future[list[str]]:
        """Write a buffer beside what comes next; one at a time, so that no more than two are held."""
        self._wait()
        self._writing = self._thread.submit(self._write, buffer)
        return self._writing

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, buffer: _Buffer) -> list[str]:
        keys = []
        if buffer.tables:
            rows = pa.concat_tables(buffer.tables)
            rows = rows.sort_by([("event_date", "ascending"), ("service", "ascending")])
            rows = rows.append_column("_statement", self._statement_numbers(rows))
            keys.append(self._write_segment(rows, prefix=self._places.rows_prefix))
        if buffer.rejects:
            rejects = pa.Table.from_pylist(buffer.rejects, schema=_REJECT_SCHEMA)
            keys.append(self._write_segment(rejects, prefix=self._places.rejects_prefix))
        return keys

    def _statement_numbers(self, rows: pa.Table) -> pa.Int32Array:
        """The statement that takes each row: partitions are dealt out in the order they are met."""
        # Sorted rows of one partition are neighbours, so counts in order of first appearance rebuild the column.
        groups = rows.group_by(["event_date", "service"], use_threads=False).aggregate([([], "count_all")])
        numbers = [
            self._statement_of.setdefault(partition, len(self._statement_of) // self._partitions_per_statement)
            for partition in _partitions(groups)
        ]
        return pa.array(
            np.repeat(np.array(numbers, dtype=np.int32), groups.column("count_all").to_numpy()),
            type=pa.int32(),
        )

    def _write_segment(self, table: pa.Table, *, prefix: str) -> str:
        key = f"{prefix}segment-{self._segments:06d}.parquet"
        self._segments += 1
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression=_COMPRESSION)
        try:
            self._store.put(buffer.getvalue(), bucket=self._places.names.bucket, key=key)
        except StoreUnavailableError as error:
            raise SpoolNotWrittenError(attempt=self._places.attempt, message=error.problem) from error
        return key


def _partitions(rows: pa.Table) -> list[Partition]:
    """The distinct partitions of some rows, in order of first appearance."""
    pairs = rows.select(["event_date", "service"]).group_by(["event_date", "service"], use_threads=False)
    distinct = pairs.aggregate([])
    return [
        Partition(event_date=event_date, service=service)
        for event_date, service in zip(
            distinct.column("event_date").to_pylist(), distinct.column("service").to_pylist(), strict=True
        )
    ]
