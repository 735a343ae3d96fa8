"""Rewrites the small files of a table into large ones, where it is worth it.

    report = compact_table(engine, name="iceberg.bronze.service_events_raw")

Every load and every flush leaves files of its own, and each later query opens them all. What a partition owes is
measured: its *debt* is how many files it has beyond those that its bytes need. Days that are over come first, as
nothing is added to them any more, and a day that still fills waits until its debt is large. Work is bounded: what
is left, the next run takes.

Loads and compaction do not disturb one another: a load is a conditional append, and a compaction changes no row.
A statement that changes rows (a model of dbt, an unload) may commit first; then that partition waits for the next
run. See docs/adr/0019.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from lakehouse.engine import Engine
from lakehouse.errors import CommitConflictError
from lakehouse.load.ledger import Clock, system_clock
from lakehouse.statements import render
from lakehouse.tables.creation import existing_columns

_LOG = logging.getLogger(__name__)

#: Smaller files are rewritten. Trino's own target for a file it writes is larger (1 GB).
SMALL_BYTES = 100 * 1024 * 1024
#: Files too many that make a rewrite worth it, above what one statement's writers leave behind.
CLOSED_DEBT = 10
#: Of a partition that still grows, and is rewritten again and again.
OPEN_DEBT = 50
#: What one run rewrites at most, of one table.
MOST_PARTITIONS = 100
MOST_BYTES = 4 * 1024**3


class PartitionValue(NamedTuple):
    """What the rows of a partition have in one of its columns.

    :param type: as Trino names it.
    :param text: of the value, as Trino casts it; None where there is none.
    """

    column: str
    type: str
    text: str | None


@dataclass(frozen=True)
class PartitionFiles:
    """The files of one partition.

    :param values: empty where Trino cannot be told to rewrite one partition alone, as it is made by a transform or
        there is none: then this is the whole table.
    """

    values: tuple[PartitionValue, ...]
    files: int
    bytes: int

    @property
    def debt(self) -> int:
        """Files beyond those that the bytes need."""
        return self.files - max(1, math.ceil(self.bytes / SMALL_BYTES))

    def is_closed(self, today: date) -> bool:
        """Whether it is of a day that is over: what comes late is an exception."""
        days = [date.fromisoformat(value.text) for value in self.values if value.type == "date" and value.text]
        return bool(days) and max(days) < today

    def is_due(self, today: date) -> bool:
        return self.debt >= (CLOSED_DEBT if self.is_closed(today) else OPEN_DEBT)


@dataclass
class CompactionReport:
    """What a compaction did to one table.

    :param files_before: of the partitions that were rewritten, as ``bytes_before``.
    :param left: partitions that are due and wait for the next run.
    """

    table: str
    partitions: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    left: int = 0
    lost_to_others: list[str] = field(default_factory=list)


def read_partitions(engine: Engine, *, name: str) -> list[PartitionFiles]:
    """The files of each partition of a table; of the table as a whole, where it has none that a value names."""
    columns = existing_columns(name, engine=engine).keys()
    rows = engine.execute(
        render("maintenance/list_partitions.sql", partitions_table=f"{name}$partitions")
    ).records()
    found = [
        PartitionFiles(
            values=_values(row.get("partition"), columns),
            files=int(row["file_count"]),
            bytes=int(row["total_size"]),
        )
        for row in rows
    ]
    if all(partition.values for partition in found):
        return found
    return [
        PartitionFiles(values=(), files=sum(each.files for each in found), bytes=sum(each.bytes for each in found))
    ]


def due_partitions(partitions: Sequence[PartitionFiles], *, today: date) -> list[PartitionFiles]:
    """Those worth a rewrite: closed days first, then those that owe most."""
    due = [partition for partition in partitions if partition.is_due(today)]
    return sorted(due, key=lambda partition: (not partition.is_closed(today), -partition.debt))


def compact_table(
    engine: Engine,
    *,
    name: str,
    clock: Clock = system_clock,
    most_partitions: int = MOST_PARTITIONS,
    most_bytes: int = MOST_BYTES,
) -> CompactionReport:
    """Rewrite the partitions of a table that are due, as far as one run goes.

    :param name: as ``catalog.schema.table``.
    :raises LakehouseError: the engine refuses or does not answer; what was rewritten until then stays so.
    """
    report = CompactionReport(table=name)
    due = due_partitions(read_partitions(engine, name=name), today=clock().date())
    taken: list[PartitionFiles] = []
    for partition in due:
        is_over = len(taken) == most_partitions or report.bytes_before + partition.bytes > most_bytes
        if taken and is_over:
            break
        taken.append(partition)
        try:
            engine.execute(
                render(
                    "maintenance/compact.sql",
                    table=name,
                    threshold=f"{SMALL_BYTES}B",
                    values=partition.values,
                )
            )
        except CommitConflictError as error:
            _LOG.info("%s waits for the next run: %s", partition, error)
            report.lost_to_others.append(", ".join(f"{value.column}={value.text}" for value in partition.values))
            continue
        report.partitions += 1
        report.files_before += partition.files
        report.bytes_before += partition.bytes
    report.left = len(due) - len(taken)
    if report.partitions:
        _count_after(engine, report, taken)
    _LOG.info("%s", report)
    return report


def _count_after(engine: Engine, report: CompactionReport, taken: Sequence[PartitionFiles]) -> None:
    values = {partition.values for partition in taken}
    for partition in read_partitions(engine, name=report.table):
        if partition.values in values:
            report.files_after += partition.files
            report.bytes_after += partition.bytes


def _values(partition: Any, columns: Set[str]) -> tuple[PartitionValue, ...]:
    """The values of a partition; none where a transform of a column makes it."""
    if partition is None:
        return ()
    names, types = partition.__annotations__["names"], partition.__annotations__["types"]
    if not columns >= set(names):
        return ()
    return tuple(
        PartitionValue(column=name, type=type_, text=None if value is None else str(value))
        for name, type_, value in zip(names, types, partition, strict=True)
    )
