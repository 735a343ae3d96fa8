"""Small files become large ones, whatever is loaded meanwhile."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lakehouse.compaction import CLOSED_DEBT, CompactionReport, compact_table, read_partitions
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.maintenance import list_tables, maintain_table
from tests.engine.conftest import BRONZE, Platform, Source, event, lines

pytestmark = pytest.mark.engine

LEDGER = "iceberg.bronze.ledger"
#: That no other test loads.
DAY = date(2021, 3, 4)
FILES = CLOSED_DEBT + 1


@dataclass(frozen=True)
class ScratchTable:
    """A table of one test, partitioned as bronze is."""

    platform: Platform
    name: str

    def add(self, count: int, *, service: str = "PGR", first: int = 0) -> None:
        """Rows by as many statements, so each in a file of its own."""
        for number in range(first, first + count):
            self.platform.rows(
                f"insert into {self.name} values (cast(? as date), ?, ?)", str(DAY), service, number
            )

    def rows(self) -> Counter[tuple[Any, ...]]:
        return Counter(self.platform.rows(f"select * from {self.name}"))

    def files(self, service: str = "PGR") -> int:
        return sum(
            partition.files
            for partition in read_partitions(self.platform.engine, name=self.name)
            if [value.text for value in partition.values] == [str(DAY), service]
        )

    def snapshots(self) -> int:
        catalog, schema, table = self.name.split(".")
        [[count]] = self.platform.rows(f'select count(*) from {catalog}.{schema}."{table}$snapshots"')
        return int(count)

    def compact(self, **options: Any) -> CompactionReport:
        return compact_table(self.platform.engine, name=self.name, **options)


@pytest.fixture
def scratch(platform: Platform) -> Iterator[ScratchTable]:
    name = f"iceberg.bronze.scratch_{uuid.uuid4().hex[:12]}"
    platform.rows(
        f"create table {name} (event_date date, service varchar, number bigint) "
        "with (partitioning = array['event_date', 'service'])"
    )
    yield ScratchTable(platform, name)
    platform.rows(f"drop table {name}")


def test_a_day_of_many_small_files_becomes_one_of_few_with_the_same_rows(scratch: ScratchTable):
    scratch.add(FILES)
    scratch.add(2, service="TAX")
    rows = scratch.rows()
    report = scratch.compact()
    assert (report.partitions, report.files_before, report.left) == (1, FILES, 0)
    assert report.files_after == scratch.files() <= 2
    assert report.bytes_after < report.bytes_before
    assert scratch.files("TAX") == 2
    assert scratch.rows() == rows


def test_what_is_not_due_is_left_alone_without_a_commit(scratch: ScratchTable):
    scratch.add(CLOSED_DEBT)
    before = scratch.snapshots()
    assert scratch.compact().partitions == 0
    assert scratch.snapshots() == before


def test_a_run_takes_no_more_than_its_bound_and_says_what_is_left(scratch: ScratchTable):
    scratch.add(FILES)
    scratch.add(FILES + 1, service="it's a 'tax'")
    report = scratch.compact(most_partitions=1)
    assert (report.partitions, report.files_before, report.left) == (1, FILES + 1, 1)
    report = scratch.compact()
    assert (report.partitions, report.files_before, report.left) == (1, FILES, 0)
    assert scratch.files("it's a 'tax'") <= 2


def test_a_day_that_still_fills_waits_until_it_owes_much(scratch: ScratchTable):
    scratch.add(FILES)
    noon = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    assert scratch.compact(clock=lambda: noon).partitions == 0
    assert scratch.compact(clock=lambda: noon + timedelta(days=1)).partitions == 1


def put_one_day(source: Source, numbers: range) -> None:
    for number in numbers:
        moment = f"{DAY}T10:00:{number % 60:02}Z"
        source.put(f"{number}.jsonl", lines([event(number, event_time=moment)]))


@pytest.mark.parametrize("loads", [pytest.param(FILES), pytest.param(300, marks=pytest.mark.long)])
def test_maintenance_beside_running_loads_loses_and_doubles_nothing(
    make_source: Callable[..., Source], platform: Platform, loads: int
):
    sources = [make_source(), make_source()]
    ended = threading.Event()

    def load(source: Source) -> None:
        for number in range(loads):
            put_one_day(source, range(number * 10, number * 10 + 10))
            engine = TrinoEngine(connect_with(platform.settings, source="tests"))
            own = replace(source, platform=replace(platform, engine=engine))
            assert [report.failures for report in own.load()] == [()]

    def maintain() -> int:
        engine = TrinoEngine(connect_with(platform.settings, source="tests"))
        rewritten = 0
        while not ended.is_set():
            for name in (BRONZE, LEDGER):
                rewritten += maintain_table(engine, name=name).partitions
        return rewritten

    with ThreadPoolExecutor(max_workers=3) as pool:
        maintaining = pool.submit(maintain)
        loading = [pool.submit(load, source) for source in sources]
        try:
            for each in loading:
                each.result()
        finally:
            ended.set()
        assert maintaining.result() >= 1
    for source in sources:
        entities = Counter(entity for (entity,) in source.bronze("entity_id"))
        assert entities == Counter(f"PB-PGR-{number}" for number in range(loads * 10))
        assert {account.problems for account in source.accounts()} == {""}


def test_tables_that_are_maintained_are_those_of_the_platform(platform: Platform):
    found = list_tables(platform.engine, catalog="iceberg")
    assert {BRONZE, LEDGER, "iceberg.bronze.rejects", "iceberg.bronze.sources"} <= set(found)
    assert not any(name.endswith("certificate") for name in found)
