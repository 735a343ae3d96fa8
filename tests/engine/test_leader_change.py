from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from lakehouse.drain.limits import FlushLimits
from stack.lifecycle import Stack
from tests.engine.conftest import event
from tests.engine.stream import Stream
from tests.engine.two_brokers import TwoBrokers, two_brokers

pytestmark = pytest.mark.engine

MESSAGES = 3_000


@pytest.fixture
def brokers(tmp_path: Path, running_stack: Stack) -> Iterator[TwoBrokers]:
    with two_brokers(tmp_path, running_stack.fetch()["kafka"]) as brokers:
        yield brokers


def test_a_drain_goes_on_with_the_new_leader_when_the_old_one_dies(
    make_stream: Callable[..., Stream], brokers: TwoBrokers
):
    stream = dataclasses.replace(make_stream(), settings=brokers.settings)
    stream.create(replicas=[2, 1])
    producer = Producer({**stream.settings, "acks": "all"})
    stream.send_with(producer, (event(number) for number in range(MESSAGES)))

    def on_step(step: str) -> None:
        if step == "planned":
            brokers.second.kill()

    report = stream.drain(limits=FlushLimits(records=1_000, seconds=60), on_step=on_step)
    assert report.rows == MESSAGES
    # The first broker leads now, and takes messages again.
    stream.send_with(producer, [event(MESSAGES)])
    assert stream.drain().rows == 1
    [account] = stream.accounts()[-1:]
    assert account.problems == ""
    assert [position for (position,) in stream.bronze("_position")] == list(range(MESSAGES + 1))
