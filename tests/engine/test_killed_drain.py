from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.drain.assignment import AcceptedGap
from tests.engine.conftest import event
from tests.engine.stream import Stream

pytestmark = pytest.mark.engine

WORKER = Path(__file__).parent / "drain_worker.py"
#: In their order. A flush that was not recorded is read again, with what was sent since.
STEPS = (
    "planned",
    "polled",
    "judged",
    "staged",
    "merging",
    "rows",
    "rejects",
    "verify",
    "record",
    "dropped",
    "committed",
)
SENT_BETWEEN = 40


def kill_after(step: str, stream: Stream) -> None:
    command = [sys.executable, str(WORKER), str(stream.contract_path), step]
    assert subprocess.run(command, check=False, timeout=300).returncode == -signal.SIGKILL


def send(stream: Stream, number: int) -> None:
    """Some messages for each of two partitions, one of them bad."""
    first = number * 2 * SENT_BETWEEN
    for partition in range(2):
        good = [event(first + partition * SENT_BETWEEN + place) for place in range(SENT_BETWEEN - 1)]
        stream.send([*good, b"{"], partition=partition)


@pytest.fixture
def stream(make_stream: Callable[..., Stream]) -> Stream:
    return make_stream(partitions=2)


def assert_everything_is_there_once(stream: Stream, *, sends: int) -> None:
    sent = sends * SENT_BETWEEN
    accounts = stream.accounts()
    assert [(account.records_read, account.open_rejects) for account in accounts] == [(sent, sends)] * 2
    assert [(account.bronze_rows, account.problems) for account in accounts] == [(sent - sends, "")] * 2
    assert len(set(stream.bronze("entity_id"))) == 2 * (sent - sends)


def test_a_drain_that_is_killed_after_any_step_costs_no_message_and_doubles_none(stream: Stream):
    for number, step in enumerate(STEPS):
        send(stream, number)
        kill_after(step, stream)
    stream.drain()
    assert_everything_is_there_once(stream, sends=len(STEPS))


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
def test_what_a_killed_drain_left_is_finished_by_the_next_one(stream: Stream, step: str):
    send(stream, 0)
    kill_after(step, stream)
    stream.drain()
    assert_everything_is_there_once(stream, sends=1)


def test_a_gap_behind_rows_that_a_killed_drain_had_merged_counts_them_as_read(stream: Stream):
    send(stream, 0)
    kill_after("rejects", stream)
    for partition in range(2):
        stream.forget(before=SENT_BETWEEN, partition=partition)
    send(stream, 1)
    stream.drain(accepted_gap=AcceptedGap(actor="tests", reason="deleted"))
    assert_everything_is_there_once(stream, sends=2)
