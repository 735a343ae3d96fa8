"""Kafka as the drain sees it: topics, offsets, messages, groups. Driver errors are translated here alone.

Partitions are assigned, never subscribed to: nothing here joins a group. Only committed messages are read.
"""

# The driver spells its own error codes with an underscore.
# ruff: noqa: SLF001

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import TopicPartition as DriverPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from lakehouse.errors import LakehouseError, TerminalError, TransientError

_LOG = logging.getLogger(__name__)

_REQUEST_SECONDS = 10.0
_SETTINGS = "the client's settings"
#: What the driver prefetches; it bounds the memory of a consumer however far behind it is.
_PREFETCHED_KILOBYTES = 64 * 1024
#: The broker tells of a client that may not come in, and would say so again.
_REFUSALS = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._INVALID_ARG,
        KafkaError._UNKNOWN_PROTOCOL,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.TOPIC_EXCEPTION,
    }
)
_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
#: A topic that has no id (a broker older than KIP-516) has this one.
_NO_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"
#: Of a consumer that reads each message once, by positions that are not its group's.
_CONSUMER_SETTINGS: Mapping[str, Any] = {
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "queued.max.messages.kbytes": _PREFETCHED_KILOBYTES,
    # So long a commit waits for a group coordinator that is not there; 10 minutes by default, and nothing is read
    # meanwhile.
    "coordinator.query.interval.ms": int(_REQUEST_SECONDS * 1000),
}


class BrokerUnavailableError(TransientError):
    """Kafka does not answer, or not now."""

    def __init__(self, *, operation: str, message: str) -> None:
        super().__init__(
            f"Kafka failed in {operation}: {message}.",
            remedy="Run again when the brokers answer; nothing is lost or doubled meanwhile.",
        )
        self.operation = operation
        self.message = message


class BrokerRefusedError(TerminalError):
    """Kafka does not let this client do that, or a client setting is wrong."""

    def __init__(self, *, operation: str, message: str) -> None:
        super().__init__(
            f"Kafka refused {operation}: {message}.",
            remedy="Check address, SASL and TLS settings and the rights of the account (Airflow connection "
            "lakehouse_kafka, or KAFKA_* in .env).",
        )
        self.operation = operation
        self.message = message


class TopicPartition(NamedTuple):
    """A partition by the name of its topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True)
class Topic:
    """A topic as it is now.

    :param topic_id: of this incarnation; empty where the brokers have no ids.
    """

    name: str
    topic_id: str
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class LogRange:
    """The offsets that a partition has: ``[start, end)``, where ``end`` is that of what is committed."""

    start: int
    end: int


@dataclass(frozen=True)
class GroupMember:
    """Somebody who reads in a consumer group."""

    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]

    def __str__(self) -> str:
        return f"{self.client_id} at {self.host.lstrip('/')}"


class Message(Protocol):
    """What the driver hands over."""

    def offset(self) -> int: ...

    def key(self) -> bytes | None: ...

    def value(self) -> bytes | None: ...

    def headers(self) -> list[tuple[str, bytes | None]] | None: ...

    def timestamp(self) -> tuple[int, int]: ...


@dataclass
class Polled:
    """What one poll gave.

    :param messages: by partition, ascending by offset.
    :param ends: the position of each partition that has nothing more for now: also behind what is no message.
    :param lost: partitions whose position the broker does not have.
    """

    messages: dict[TopicPartition, list[Message]] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    lost: set[TopicPartition] = field(default_factory=set)


class PartitionConsumer(Protocol):
    """Reads assigned partitions from given positions."""

    def assign(self, positions: Mapping[TopicPartition, int]) -> None: ...

    def poll(self, *, messages: int, seconds: float) -> Polled: ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None: ...

    def close(self) -> None: ...


class Broker(Protocol):
    """What the drain asks of Kafka. Every method raises a :class:`LakehouseError`, never a driver's."""

    def cluster_id(self) -> str: ...

    def topic_names(self) -> frozenset[str]: ...

    def describe(self, topics: Collection[str]) -> dict[str, Topic]: ...

    def log_ranges(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, LogRange]: ...

    def offsets_at(
        self, moment: datetime, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int | None]: ...

    def committed(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int | None]: ...

    def members(self, group: str) -> tuple[GroupMember, ...]: ...

    def consumer(self, group: str) -> PartitionConsumer: ...


