"""What is left after engines were killed. Runs in a pytest session of its own, on the tests' own stack."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable

import boto3
import psutil
import pytest
from confluent_kafka import Consumer, Producer
from rich.console import Console

from stack.engines import ENGINES, Engine
from stack.environment_file import EXAMPLE_FILE, ensure_environment_file, port_settings
from stack.errors import EngineFailedError
from stack.layout import StackLayout
from stack.lifecycle import Stack
from stack.processes import stack_processes
from stack.supervision import Supervisor
from stack.tests_stack import free_ports

pytestmark = [pytest.mark.engine, pytest.mark.disruptive]

TOPIC = "recovery"
TABLE = "iceberg.recovery.kept"


def s3_client(environment: dict[str, str]):
    return boto3.client("s3", endpoint_url=environment["S3_ENDPOINT"], region_name=environment["AWS_REGION"])


def first_message(environment: dict[str, str]) -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": environment["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": "recovery",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.subscribe([TOPIC])
        message = consumer.poll(60)
        return message.value() if message and not message.error() else None
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def require_stored_data(stack_environment: dict[str, str], query) -> Callable[[], None]:
    """Stores an object, a row and a message; gives a check that they are still there."""
    bucket = stack_environment["LAKEHOUSE_BUCKET"]
    s3_client(stack_environment).put_object(Bucket=bucket, Key="recovery/kept", Body=b"kept")
    query("create schema if not exists iceberg.recovery with (location = 's3://lake/recovery')")
    query(f"create table if not exists {TABLE} as select 'kept' as value")
    producer = Producer({"bootstrap.servers": stack_environment["KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce(TOPIC, b"kept")
    assert producer.flush(30) == 0

    def check() -> None:
        stored = s3_client(stack_environment).get_object(Bucket=bucket, Key="recovery/kept")
        assert stored["Body"].read() == b"kept"
        assert query(f"select value from {TABLE}") == [["kept"]]
        assert first_message(stack_environment) == b"kept"

    return check


def kill(*pids: int) -> None:
    """Kill processes and return when they have ended: a large one goes on answering for a moment."""
    processes = [psutil.Process(pid) for pid in pids]
    for process in processes:
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_killed_engine_comes_back_with_the_data(
    running_stack: Stack, program_ids, require_stored_data, engine: Engine
):
    before = program_ids()
    kill(*(before[program] for program in engine.programs))
    running_stack.up()
    after = program_ids()
    assert {name for name in before if before[name] != after[name]} == set(engine.programs)
    require_stored_data()


def test_stack_comes_back_with_the_data_after_every_process_was_killed(running_stack: Stack, require_stored_data):
    killed = stack_processes(running_stack.layout.directory)
    assert len(killed) > len(ENGINES)
    kill(*(process.pid for process in killed))
    running_stack.up()
    require_stored_data()


def test_stopping_leaves_no_process_even_without_the_supervisor_and_keeps_the_data(
    running_stack: Stack, require_stored_data
):
    supervisor = Supervisor(running_stack.layout).process_id()
    assert supervisor is not None
    kill(supervisor)
    running_stack.down()
    assert stack_processes(running_stack.layout.directory) == []
    running_stack.up()
    require_stored_data()


def test_engine_that_cannot_start_is_named_with_its_log(tmp_path):
    layout = StackLayout(directory=tmp_path, environment_file=tmp_path / ".env")
    chosen = {name: str(port) for name, port in zip(port_settings(EXAMPLE_FILE), free_ports(), strict=False)}
    ensure_environment_file(layout.environment_file, environment={**chosen, "KAFKA_HEAP": "nonsense"})
    stack = Stack(layout, Console(file=io.StringIO()))
    try:
        with pytest.raises(EngineFailedError) as caught:
            stack.up()
    finally:
        stack.down()
    assert caught.value.engine == "Kafka"
    assert "nonsense" in caught.value.tail
    assert str(layout.logs / "kafka.log") in str(caught.value)
    assert stack_processes(layout.directory) == []
