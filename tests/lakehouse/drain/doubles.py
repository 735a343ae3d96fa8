"""Stand-ins for Kafka and the ledger's positions, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lakehouse.broker import GroupMember, LogRange, Message, PartitionConsumer, Topic, TopicPartition
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.assignment import AssignedPartition
from lakehouse.drain.errors import MissingRange
from lakehouse.drain.positions import RecordedPosition, Start
from lakehouse.identity import PartitionIdentity

MOMENT = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def contract_of(*, origin: Mapping[str, object] | None = None, **sections: object) -> KafkaContract:
    """A contract that asks for nothing but what is given."""
    return KafkaContract.model_validate(
        {
            "name": "visits",
            "kind": "kafka",
            "from": {"group": "bronze", **({"topic": "visits"} if "pattern" not in (origin or {}) else {})}
            | dict(origin or {}),
            "target": "iceberg.bronze.visits",
            **sections,
        }
    )


@dataclass(frozen=True)
class SentMessage:
    """A message as the driver hands it over."""

    at: int
    content: bytes | None = b"{}"
    named: bytes | None = None
    sent_with: tuple[tuple[str, bytes | None], ...] = ()
    moment: tuple[int, int] = (1, 1_000)

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.named

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return list(self.sent_with) or None

    def timestamp(self) -> tuple[int, int]:
        return self.moment


def sent(*offsets: int) -> list[Message]:
    return [SentMessage(offset) for offset in offsets]


@dataclass
class MemoryBroker:
    """A cluster with some topics."""

    topics: dict[str, Topic] = field(default_factory=dict)
    logs: dict[TopicPartition, LogRange] = field(default_factory=dict)
    group_offsets: dict[TopicPartition, int] = field(default_factory=dict)
    at_moment: dict[TopicPartition, int | None] = field(default_factory=dict)

    def add(self, name: str, *logs: tuple[int, int], topic_id: str = "id") -> None:
        self.topics[name] = Topic(name=name, topic_id=topic_id, partitions=tuple(range(len(logs))))
        self.logs |= {TopicPartition(name, number): LogRange(*log) for number, log in enumerate(logs)}

    def cluster_id(self) -> str:
        return "cluster"

    def topic_names(self) -> frozenset[str]:
        return frozenset(self.topics)

    def describe(self, topics: Collection[str]) -> dict[str, Topic]:
        return {name: self.topics[name] for name in topics if name in self.topics}

    def log_ranges(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, LogRange]:
        return {partition: self.logs[partition] for partition in partitions if partition in self.logs}

    def offsets_at(
        self, moment: datetime, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        return {partition: self.at_moment.get(partition) for partition in partitions}

    def committed(self, group: str, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int | None]:
        return {partition: self.group_offsets.get(partition) for partition in partitions}

    def members(self, group: str) -> tuple[GroupMember, ...]:
        return ()

    def consumer(self, group: str) -> PartitionConsumer:
        raise NotImplementedError


class MemoryPositions:
    """What the ledger says of partitions."""

    def __init__(self) -> None:
        self.recorded: dict[str, RecordedPosition] = {}
        self.starts: list[Start] = []
        self.gaps: list[tuple[MissingRange, str, str]] = []
        self.before_start: dict[str, list[tuple[int, int]]] = {}

    def record(self, identity: PartitionIdentity, next_position: int | None, until: int | None = None) -> None:
        self.recorded[identity.digest] = RecordedPosition(
            source_id=identity.proposed_source_id, next_position=next_position, until=until
        )

    def read(self, identities: Sequence[PartitionIdentity]) -> dict[PartitionIdentity, RecordedPosition]:
        return {
            identity: self.recorded[identity.digest] for identity in identities if identity.digest in self.recorded
        }

    def have_begun(self) -> bool:
        return any(position.next_position is not None for position in self.recorded.values())

    def begun(self, source_ids: Sequence[str]) -> dict[str, tuple[int, list[tuple[int, int]]]]:
        starts = {start.source_id: start.position for start in self.starts}
        return {
            source_id: (starts[source_id], self.before_start.get(source_id, []))
            for source_id in source_ids
            if source_id in starts
        }

    def register(self, identities: Sequence[PartitionIdentity]) -> dict[PartitionIdentity, str]:
        return {identity: identity.proposed_source_id for identity in identities}

    def record_starts(self, starts: Sequence[Start]) -> None:
        self.starts += starts
        for start in starts:
            self.record(start.identity, start.position)

    def record_gap(
        self, missing: MissingRange, *, identity: PartitionIdentity, source_id: str, actor: str, reason: str
    ) -> None:
        self.gaps.append((missing, actor, reason))
        self.recorded[identity.digest] = replace(
            self.recorded[identity.digest], next_position=missing.next_position
        )


def identity_of(partition: int = 0, *, topic: str = "visits", topic_id: str = "id") -> PartitionIdentity:
    return PartitionIdentity(
        cluster_id="cluster", topic=topic, topic_id=topic_id, partition=partition, first_seen=MOMENT
    )


def assigned(partition: int = 0, *, position: int = 0, end: int = 100, until: int | None = None):
    identity = identity_of(partition)
    return AssignedPartition(
        identity=identity,
        source_id=f"source{partition:010}",
        position=position,
        end=end,
        until=until,
    )
