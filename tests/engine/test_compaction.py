"""Small files become large ones, whatever is loaded meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from lakehouse.compaction import CLOSED_DEBT, compact_table, read_partitions
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.maintenance import list_tables, maintain_table
from tests.engine.conftest import BRONZE, Platform, Source, event, lines

pytestmark = pytest.mark.engine

MakeSource = Callable[..., Source]
LEDGER = "iceberg.bronze.ledger"
#: A day and a service that no other test loads.
DAY = date(2021, 3, 4)


def put_one_day(source: Source, numbers: range, *, service: str) -> None:
    for number in numbers:
        moment = f"{DAY}T10:00:{number % 60:02}Z"
        source.put(f"{number}.jsonl", lines([event(number, event_time=moment, service=service)]))


def files(platform: Platform, service: str) -> int:
    return sum(
        partition.files
        for partition in read_partitions(platform.engine, name=BRONZE)
        if [value.text for value in partition.values] == [str(DAY), service]
    )


def test_a_day_of_many_small_files_becomes_one_of_few_with_the_same_rows(
    make_source: MakeSource, platform: Platform
):
    source = make_source(text="batch: {records: 1, bytes: 1GB}\n")
    service = source.contract.name
    for number in range(CLOSED_DEBT + 1):
        put_one_day(source, range(number, number + 1), service=service)
        source.load()
    rows = Counter(source.bronze("_source_id, _position, _load_id, entity_id, attributes_json"))
    assert files(platform, service) == CLOSED_DEBT + 1
    report = compact_table(platform.engine, name=BRONZE)
    assert report.partitions >= 1
    assert report.files_after < report.files_before
    assert files(platform, service) <= 2
    assert Counter(source.bronze("_source_id, _position, _load_id, entity_id, attributes_json")) == rows
    assert [account.problems for account in source.accounts()] == [""] * (CLOSED_DEBT + 1)
    assert source.load() == []


def test_what_is_not_due_is_left_alone_without_a_commit(make_source: MakeSource, platform: Platform):
    source = make_source()
    put_one_day(source, range(3), service=source.contract.name)
    source.load()
    compact_table(platform.engine, name=BRONZE)

    def snapshots() -> int:
        return platform.rows('select count(*) from iceberg.bronze."service_events_raw$snapshots"')[0][0]

    before = snapshots()
    assert compact_table(platform.engine, name=BRONZE).partitions == 0
    assert snapshots() == before


def test_a_run_takes_no_more_than_its_bound_and_says_what_is_left(make_source: MakeSource, platform: Platform):
    source = make_source()
    services = [f"{source.contract.name}_{letter}" for letter in "ab"]
    for number in range(CLOSED_DEBT + 1):
        for service in services:
            put_one_day(source, range(number, number + 1), service=service)
            source.load()
    report = compact_table(platform.engine, name=BRONZE, most_partitions=1)
    assert (report.partitions, report.left >= 1) == (1, True)
    report = compact_table(platform.engine, name=BRONZE)
    assert report.left == 0
    assert [files(platform, service) <= 2 for service in services] == [True, True]


def test_today_is_rewritten_only_when_it_owes_much(make_source: MakeSource, platform: Platform):
    source = make_source()
    service = source.contract.name
    for number in range(CLOSED_DEBT + 1):
        put_one_day(source, range(number, number + 1), service=service)
        source.load()

    def as_of_that_day() -> datetime:
        return datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)

    compact_table(platform.engine, name=BRONZE, clock=as_of_that_day)
    assert files(platform, service) == CLOSED_DEBT + 1
    compact_table(platform.engine, name=BRONZE, clock=lambda: as_of_that_day() + timedelta(days=1))
    assert files(platform, service) <= 2


@pytest.mark.parametrize("loads", [pytest.param(30), pytest.param(400, marks=pytest.mark.long)])
def test_maintenance_beside_running_loads_loses_and_doubles_nothing(
    make_source: MakeSource, platform: Platform, loads: int
):
    sources = [make_source(), make_source()]
    ended = threading.Event()

    def load(source: Source) -> None:
        for number in range(loads):
            put_one_day(source, range(number * 10, number * 10 + 10), service="PGR")
            engine = TrinoEngine(connect_with(platform.settings, source="tests"))
            for report in Source(
                platform=Platform(platform.settings, engine, platform.store, platform.table),
                contract=source.contract,
                prefix=source.prefix,
            ).load():
                assert report.failures == ()

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
