from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lakehouse.broker import BrokerUnavailableError
from lakehouse.errors import StoreUnavailableError
from lakehouse.watch.checks import Checks
from lakehouse.watch.inspection import Inspection
from lakehouse.watch.platform_check import PlatformCheck
from lakehouse.watch.status import PlatformStatus, read_status
from tests.lakehouse.drain.doubles import MemoryBroker
from tests.lakehouse.load.doubles import MOMENT, MemoryStore, rows_of
from tests.lakehouse.watch.doubles import ChecksEngine, Clock, contract_of, naive

FILES = contract_of("files", freshness="2h")
TOPIC = contract_of("topic", kind="kafka")
ROWS = contract_of("rows", kind="rows")


@pytest.fixture
def engine() -> ChecksEngine:
    loads = ("files", naive(MOMENT - timedelta(hours=1)), 1000, 1010, 10)
    return ChecksEngine(
        {
            "watch/loads.sql": rows_of(loads),
            "watch/open_rejects.sql": rows_of(("files", 12, 10)),
            "watch/refused_files.sql": rows_of(
                ("files", "s3://warehouse/a", "DamagedFileError", naive(MOMENT), None)
            ),
        }
    )


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.put(b"a", bucket="warehouse", key="a")
    return store


@pytest.fixture
def status(engine, store) -> Callable[..., PlatformStatus]:
    def status(*, broker: Callable[[], Any] = MemoryBroker, now=MOMENT) -> PlatformStatus:
        contracts = [FILES, TOPIC, ROWS]
        inspection = Inspection(contracts, targets=[], engine=engine, store=store, broker=broker, now=now)
        states = Checks(engine=engine, check_id="").read()
        return read_status(contracts, inspection=inspection, states=states, now=now)

    return status


def test_each_source_is_told_with_what_came_and_what_waits(status):
    files, topic, rows = status().sources
    assert (files.source, files.kind, files.rows_today, files.open_rejects) == ("files", "files", 1000, 12)
    assert (files.refused_files, files.freshness_seconds, files.is_fresh, files.lag) == (1, 7200, True, None)
    assert (topic.newest_load, topic.is_fresh, topic.lag, topic.missing) == (None, None, 0, 0)
    assert (rows.kind, rows.rows_today, rows.conditions) == ("rows", 0, ())


def test_a_missed_objective_is_shown_before_a_check_has_found_it(status):
    later = status(now=MOMENT + timedelta(hours=2))
    assert (later.sources[0].is_fresh, later.conditions) == (False, ())


def test_open_conditions_are_named_by_source(status, engine, store):
    clock = Clock(MOMENT + timedelta(hours=2))
    PlatformCheck([FILES], targets=[], engine=engine, store=store, clock=clock).run()
    found = status(now=clock.now)
    assert found.sources[0].conditions == ("refused", "stale")
    assert {opening.condition_key for opening in found.conditions} == {"stale/files", "refused/files"}


def test_what_does_not_answer_is_named_and_hides_nothing_else(status, store, monkeypatch):
    def down() -> Any:
        raise BrokerUnavailableError(operation="cluster metadata", message="_TRANSPORT")

    def fail(**_arguments: Any) -> Any:
        raise StoreUnavailableError(operation="head", message="refused")

    monkeypatch.setattr(store, "head", fail)
    found = status(broker=down)
    assert found.silent == ("store", "kafka")
    assert (found.sources[0].refused_files, found.sources[0].rows_today) == (None, 1000)
    assert found.sources[1].lag is None
