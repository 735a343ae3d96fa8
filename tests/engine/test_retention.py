"""Old rows that retention removes on the real engines: accounted for, and never a row more."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.certificate import read_certificate
from lakehouse.load.ledger import Ledger
from lakehouse.repair.removal import RemovalStep
from lakehouse.repair.retention import Retention, RetentionReport
from lakehouse.repair.unload import Unload, find_ranges
from tests.engine.conftest import BRONZE, Platform, Source, event, lines

pytestmark = pytest.mark.engine

#: Long before any event of another test.
NOW = datetime(2002, 1, 11, 5, tzinfo=UTC)
OLD, NEW = "2001-12-01T10:00:00Z", "2002-01-05T10:00:00Z"


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


def retain(platform: Platform, *, on_step: Callable[[RemovalStep], None] = lambda _step: None) -> RetentionReport:
    return retention(platform, on_step=on_step).run(BRONZE)


def retention(platform: Platform, *, reason: str = "kept for 30 days", **options: Any) -> Retention:
    return Retention(
        engine=platform.engine,
        ledger=Ledger(engine=platform.engine, run="tests"),
        age=timedelta(days=30),
        actor="tester",
        reason=reason,
        clock=lambda: NOW,
        **options,
    )


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    """A source of 200 records: every second one is old, two are bad."""
    source = make_source(text="reject_budget: {share: 0.5}\n")
    source.put(
        "events.jsonl",
        lines(event(number, event_time=(OLD, NEW)[number % 2]) for number in range(198)) + "{\n" * 2,
    )
    source.load()
    return source


def standing(source: Source) -> list[tuple[int, int, int, int, str]]:
    """Read, in bronze, among the open rejects, removed, and what is wrong."""
    return [
        (a.records_read, a.bronze_rows, a.open_rejects, a.removed_records, a.problems) for a in source.accounts()
    ]


def test_what_is_old_goes_and_is_accounted_for(source: Source):
    platform = source.platform
    looked = retention(platform).look(BRONZE)
    assert (looked.days, looked.rows) == (1, 99)
    report = retain(platform)
    assert (report.days, report.records, report.by_hand, report.left) == (1, 99, 0, 0)
    assert standing(source) == [(200, 99, 2, 99, "")]
    assert {row[0].isoformat() for row in source.bronze("event_date")} == {"2002-01-05"}
    # Whole files go, so that nothing of them is read any more.
    assert platform.rows(
        'select count(*) from iceberg.bronze."service_events_raw$files" '
        "where partition.event_date < date '2002-01-01'"
    ) == [(0,)]
    said = platform.rows(
        "select records_removed, actor, reason, touched from iceberg.bronze.ledger "
        "where kind = 'retention' and contract = ?",
        source.contract.name,
    )
    assert [row[:3] for row in said] == [(99, "tester", "kept for 30 days")]
    assert [(str(day), service) for day, service in said[0][3]] == [("2001-12-01", "PGR")]


@pytest.mark.long
def test_what_is_removed_is_not_loaded_again_and_a_second_retention_finds_nothing(source: Source):
    retain(source.platform)
    assert source.load() == []
    assert retain(source.platform).rows == 0
    assert standing(source) == [(200, 99, 2, 99, "")]


def test_a_row_that_goes_without_a_retention_is_still_missed(source: Source):
    platform = source.platform
    retain(platform)
    [(source_id,)] = platform.rows(
        "select source_id from iceberg.bronze.sources where contract = ?", source.contract.name
    )
    platform.rows(f"delete from {BRONZE} where _source_id = ? and _position = 1", source_id)
    assert standing(source) == [(200, 98, 2, 99, "rows missing")]
    # What is put back by somebody is told as well: it was removed.
    platform.rows(
        f"insert into {BRONZE} (event_date, service, _source_id, _position) "
        "values (date '2002-01-05', 'PGR', ?, 0)",
        source_id,
    )
    assert "removal not finished" in standing(source)[0][-1]
    platform.rows(f"delete from {BRONZE} where _source_id = ?", source_id)
    take_out(source)


@pytest.mark.parametrize("place", [RemovalStep.NOTE, RemovalStep.ROWS])
def test_a_retention_that_dies_anywhere_is_finished_by_the_next(source: Source, place: RemovalStep):
    def die(step: RemovalStep) -> None:
        if step is place:
            raise KilledError

    with pytest.raises(KilledError):
        retain(source.platform, on_step=die)
    retain(source.platform)
    assert standing(source) == [(200, 99, 2, 99, "")]
    assert source.platform.rows(
        "select sum(records_removed) from iceberg.bronze.ledger where kind = 'retention' and contract = ?",
        source.contract.name,
    ) == [(99,)]


def take_out(source: Source) -> None:
    platform = source.platform
    ledger = Ledger(engine=platform.engine, run="tests")
    [found] = find_ranges(
        source.contract.name,
        target=BRONZE,
        engine=platform.engine,
        ledger=ledger,
        source=f"s3://{platform.settings.names.bucket}/{source.prefix}events.jsonl",
    )
    Unload(engine=platform.engine, ledger=ledger, actor="tester", reason="wrong").run(found)


@pytest.mark.long
def test_what_was_removed_counts_no_more_once_its_load_is_taken_out(source: Source):
    retain(source.platform)
    take_out(source)
    assert standing(source) == [(0, 0, 0, 0, "")]


@pytest.mark.long
def test_what_was_removed_of_offsets_that_are_taken_out_counts_no_more_and_its_neighbours_do(platform: Platform):
    # The loads meet in the middle of a block of removals.
    source_id = f"t{uuid.uuid4().hex[:15]}"
    ledger = (
        "insert into iceberg.bronze.ledger (kind, source_id, first_position, next_position, target, source_kind, "
    )
    for kind, first, behind in (
        ("load", 0, 70),
        ("load", 70, 140),
        ("unload_intent", 70, 140),
        ("unload", 70, 140),
    ):
        platform.rows(
            f"{ledger} records_read, finished_at) values (?, ?, ?, ?, ?, 'partition', 10, localtimestamp)",
            *(kind, source_id, first, behind, BRONZE),
        )
    # Positions 60 to 63, and 64 to 79.
    platform.rows(
        "insert into iceberg.bronze.removals (removal_id, kind, target, source_id, position_block, positions) "
        f"values ('-', 'retention', ?, ?, 0, {-(2**63) + 7 * 2**60}), ('-', 'retention', ?, ?, 1, 65535)",
        *(BRONZE, source_id) * 2,
    )
    [found] = [each for each in read_certificate(platform.engine).accounts if each.source_id == source_id]
    platform.rows("delete from iceberg.bronze.removals where source_id = ?", source_id)
    platform.rows("delete from iceberg.bronze.ledger where source_id = ?", source_id)
    assert (found.records_read, found.removed_records, found.problems) == (10, 10, "")


@pytest.mark.long
def test_rows_of_a_load_that_is_not_recorded_wait_for_the_next_retention(source: Source):
    platform = source.platform
    platform.rows("delete from iceberg.bronze.ledger where contract = ? and kind = 'load'", source.contract.name)
    report = retain(platform)
    assert (report.records, report.left) == (0, 99)
    source.load()
    assert standing(source) == [(200, 198, 2, 0, "")]
    assert retain(platform).records == 99
    assert standing(source) == [(200, 99, 2, 99, "")]


@pytest.mark.long
def test_old_rows_by_hand_go_too(platform: Platform):
    platform.rows(f"insert into {BRONZE} (event_date, service) values (date '2001-11-30', 'PGR')")
    reason = uuid.uuid4().hex
    assert retention(platform, reason=reason).run(BRONZE).by_hand == 1
    assert platform.rows(f"select count(*) from {BRONZE} where event_date < date '2002-01-01'") == [(0,)]
    assert platform.rows(
        "select records_removed, source from iceberg.bronze.ledger where kind = 'retention' and reason = ?",
        reason,
    ) == [(1, "rows written by hand")]
