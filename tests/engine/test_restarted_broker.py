from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.drain.limits import FlushLimits
from stack.lifecycle import Stack
from stack.supervision import Supervisor
from tests.engine.conftest import event
from tests.engine.stream import Stream

pytestmark = [pytest.mark.engine, pytest.mark.disruptive]

MESSAGES = 5_000
COMPLAINT_SECONDS = 120


def test_a_drain_waits_for_a_broker_that_is_down_and_says_so(
    make_stream: Callable[..., Stream], running_stack: Stack, caplog: pytest.LogCaptureFixture
):
    stream = make_stream(partitions=2)
    for partition in range(2):
        stream.send((event(number) for number in range(MESSAGES)), partition=partition)
    supervisor = Supervisor(running_stack.layout)

    def on_step(step: str) -> None:
        # Before anything was fetched, so that all of it comes after the restart.
        if step == "planned":
            supervisor.stop("kafka")

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(max_workers=1) as pool:
        draining = pool.submit(stream.drain, limits=FlushLimits(records=2_000, seconds=60), on_step=on_step)
        deadline = time.monotonic() + COMPLAINT_SECONDS
        while not any(record.getMessage().startswith("Kafka: ") for record in caplog.records):
            assert time.monotonic() < deadline
            assert not draining.done(), draining.result()
            time.sleep(0.2)
        supervisor.start("kafka")
        report = draining.result()
    assert report.rows == 2 * MESSAGES
    accounts = stream.accounts()
    assert [(account.bronze_rows, account.problems) for account in accounts] == [(MESSAGES, "")] * 2
    running_stack.up()