class KafkaBroker:
    """A Kafka cluster, or anything that speaks its protocol.

    :param configuration: settings of librdkafka: ``bootstrap.servers``, and those of SASL and TLS.
    """

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._configuration: dict[str, Any] = {**configuration, "error_cb": self._note, "logger": _LOG}
        self._complaint: KafkaError | None = None
        with _translated(_SETTINGS):
            self._admin = AdminClient(dict(self._configuration))

    def cluster_id(self) -> str:
        with _translated("cluster metadata", self):
            cluster_id: str | None = self._admin.list_topics(timeout=_REQUEST_SECONDS).cluster_id
        return cluster_id or ""

    def topic_names(self) -> frozenset[str]:
        """Every topic that is not the brokers' own."""
        with _translated("cluster metadata", self):
            topics = self._admin.list_topics(timeout=_REQUEST_SECONDS).topics
        return frozenset(name for name in topics if not name.startswith("__"))

    def describe(self, topics: Collection[str]) -> dict[str, Topic]:
        """The topics of these names that exist, by name."""
        found: dict[str, Topic] = {}
        if not topics:
            return found
        with _translated("topic metadata", self):
            futures = self._admin.describe_topics(
                TopicCollection(sorted(topics)), request_timeout=_REQUEST_SECONDS
            )
        for name, future in futures.items():
            try:
                described = _result(future, f"metadata of topic {name}", self)
            except _NoSuchTopicError:
                continue
            topic_id = str(described.topic_id or "")
            found[name] = Topic(
                name=name,
                topic_id="" if topic_id == _NO_TOPIC_ID else topic_id,
                partitions=tuple(sorted(partition.id for partition in described.partitions)),
            )
        return found

    def log_ranges(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, LogRange]:
        """The offsets of each partition; one that does not exist is absent."""
        starts = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        ends = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {
            partition: LogRange(start=starts[partition], end=ends[partition])
            for partition in partitions
            if partition in starts and partition in ends
        }

    def offsets_at(
        self, moment: datetime, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        """The first offset of each partition whose message is not older than a moment; None where all are."""
        milliseconds = int(moment.timestamp() * 1000)
        found = self._offsets(partitions, OffsetSpec.for_timestamp(milliseconds))
        return {partition: offset if offset >= 0 else None for partition, offset in found.items()}

    def committed(self, group: str, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int | None]:
        """What a group has committed; None where it has not."""
        asked = [DriverPartition(topic, partition) for topic, partition in partitions]
        if not asked:
            return {}
        request = ConsumerGroupTopicPartitions(group, asked)
        with _translated(f"offsets of group {group}", self):
            future = self._admin.list_consumer_group_offsets([request], request_timeout=_REQUEST_SECONDS)[group]
        answer = _result(future, f"offsets of group {group}", self)
        offsets = {TopicPartition(found.topic, found.partition): found.offset for found in answer.topic_partitions}
        return {
            partition: offset if (offset := offsets.get(partition, OFFSET_INVALID)) >= 0 else None
            for partition in partitions
        }

    def members(self, group: str) -> tuple[GroupMember, ...]:
        """Who reads in a group now; nobody in a group that does not exist."""
        with _translated(f"members of group {group}", self):
            future = self._admin.describe_consumer_groups([group], request_timeout=_REQUEST_SECONDS)[group]
        try:
            described = _result(future, f"members of group {group}", self)
        except _NoSuchGroupError:
            return ()
        return tuple(
            GroupMember(
                client_id=member.client_id,
                host=member.host,
                partitions=tuple(
                    TopicPartition(assigned.topic, assigned.partition)
                    for assigned in (member.assignment.topic_partitions if member.assignment else ())
                ),
            )
            for member in described.members
        )

    def consumer(self, group: str) -> PartitionConsumer:
        """A consumer that commits its positions in a group's name, and is none of its members."""
        with _translated(_SETTINGS):
            driver = Consumer({**self._configuration, "group.id": group, **_CONSUMER_SETTINGS})
        return _KafkaConsumer(driver, broker=self)

    def refusal(self) -> KafkaError | None:
        """Why the brokers do not let this client in, as far as they said."""
        return self._complaint if self._complaint and self._complaint.code() in _REFUSALS else None

    def _note(self, error: KafkaError) -> None:
        if self._complaint is None or self._complaint.code() != error.code():
            _LOG.warning("Kafka: %s", error.str())
        self._complaint = error

    def answered(self) -> None:
        """Note that a request was answered."""
        if self._complaint is not None:
            _LOG.info("Kafka answers again")
        self._complaint = None

    def _offsets(self, partitions: Collection[TopicPartition], wanted: OffsetSpec) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        asked = {DriverPartition(topic, partition): wanted for topic, partition in partitions}
        with _translated("partition offsets", self):
            futures = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_REQUEST_SECONDS
            )
        found = {}
        for driver_partition, future in futures.items():
            partition = TopicPartition(driver_partition.topic, driver_partition.partition)
            try:
                found[partition] = _result(future, f"offsets of {partition}", self).offset
            except _NoSuchTopicError:
                continue
        return found


