from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stack.kafka_tools import KAFKA_TOOLS, kafka_tool_command


def test_tool_is_told_the_broker_of_the_stack():
    command = kafka_tool_command(
        "topics", ["--list"], distribution=Path("/kafka"), bootstrap_servers="127.0.0.1:19092"
    )
    assert command[-4:] == [KAFKA_TOOLS["topics"], "--bootstrap-server", "127.0.0.1:19092", "--list"]


@pytest.mark.parametrize("told", [["--bootstrap-server", "other:9092"], ["--bootstrap-server=other:9092"]])
def test_broker_that_is_named_goes_before_that_of_the_stack(told):
    command = kafka_tool_command("topics", told, distribution=Path("/kafka"), bootstrap_servers="127.0.0.1:19092")
    assert "127.0.0.1:19092" not in command


@pytest.mark.engine
def test_tools_reach_the_running_broker(stack_environment):
    topic = "kafka-tools-test"

    def kafka(*arguments: str, text: str = "") -> str:
        command = [sys.executable, "-m", "stack", "kafka", *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=120).stdout

    kafka("topics", "--create", "--if-not-exists", "--topic", topic, "--partitions", "1")
    kafka("console-producer", "--topic", topic, text='{"tenant_id": "TENANT_001"}\n')
    assert kafka("get-offsets", "--topic", topic).splitlines() == [f"{topic}:0:1"]
    kafka("topics", "--delete", "--topic", topic)
