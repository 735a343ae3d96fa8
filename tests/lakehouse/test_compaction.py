from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from trino.types import NamedRowTuple

from lakehouse.compaction import (
    CLOSED_DEBT,
    OPEN_DEBT,
    SMALL_BYTES,
    PartitionFiles,
    PartitionValue,
    compact_table,
    due_partitions,
    read_partitions,
)
from lakehouse.engine import Outcome
from lakehouse.errors import CommitConflictError
from tests.lakehouse.load.doubles import MOMENT, ScriptedEngine, rows_of

TODAY = MOMENT.date()
YESTERDAY = TODAY - timedelta(days=1)
BRONZE = "iceberg.bronze.service_events_raw"
COLUMNS = rows_of(("event_date", "date"), ("service", "varchar"))


def day(event_date: date | None, files: int, *, size: int = 1_000, service: str | None = "PGR") -> tuple[Any, ...]:
    """A row of ``$partitions``."""
    names = ["event_date", "service"]
    return (NamedRowTuple([event_date, service], names, ["date", "varchar"]), files, files * size)


def unpartitioned(*, files: int, size: int = 1_000) -> tuple[Any, ...]:
    return (files, files * size)


def listed(*rows: tuple[Any, ...]) -> Outcome:
    columns = ("partition", "file_count", "total_size")
    return rows_of(*rows, columns=columns[-len(rows[0]) :] if rows else columns)


def engine_of(*partitions: list[tuple[Any, ...]], compact: Any = None) -> ScriptedEngine:
    """An engine that lists these partitions, one list after the other."""
    return ScriptedEngine(
        {
            "tables/show_columns.sql": COLUMNS,
            "maintenance/list_partitions.sql": [listed(*rows) for rows in partitions],
            "maintenance/compact.sql": compact or rows_of(),
        }
    )


def partition(event_date: date, files: int, size: int = 1_000) -> PartitionFiles:
    values = (PartitionValue("event_date", "date", str(event_date)), PartitionValue("service", "varchar", "PGR"))
    return PartitionFiles(values=values, files=files, bytes=files * size)


@pytest.mark.parametrize(
    ("files", "size", "debt"),
    [(1, 10, 0), (11, 10, 10), (0, 0, -1), (4, SMALL_BYTES, 0), (40, SMALL_BYTES // 10, 36)],
)
def test_debt_is_the_files_that_the_bytes_do_not_need(files: int, size: int, debt: int):
    assert partition(YESTERDAY, files, size).debt == debt


@pytest.mark.parametrize(
    ("event_date", "files", "is_due"),
    [
        (YESTERDAY, CLOSED_DEBT + 1, True),
        (YESTERDAY, CLOSED_DEBT, False),
        (TODAY, CLOSED_DEBT + 1, False),
        (TODAY, OPEN_DEBT + 1, True),
        (TODAY + timedelta(days=1), CLOSED_DEBT + 1, False),
    ],
)
def test_a_day_that_is_over_is_due_earlier_than_one_that_fills(event_date: date, files: int, is_due: bool):
    assert partition(event_date, files).is_due(TODAY) == is_due


def test_days_that_are_over_come_first_and_then_those_that_owe_most():
    today, small, large = partition(TODAY, 500), partition(YESTERDAY, 20), partition(YESTERDAY, 200)
    assert due_partitions([today, small, partition(YESTERDAY, 2), large], today=TODAY) == [large, small, today]


def test_only_partitions_that_are_due_are_rewritten_and_each_alone():
    engine = engine_of([day(YESTERDAY, 30), day(TODAY, 3)], [day(YESTERDAY, 1, size=30_000), day(TODAY, 3)])
    report = compact_table(engine, name=BRONZE, clock=lambda: MOMENT)
    [statement] = [each for each in engine.executed if each.name == "maintenance/compact.sql"]
    assert statement.text.startswith('alter table "iceberg"."bronze"."service_events_raw" execute optimize')
    assert f"(file_size_threshold => '{SMALL_BYTES}B')" in statement.text
    assert f"and \"event_date\" = cast('{YESTERDAY}' as date)" in statement.text
    assert "and \"service\" = cast('PGR' as varchar)" in statement.text
    assert (report.partitions, report.files_before, report.files_after) == (1, 30, 1)
    assert (report.bytes_before, report.bytes_after) == (30_000, 30_000)


def test_a_partition_without_a_value_is_rewritten_too():
    engine = engine_of([day(None, OPEN_DEBT + 1)], [day(None, 1)])
    compact_table(engine, name=BRONZE, clock=lambda: MOMENT)
    [statement] = [each for each in engine.executed if each.name == "maintenance/compact.sql"]
    assert 'and "event_date" is null\n' in statement.text


@pytest.mark.parametrize(
    "rows",
    [
        [(NamedRowTuple([676], ["event_date_month"], ["integer"]), 30, 30), (None, 25, 25)],
        [unpartitioned(files=55)],
    ],
)
def test_a_table_whose_partitions_no_value_names_is_one(rows: list[tuple[Any, ...]]):
    [whole] = read_partitions(engine_of(rows), name="iceberg.silver.silver_pgr_events")
    assert (whole.values, whole.files) == ((), 55)


def test_a_table_without_files_owes_nothing():
    engine = engine_of([])
    assert compact_table(engine, name=BRONZE, clock=lambda: MOMENT).partitions == 0
    assert "maintenance/compact.sql" not in engine.names


@pytest.mark.parametrize("bound", [{"most_partitions": 2}, {"most_bytes": 50_000}])
def test_a_run_is_bounded_and_says_what_is_left(bound: dict[str, int]):
    days = [day(YESTERDAY - timedelta(days=number), 20) for number in range(5)]
    report = compact_table(engine_of(days, days), name=BRONZE, clock=lambda: MOMENT, **bound)
    assert (report.partitions, report.left) == (2, 3)


def test_a_partition_larger_than_the_bound_is_rewritten_too():
    days = [day(YESTERDAY, 20)]
    assert compact_table(engine_of(days, days), name=BRONZE, clock=lambda: MOMENT, most_bytes=1).partitions == 1


def test_a_partition_that_another_writer_changed_waits_and_the_others_are_rewritten():
    days = [day(YESTERDAY, 40), day(YESTERDAY - timedelta(days=1), 20)]
    answers = [CommitConflictError(message="planted", query_id=None), rows_of()]
    report = compact_table(engine_of(days, days, compact=answers), name=BRONZE, clock=lambda: MOMENT)
    assert (report.partitions, len(report.lost_to_others), report.left) == (1, 1, 0)
    assert report.files_before == 20
