"""The step of the demonstration that sends a feed as messages, and has Airflow drain the topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import feed
from feed.passage import TruthFiles
from feed.sending import send
from feed.sinks.kafka_topic import client_settings
from lakehouse.engine import Engine
from lakehouse.statements import render
from stack.demo_account import Comparison, Figure, disagreements
from stack.demo_files import comparison_table
from stack.demo_scene import DemoOutcome, DemoScene
from stack.errors import StackError

DAG = "ingest_kafka__pgr_events_kafka"


@dataclass(frozen=True)
class StreamStep:
    """Sends a feed to the topic of ``pgr_events_kafka``, drains it, and counts what arrived.

    It is sent once in the life of a stack: a message that is sent again is another message.

    :param options: which feed; another one needs days of its own.
    """

    options: feed.Options

    def run(self, scene: DemoScene) -> DemoOutcome:
        with scene.clock.part("Send complaint events to Kafka"):
            truth = self._sent(scene)
        with scene.clock.part("Drain the topic through Airflow"):
            scene.runs.follow([scene.runs.start(DAG, params={"until": "end"}, note="make demo")])
        comparison = compare_stream(scene.engine, truth)
        return DemoOutcome(shown=[comparison_table(comparison)], differences=disagreements([comparison]))

    def _sent(self, scene: DemoScene) -> feed.Truth:
        directory = _directory(scene)
        told = directory / feed.TRUTH_FILE_NAME
        if told.exists():
            truth = feed.read_truth(told)
            scene.console.print(f"  {truth.total.records:,} messages are in the topic from an earlier time")
            return truth
        truth_files = TruthFiles.beside(feed.LocalDirectory(directory), cases=False)
        settings = client_settings(scene.stack.environment())
        try:
            truth = send(self.options, settings=settings, truth_files=truth_files)
        except feed.FeedError as error:
            raise StackError(error.problem, remedy=error.remedy) from error
        scene.console.print(
            f"  {truth.total.records:,} messages, {sum(truth.total.rejects.values()):,} of them bad"
        )
        return truth


def compare_stream(engine: Engine, truth: feed.Truth) -> Comparison:
    """What the lakehouse holds of the messages of a feed, beside its truth.

    :raises LakehouseError: the engine does not answer, or the tables are not there.
    """
    found: Counter[str] = Counter()
    for sent in truth.partitions:
        source = f"kafka://{sent.topic}/{sent.partition}"
        statement = render("demo/stream_found.sql", source=source, first=sent.first, next=sent.next)
        for line in engine.execute(statement).records():
            found[line["reason"]] += line["records"]
    return Comparison("Messages", tuple(_figures(truth, found)))


def _figures(truth: feed.Truth, found: Counter[str]) -> Iterator[Figure]:
    yield Figure("rows in bronze", sum(sent.good_rows for sent in truth.partitions), found.pop("", 0))
    generated: Counter[str] = Counter()
    for sent in truth.partitions:
        generated.update(sent.rejects)
    for reason in sorted({*generated, *found}):
        yield Figure(f"rejected: {reason}", generated[reason], found[reason])


def _directory(scene: DemoScene) -> Path:
    """Beside the topic's own data, with which it goes when the stack is reset."""
    return scene.stack.layout.data / "demo-stream"
