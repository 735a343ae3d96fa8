"""Messages from before reading began, loaded beside the drain of what is new, on the real broker and engine."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lakehouse.broker import TopicPartition
from lakehouse.drain.lag import PartitionLag, read_lag
from lakehouse.drain.positions import Positions
from lakehouse.load.ledger import Ledger
from lakehouse.load.offset_range import OffsetRange
from lakehouse.load.period import Period
from lakehouse.load.protocol import Step
from lakehouse.statements import render
from tests.engine.conftest import event
from tests.engine.stream import Stream

pytestmark = pytest.mark.engine

OLD = 20
NEW = 5


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


@pytest.fixture
def stream(make_stream: Callable[..., Stream]) -> Stream:
    """A topic that has old messages, and is drained from the newest on."""
    stream = make_stream(origin=", start: latest")
    stream.send([event(number) for number in range(OLD - 1)] + ["{"])
    stream.drain()
    stream.send(event(number) for number in range(OLD, OLD + NEW))
    stream.drain()
    return stream


def offsets(stream: Stream, first: int, next_position: int) -> OffsetRange:
    return OffsetRange(f"kafka://{stream.topic}/0", first, next_position)


def lag_of(stream: Stream) -> tuple[PartitionLag, ...]:
    engine = stream.platform.engine
    positions = Positions(contract=stream.contract, engine=engine, ledger=Ledger(engine=engine))
    return read_lag(stream.contract, broker=stream.broker, positions=positions)


def positions_in_bronze(stream: Stream) -> list[int]:
    return [row[0] for row in stream.bronze("_position")]


def gaps(stream: Stream) -> list[tuple[object, ...]]:
    """What the check of the platform would find."""
    statement = render(
        "watch/ledger_gaps.sql", ledger="iceberg.bronze.ledger", contracts=json.dumps([stream.contract.name])
    )
    return list(stream.platform.engine.execute(statement).rows)


def test_old_messages_are_loaded_once_and_the_live_drain_stays_where_it_is(stream: Stream):
    before = lag_of(stream)
    assert stream.drain(backfill=offsets(stream, 5, 10)).rows == 5
    assert lag_of(stream) == before
    assert stream.broker.committed(stream.group, [TopicPartition(stream.topic, 0)]) == {
        TopicPartition(stream.topic, 0): OLD + NEW
    }
    # What lies between was never asked for: it is no gap, and nobody reads it.
    assert [account.problems for account in stream.accounts()] == [""]
    assert gaps(stream) == []
    assert stream.drain().records == 0
    assert positions_in_bronze(stream) == [*range(5, 10), *range(OLD, OLD + NEW)]

    # A second one takes what the first left, on both sides of it, and nothing of the live drain's.
    report = stream.drain(backfill=Period())
    assert (report.records, report.rows, report.rejects) == (OLD - 5, OLD - 6, 1)
    assert stream.drain(backfill=Period()).records == 0
    assert positions_in_bronze(stream) == [*range(OLD - 1), *range(OLD, OLD + NEW)]
    assert lag_of(stream) == before
    [account] = stream.accounts()
    assert (account.records_read, account.open_rejects, account.problems) == (OLD + NEW, 1, "")
    ranges = stream.ledger("first_position, next_position")
    assert ranges == [(0, 5), (5, 10), (10, OLD), (OLD, OLD), (OLD, OLD + NEW)]
    assert gaps(stream) == []


@pytest.mark.long
def test_a_backfill_that_dies_is_finished_by_the_next_and_the_live_drain_goes_on(stream: Stream):
    def die_after(step: Step) -> Callable[[str], None]:
        def on_step(done: str) -> None:
            if done == str(step):
                raise KilledError

        return on_step

    for step, asked in ((Step.ROWS, offsets(stream, 0, 8)), (Step.RECORD, offsets(stream, 8, 15))):
        with pytest.raises(KilledError):
            stream.drain(backfill=asked, on_step=die_after(step))
        stream.send([event(50)])
        assert stream.drain().records == 1
    assert stream.drain(backfill=Period()).records == OLD - 15
    assert positions_in_bronze(stream) == [*range(OLD - 1), *range(OLD, OLD + NEW + 2)]
    assert [account.problems for account in stream.accounts()] == [""]