class _KafkaConsumer:
    def __init__(self, driver: Consumer, *, broker: KafkaBroker) -> None:
        self._driver = driver
        self._broker = broker

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these positions on, and no others."""
        assigned = [DriverPartition(topic, number, offset) for (topic, number), offset in positions.items()]
        with _translated("assignment of partitions", self._broker):
            self._driver.assign(assigned)

    def poll(self, *, messages: int, seconds: float) -> Polled:
        """Up to so many messages, waiting up to so long for them.

        A broker that does not answer gives none; whoever waits for it is told in the log.

        :raises BrokerRefusedError: the brokers do not let this client read.
        """
        with _translated("reading messages", self._broker):
            found: list[Any] = self._driver.consume(messages, seconds)
        polled = Polled()
        for (topic, number, is_error), run in groupby(found, _place):
            partition = TopicPartition(topic, number)
            if is_error:
                self._sort_out(partition, list(run), polled)
            else:
                polled.messages.setdefault(partition, []).extend(run)
        if polled.messages:
            self._broker.answered()
        refusal = self._broker.refusal()
        if refusal is not None and not polled.messages:
            raise BrokerRefusedError(operation="reading messages", message=refusal.str())
        return polled

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit positions in the group's name, and wait until it is done.

        :raises BrokerUnavailableError: it was not done, be it because the group has members of its own.
        """
        offsets = [DriverPartition(topic, number, offset) for (topic, number), offset in positions.items()]
        with _translated("committing group offsets", self._broker):
            answers = self._driver.commit(offsets=offsets, asynchronous=False) or ()
        for answer in answers:
            if answer.error is not None:
                raise _of_error(answer.error, operation="committing group offsets", broker=self._broker)

    def close(self) -> None:
        with _translated("closing the consumer", self._broker):
            self._driver.close()

    def _sort_out(self, partition: TopicPartition, found: Iterable[Any], polled: Polled) -> None:
        for message in found:
            error: KafkaError = message.error()
            match error.code():
                case KafkaError._PARTITION_EOF:
                    polled.ends[partition] = message.offset()
                case KafkaError._AUTO_OFFSET_RESET | KafkaError.OFFSET_OUT_OF_RANGE:
                    polled.lost.add(partition)
                case code if code in _NO_TOPIC:
                    polled.lost.add(partition)
                case _:
                    raised = _of_error(error, operation=f"reading {partition}", broker=self._broker)
                    if isinstance(raised, TerminalError):
                        raise raised
                    _LOG.warning("%s", raised)


def _place(message: Any) -> tuple[str, int, bool]:
    return message.topic(), message.partition(), message.error() is not None


class _NoSuchTopicError(BrokerUnavailableError):
    """There is no such topic or partition, or not any more."""


class _NoSuchGroupError(BrokerUnavailableError):
    """There is no such group."""


@contextlib.contextmanager
def _translated(operation: str, broker: KafkaBroker | None = None) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise _of_error(error.args[0], operation=operation, broker=broker) from error


def _result(future: Future[Any], operation: str, broker: KafkaBroker) -> Any:
    with _translated(operation, broker):
        answer = future.result()
    broker.answered()
    return answer


def _of_error(error: KafkaError, *, operation: str, broker: KafkaBroker | None) -> LakehouseError:
    refusal = error if error.code() in _REFUSALS else broker.refusal() if broker else None
    if refusal is not None:
        return BrokerRefusedError(operation=operation, message=refusal.str())
    message = f"{error.name()}: {error.str()}"
    if error.code() in _NO_TOPIC:
        return _NoSuchTopicError(operation=operation, message=message)
    if error.code() == KafkaError.GROUP_ID_NOT_FOUND:
        return _NoSuchGroupError(operation=operation, message=message)
    return BrokerUnavailableError(operation=operation, message=message)


def broker_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of a client outside Airflow: ``KAFKA_SASL_MECHANISM`` is ``sasl.mechanism``, and so on."""
    return {
        setting: environment[name]
        for setting in _FROM_ENVIRONMENT
        if environment.get(name := f"KAFKA_{setting.upper().replace('.', '_')}")
    }


_FROM_ENVIRONMENT: Sequence[str] = (
    "bootstrap.servers",
    "security.protocol",
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.extensions",
    "sasl.kerberos.service.name",
    "sasl.kerberos.principal",
    "sasl.kerberos.keytab",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "client.rack",
)
