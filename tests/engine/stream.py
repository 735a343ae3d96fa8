"""A topic that only one test sends messages to, and its contract."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer
from confluent_kafka import TopicPartition as DriverPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from lakehouse.broker import KafkaBroker, TopicPartition
from lakehouse.certificate import Account
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.drain import Drain, DrainReport
from lakehouse.drain.limits import DrainWindow, FlushLimits
from tests.engine.source_of_one_test import SourceOfOneTest

#: The broker looks every 15 s for what it can compact.
COMPACTION_SECONDS = 120

Value = bytes | str | Mapping[str, Any] | None


@dataclass(frozen=True)
class Stream(SourceOfOneTest):
    """The topic of one test."""

    contract: KafkaContract
    contract_path: Any
    settings: dict[str, str]

    @property
    def topic(self) -> str:
        assert self.contract.origin.topic is not None
        return self.contract.origin.topic

    @property
    def group(self) -> str:
        return self.contract.origin.group

    @property
    def admin(self) -> AdminClient:
        return AdminClient(self.settings)

    @property
    def broker(self) -> KafkaBroker:
        return KafkaBroker(self.settings)

    def create(
        self,
        *,
        partitions: int = 1,
        settings: Mapping[str, str] | None = None,
        replicas: Sequence[int] | None = None,
    ) -> None:
        """Create the topic.

        :param replicas: the brokers of each partition, the leader first.
        """
        placed: dict[str, Any] = {"replication_factor": 1}
        if replicas is not None:
            placed = {"replica_assignment": [list(replicas)] * partitions}
        admin = self.admin
        topic = NewTopic(self.topic, partitions, config=dict(settings or {}), **placed)
        admin.create_topics([topic])[self.topic].result()

    def delete(self) -> None:
        admin = self.admin
        admin.delete_topics([self.topic])[self.topic].result()

    def add_partitions(self, partitions: int) -> None:
        admin = self.admin
        admin.create_partitions([NewPartitions(self.topic, partitions)])[self.topic].result()

    def send(self, values: Iterable[Value], *, partition: int = 0, **options: Any) -> None:
        """Send values in order, and wait until the broker has them."""
        producer = Producer({**self.settings, "linger.ms": 5})
        self.send_with(producer, values, partition=partition, **options)

    def send_with(
        self, producer: Producer, values: Iterable[Value], *, partition: int = 0, **options: Any
    ) -> None:
        for value in values:
            producer.produce(self.topic, encoded(value), partition=partition, **options)
        assert producer.flush(60) == 0

    def forget(self, *, before: int, partition: int = 0) -> None:
        """Delete messages as retention does."""
        admin = self.admin
        place = DriverPartition(self.topic, partition, before)
        for future in admin.delete_records([place]).values():
            future.result()

    def end(self, partition: int = 0) -> int:
        """The offset that the next message gets."""
        place = TopicPartition(self.topic, partition)
        return self.broker.log_ranges([place])[place].end

    def wait_for_compaction(self) -> None:
        """Send messages of a key of their own until the broker holds fewer messages than were sent."""
        deadline = time.monotonic() + COMPACTION_SECONDS
        while True:
            # A segment is closed, and can be compacted, when a message comes after its time.
            self.send([b"{}"], key=b"compaction")
            if len(self.held()) < self.end():
                return
            assert time.monotonic() < deadline, f"no compaction in {COMPACTION_SECONDS} s"
            time.sleep(1)

    def held(self, partition: int = 0) -> list[int]:
        """The offsets of the messages that the broker still has."""
        consumer = Consumer({**self.settings, "group.id": f"{self.group}-held", "enable.partition.eof": True})
        consumer.assign([DriverPartition(self.topic, partition, OFFSET_BEGINNING)])
        offsets = []
        try:
            while (message := consumer.poll(30)) is not None and message.error() is None:
                offsets.append(message.offset())
        finally:
            consumer.close()
        return offsets

    def drain(self, *, limits: FlushLimits | None = None, **options: Any) -> DrainReport:
        """Drain to the ends that the partitions have now."""
        return self.make_drain(limits=limits, **options).run()

    def make_drain(self, *, limits: FlushLimits | None = None, **options: Any) -> Drain:
        platform = self.platform
        return Drain(
            self.contract,
            **{
                "table": platform.table,
                "broker": self.broker,
                "engine": platform.engine,
                "store": platform.store,
                "names": platform.settings.names,
                "limits": limits or FlushLimits(records=100_000, seconds=1),
                "window": DrainWindow(until_end=True),
                "run": "tests",
                **options,
            },
        )

    def accounts(self) -> list[Account]:
        """The certificate's lines of this topic's partitions, in their order."""
        return sorted(super().accounts(), key=lambda account: (account.source or "", account.finished_at))

    def ledger(self, columns: str) -> list[tuple[Any, ...]]:
        return self.platform.rows(
            f"select {columns} from iceberg.bronze.ledger where contract = ? "
            "order by source, first_position, next_position",
            self.contract.name,
        )


def encoded(value: Value) -> bytes | None:
    if isinstance(value, Mapping):
        return json.dumps(value).encode()
    return value.encode() if isinstance(value, str) else value
