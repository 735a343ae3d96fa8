from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from feed import BrokerError, Options, read_truth
from feed.sending import send
from feed.sinks.kafka_topic import client_settings
from tests.feed.independent_reader import judged

pytestmark = pytest.mark.engine

OPTIONS = Options(events=3_000, seed=4, days=10, tenants=3, duplicates=0.04, late=0.03, bad=0.04)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def topic(stack_environment) -> str:
    """The name of a topic that is not there; deleted in the end."""
    name = f"feed-{secrets.token_hex(4)}"
    yield name
    for deleted in AdminClient(settings_of(stack_environment)).delete_topics([name]).values():
        deleted.exception()


def settings_of(environment: dict[str, str]) -> dict[str, str]:
    return {"bootstrap.servers": environment["KAFKA_BOOTSTRAP_SERVERS"]}


def messages_of(topic: str, environment: dict[str, str]) -> dict[int, list]:
    """Every message of every partition, read by offset."""
    consumer = Consumer(
        settings_of(environment)
        | {"group.id": "feed-tests", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    messages, ended = {partition: [] for partition in partitions}, set()
    while ended < set(partitions):
        message = consumer.poll(30)
        assert message is not None, "the broker does not answer"
        if message.error() is None:
            messages[message.partition()].append(message)
        else:
            ended.add(message.partition())
    consumer.close()
    return messages


def judged_value(message) -> dict | str:
    if not message.value():
        return "empty_record"
    return judged(message.value() + b"\n", "jsonl")[0]


def test_every_message_is_in_the_topic_as_the_truth_says(stack_environment, topic):
    truth = send(OPTIONS, settings=settings_of(stack_environment), topic=topic, partitions=3)

    messages = messages_of(topic, stack_environment)
    assert len(messages) == 3
    verdicts = {
        partition: [judged_value(message) for message in of_partition]
        for partition, of_partition in messages.items()
    }
    for told in truth.partitions:
        found = verdicts[told.partition]
        assert (told.topic, told.first, told.next) == (topic, 0, len(found))
        assert told.good_rows == sum(isinstance(verdict, dict) for verdict in found)
        assert told.rejects == Counter(verdict for verdict in found if isinstance(verdict, str))
    rows = [row for found in verdicts.values() for row in found if isinstance(row, dict)]
    events = Counter(row["attributes"]["event_id"] for row in rows)
    assert truth.total.records == OPTIONS.records == sum(map(len, messages.values()))
    assert len(events) == truth.total.distinct_events == OPTIONS.events
    assert Counter(events.values())[2] == truth.total.duplicates == 120
    assert sum(truth.total.rejects.values()) == 120
    assert set(truth.total.rejects) >= {"invalid_json", "not_utf8", "empty_record", "wrong_type"}


def test_the_events_of_a_case_are_in_one_partition_under_its_name(stack_environment, topic):
    send(OPTIONS, settings=settings_of(stack_environment), topic=topic, partitions=3)
    partitions_of_case = {}
    for partition, messages in messages_of(topic, stack_environment).items():
        for message in messages:
            partitions_of_case.setdefault(message.key(), set()).add(partition)
            row = judged_value(message)
            if isinstance(row, dict):
                assert message.key().decode() == f"{row['tenant_id']}/{row['entity_id']}"
    assert {len(partitions) for partitions in partitions_of_case.values()} == {1}


def test_a_feed_goes_behind_what_is_in_the_topic_already(stack_environment, topic):
    first, second = (send(OPTIONS, settings=settings_of(stack_environment), topic=topic) for _ in range(2))
    (before,), (after,) = first.partitions, second.partitions
    assert (after.first, after.next) == (before.next, before.next + OPTIONS.records)


def test_an_interrupted_feed_sends_what_is_on_the_way_and_tells_the_truth_of_it(
    stack_environment, topic, tmp_path
):
    command = [sys.executable, "-m", "feed", "--to", "kafka", "--topic", topic, "--partitions", "2"]
    process = subprocess.Popen(
        [*command, "--events", "50000", "--rate", "2000", "--truth", tmp_path / "truth.json"],
        cwd=ROOT,
        env=os.environ | stack_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_messages(topic, stack_environment, sent_by=process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)

    assert process.returncode == 0, errors
    assert "ended early" in output
    assert "Sending what is on the way" in errors
    truth = read_truth(tmp_path / "truth.json")
    messages = messages_of(topic, stack_environment)
    rows = [
        row
        for of_partition in messages.values()
        for row in map(judged_value, of_partition)
        if isinstance(row, dict)
    ]
    assert truth.ended_early
    assert truth.total.records == sum(map(len, messages.values())) < 50_000
    assert truth.total.distinct_events == len({row["attributes"]["event_id"] for row in rows})
    assert truth.cases.cases == len({(row["tenant_id"], row["entity_id"]) for row in rows})


def wait_for_messages(topic: str, environment: dict[str, str], *, sent_by: subprocess.Popen) -> None:
    """Return when the topic has a message."""
    consumer = Consumer(settings_of(environment) | {"group.id": "feed-tests", "allow.auto.create.topics": False})
    while topic not in consumer.list_topics(timeout=30).topics:
        assert sent_by.poll() is None, sent_by.communicate()
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(2)])
    while (message := consumer.poll(1)) is None or message.error() is not None:
        assert sent_by.poll() is None, sent_by.communicate()
    consumer.close()


def test_brokers_that_do_not_answer_are_told_with_what_to_check(monkeypatch):
    monkeypatch.setattr("feed.sinks.kafka_topic._ANSWER_SECONDS", 0.5)
    with pytest.raises(BrokerError, match="KAFKA_BOOTSTRAP_SERVERS"):
        send(OPTIONS, settings={"bootstrap.servers": "127.0.0.1:1"}, topic="nobody")


def test_a_message_that_the_broker_does_not_take_ends_the_feed(stack_environment, topic, monkeypatch):
    settings = settings_of(stack_environment) | {"message.max.bytes": "1000"}
    with pytest.raises(BrokerError, match=f"send to {topic}.*MSG_SIZE_TOO_LARGE"):
        send(OPTIONS, settings=settings, topic=topic)


def test_settings_are_named_in_the_environment_as_librdkafka_names_them():
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "one:9093",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": "feed",
        "KAFKA_SSL_CA_LOCATION": "",
        "KAFKA_TOPIC": "pgr-events",
    }
    assert client_settings(environment) == {
        "bootstrap.servers": "one:9093",
        "security.protocol": "SASL_SSL",
        "sasl.username": "feed",
    }
