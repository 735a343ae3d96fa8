from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.broker import TopicPartition
from lakehouse.drain.backfill import asked_backfill, assign_backfill, first_hole
from lakehouse.drain.errors import BackfillUnclearError, NotOfTopicsError
from lakehouse.load.offset_range import OffsetRange
from lakehouse.load.period import Period
from tests.lakehouse.drain.doubles import MOMENT, MemoryBroker, MemoryPositions, contract_of, identity_of

LATEST = {"start": "latest"}
numbers = st.integers(0, 30)
ranges = st.lists(st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair))), max_size=6)


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.add("visits", (10, 100), (0, 50))
    return broker


@pytest.fixture
def positions() -> MemoryPositions:
    return MemoryPositions()


def assign(broker, positions, backfill, **options):
    return {
        partition.key.partition: (partition.position, partition.until)
        for partition in assign_backfill(
            contract_of(origin=LATEST),
            backfill,
            broker=broker,
            positions=positions,
            clock=lambda: MOMENT,
            **options,
        )
    }


def offsets(first: int, next_position: int, *, partition: int = 0) -> OffsetRange:
    return OffsetRange(f"kafka://visits/{partition}", first, next_position)


def test_only_what_lies_before_the_start_and_is_held_is_read(broker, positions):
    assert assign(broker, positions, offsets(0, 1_000)) == {0: (10, 100)}
    assert assign(broker, positions, offsets(20, 30)) == {0: (20, 30)}
    assert assign(broker, positions, offsets(100, 200)) == {}


def test_what_is_recorded_is_not_read_again(broker, positions):
    positions.before_start[identity_of(0).proposed_source_id] = [(20, 30), (40, 50)]
    assert assign(broker, positions, offsets(15, 60)) == {0: (15, 20)}
    assert assign(broker, positions, offsets(20, 60)) == {0: (30, 40)}
    assert assign(broker, positions, offsets(22, 28)) == {}


def test_a_period_is_of_every_partition_by_the_time_of_its_messages(broker, positions):
    begin, end = MOMENT - timedelta(days=2), MOMENT
    at = {begin: {0: 30, 1: None}, end: {0: 60, 1: None}}
    broker.offsets_at = lambda moment, keys: {key: at[moment][key.partition] for key in keys}
    assert assign(broker, positions, Period(begin, end)) == {0: (30, 60)}
    assert assign(broker, positions, Period(begin, None)) == {0: (30, 100)}
    assert assign(broker, positions, Period(None, end)) == {0: (10, 60), 1: (0, 50)}


def test_only_the_partitions_of_a_group_are_read(broker, positions):
    only = {identity_of(1).proposed_source_id}
    assert assign(broker, positions, Period(), only=only) == {1: (0, 50)}


def test_a_partition_of_another_topic_is_refused(broker, positions):
    with pytest.raises(NotOfTopicsError, match="kafka://visits/7 is no partition of the topics of visits"):
        assign(broker, positions, offsets(0, 5, partition=7))
    assert positions.starts == []


def test_the_position_of_the_live_drain_stays(broker, positions):
    assign(broker, positions, offsets(0, 50))
    assert positions.recorded[identity_of(0).digest].next_position == 100
    assert [start.position for start in positions.starts] == [100]
    assert TopicPartition("visits", 0) not in broker.group_offsets


def test_offsets_and_a_period_at_once_are_refused():
    with pytest.raises(BackfillUnclearError):
        asked_backfill(offsets=offsets(0, 5), period=Period(MOMENT, None))
    assert asked_backfill(offsets=None, period=None) is None


@given(st.tuples(numbers, numbers), ranges)
def test_a_hole_is_the_first_run_of_what_was_asked_and_is_not_recorded(asked, recorded):
    missing = set(range(*asked)) - {offset for each in recorded for offset in range(*each)}
    hole = first_hole(asked, recorded)
    if hole is None:
        assert missing == set()
    else:
        assert set(range(*hole)) <= missing
        assert hole[0] == min(missing)
