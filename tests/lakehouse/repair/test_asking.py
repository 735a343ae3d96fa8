from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.load.ledger import Ledger
from lakehouse.load.offset_range import OffsetRange
from lakehouse.repair.asking import asked_ranges, moment, offset_range, source_named, stated_reason
from lakehouse.repair.errors import (
    NoMomentError,
    NoOffsetsError,
    NoReasonError,
    NothingToUnloadError,
    NotOneNameError,
    OffsetsStayOutError,
)
from lakehouse.sources import read_source
from tests.lakehouse.load.doubles import ScriptedEngine, rows_of

FILES = read_source("pgr_events_csv").contract
ROWS = read_source("pgr_events_rows").contract
KAFKA = read_source("pgr_events_kafka").contract


@pytest.mark.parametrize("key", ["staging/a b.csv", "s3://warehouse/staging/a b.csv"])
def test_an_object_is_named_by_its_key_or_its_address(key):
    assert source_named(key, contract=FILES) == "s3://warehouse/staging/a b.csv"


@pytest.mark.parametrize("key", ["form 7", "rows://pgr_events_rows/form 7"])
def test_rows_are_named_by_their_key(key):
    assert source_named(key, contract=ROWS) == "rows://pgr_events_rows/form 7"


@pytest.mark.parametrize("asked", ["pgr-events/0:1000-2000", "kafka://pgr-events/0:1000-2000"])
def test_offsets_are_a_partition_and_a_range(asked):
    assert offset_range(asked) == OffsetRange("kafka://pgr-events/0", 1000, 2000)


@pytest.mark.parametrize(
    "asked", ["", "pgr-events:1-2", "pgr-events/0", "pgr-events/0:2-2", "pgr-events/0:3-2", "pgr-events/0:1-2 x"]
)
def test_what_is_no_range_of_offsets_is_refused_with_an_example(asked):
    with pytest.raises(NoOffsetsError, match="pgr-events/0:1000-2000"):
        offset_range(asked)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-27", datetime(2026, 11, 27, tzinfo=UTC)),
        ("2026-11-27T09:30", datetime(2026, 11, 27, 9, 30, tzinfo=UTC)),
        ("2026-11-27T09:30+05:30", datetime(2026, 11, 27, 4, tzinfo=UTC)),
        ("2026-11-27T09:30:00Z", datetime(2026, 11, 27, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_without_an_offset_is_utc(text, expected):
    assert moment(text) - expected == timedelta(0)


def test_what_is_no_moment_is_refused():
    with pytest.raises(NoMomentError, match="'yesterday' is no moment"):
        moment("yesterday")


@pytest.mark.parametrize("reason", ["", " ", "\n\t"])
def test_nothing_is_put_right_without_a_reason(reason):
    with pytest.raises(NoReasonError, match="Say why"):
        stated_reason(reason)


@pytest.mark.parametrize("names", [{}, {"load_id": "a", "key": "b"}, {"key": "b", "offsets": "t/0:1-2"}])
def test_what_is_taken_out_has_one_name_before_anything_is_asked(names):
    engine = ScriptedEngine()
    with pytest.raises(NotOneNameError):
        asked_ranges(FILES, engine=engine, ledger=Ledger(engine=engine), **names)
    assert engine.executed == []


def test_what_was_never_loaded_is_not_there_to_be_taken_out():
    engine = ScriptedEngine()
    with pytest.raises(NothingToUnloadError, match="pgr_events_csv has loaded nothing that is load 7"):
        asked_ranges(FILES, engine=engine, ledger=Ledger(engine=engine), load_id="7")


def of_ledger(first: int | None, next_position: int | None):
    columns = (
        "loads", "records_read", "first_position", "next_position", "has_hole", "targets", "contract", "touched",
        "is_begun", "is_ended",
    )  # fmt: skip
    return rows_of((1, 9, first, next_position, False, None, None, None, False, False), columns=columns)


def test_offsets_that_are_taken_out_cannot_be_loaded_again():
    partition = ("0k9c000000000000", "partition", "kafka://t/0", "{}", 1, 10, False, False)
    engine = ScriptedEngine(
        {
            "repair/find_sources.sql": rows_of(partition),
            "repair/unload_range.sql": of_ledger(1, 10),
            "repair/count_rows.sql": rows_of((0,)),
            "repair/count_rejects.sql": rows_of((0,)),
        }
    )
    asked = {"engine": engine, "ledger": Ledger(engine=engine), "offsets": "t/0:1-10"}
    [found] = asked_ranges(KAFKA, **asked)
    assert found.told.startswith("kafka://t/0, 1-10: 1 loads, 0 rows in bronze")
    with pytest.raises(OffsetsStayOutError):
        asked_ranges(KAFKA, **asked, reload=True)
