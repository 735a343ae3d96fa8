from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.broker import Polled, TopicPartition
from lakehouse.drain.collector import Collector
from lakehouse.drain.limits import FlushLimits
from lakehouse.readers.json_block import JsonBlockJudge
from lakehouse.tables.definition import Column, ColumnType, TableDefinition
from tests.lakehouse.drain.doubles import SentMessage, assigned, contract_of, sent

TABLE = TableDefinition(
    "iceberg.bronze.visits",
    (Column("event_date", ColumnType.DATE), Column("status", ColumnType.VARCHAR)),
    ("event_date",),
    Path("visits.sql"),
)
FIRST, SECOND = TopicPartition("visits", 0), TopicPartition("visits", 1)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def collector_of(*partitions, clock, records=100, **limits) -> Collector:
    return Collector(
        partitions or (assigned(0), assigned(1)),
        contract=contract_of(),
        limits=FlushLimits(records=records, seconds=5, **limits),
        monotonic=clock,
    )


def add(collector: Collector, **polled) -> None:
    judge = JsonBlockJudge(contract_of(), TABLE)
    for block in list(collector.blocks(Polled(**polled))):
        collector.accept(judge.judge(block))


def ranges(collector: Collector) -> list[tuple[int, int, int, int]]:
    return [
        (
            part.partition.key.partition,
            part.first,
            part.next_position,
            sum(batch.rows.num_rows for batch in part.batches),
        )
        for part in collector.take()
    ]


def test_a_range_reaches_to_the_position_behind_its_last_message(clock):
    collector = collector_of(clock=clock)
    add(collector, messages={FIRST: sent(0, 1, 5), SECOND: sent(3)})
    assert ranges(collector) == [(0, 0, 6, 3), (1, 0, 4, 1)]
    assert collector.is_empty
    add(collector, messages={FIRST: sent(6)})
    assert ranges(collector) == [(0, 6, 7, 1)]


def test_what_is_no_message_is_passed_over_and_recorded(clock):
    collector = collector_of(clock=clock)
    add(collector, messages={FIRST: sent(0)}, ends={FIRST: 4, SECOND: 9})
    assert ranges(collector) == [(0, 0, 4, 1), (1, 0, 9, 0)]


def test_nothing_new_is_nothing_to_flush(clock):
    collector = collector_of(clock=clock)
    add(collector, ends={FIRST: 0, SECOND: 0})
    clock.now = 60
    assert collector.is_empty
    assert not collector.is_due
    assert ranges(collector) == []


def test_messages_of_partitions_that_are_not_assigned_are_not_taken(clock):
    collector = collector_of(assigned(0), clock=clock)
    add(collector, messages={SECOND: sent(0)}, ends={SECOND: 4})
    assert collector.is_empty


def test_messages_before_the_position_are_not_read_again(clock):
    collector = collector_of(assigned(0, position=2), clock=clock)
    add(collector, messages={FIRST: sent(0, 1, 2)})
    assert ranges(collector) == [(0, 2, 3, 1)]


def test_reading_stops_where_a_recorded_range_begins(clock):
    collector = collector_of(assigned(0, until=3), clock=clock)
    add(collector, messages={FIRST: sent(0, 1)})
    assert not collector.has_met_recorded
    add(collector, messages={FIRST: sent(3, 4)}, ends={FIRST: 5})
    assert collector.has_met_recorded
    assert ranges(collector) == [(0, 0, 3, 2)]


def test_a_flush_is_due_when_its_oldest_message_has_waited(clock):
    collector = collector_of(clock=clock)
    add(collector, messages={FIRST: sent(0)})
    clock.now = 4.9
    add(collector, messages={FIRST: sent(1)})
    assert not collector.is_due
    clock.now = 5.0
    assert collector.is_due


def test_a_flush_is_due_when_there_is_as_much_as_it_takes(clock):
    collector = collector_of(clock=clock, records=2)
    add(collector, messages={FIRST: sent(0)})
    assert not collector.is_full
    add(collector, messages={SECOND: sent(0)})
    assert collector.is_full
    assert collector.is_due


def test_large_messages_fill_a_flush_and_make_polls_smaller(clock):
    collector = collector_of(clock=clock, bytes=1_000_000)
    before = collector.messages_wanted
    add(collector, messages={FIRST: [SentMessage(0, b"{" + b" " * 1_000_000)]})
    assert collector.is_full
    assert 1 <= collector.messages_wanted < before


def test_blocks_that_are_not_judged_yet_cannot_be_flushed(clock):
    collector = collector_of(clock=clock)
    list(collector.blocks(Polled(messages={FIRST: sent(0)})))
    with pytest.raises(RuntimeError, match="not judged"):
        collector.take()
