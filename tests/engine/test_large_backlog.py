from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.engine.conftest import event
from tests.engine.stream import Stream

pytestmark = [pytest.mark.engine, pytest.mark.long]

WORKER = Path(__file__).parent / "drain_worker.py"
PARTITIONS = 4
MESSAGES = 3_000_000
#: Of the issue that asked for the drain: however far behind it is.
MEMORY_BYTES = 10**9


def test_three_million_messages_are_drained_within_a_gigabyte(make_stream: Callable[..., Stream]):
    stream = make_stream(partitions=PARTITIONS)
    events = [
        json.dumps(event(number, attributes_json={"number": number, "text": "x" * 350})).encode()
        for number in range(10_000)
    ]
    producer = Producer({**stream.settings, "linger.ms": 50})
    for number, value in enumerate(islice(cycle(events), MESSAGES)):
        while True:
            try:
                producer.produce(stream.topic, value, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(1)
    assert producer.flush(120) == 0
    command = [sys.executable, str(WORKER), str(stream.contract_path)]
    worker = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(worker.stdout) < MEMORY_BYTES
    accounts = stream.accounts()
    assert [(account.bronze_rows, account.problems) for account in accounts] == [
        (MESSAGES // PARTITIONS, "")
    ] * PARTITIONS
