"""Records as messages in a Kafka topic, each acknowledged by every replica and there once."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from feed.errors import BrokerError
from feed.truth import PartitionTruth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from confluent_kafka import Message as SentMessage

    from feed.cases import Event
    from feed.defects import Defect
    from feed.encoders.message_encoder import Message, MessageEncoder

_ANSWER_SECONDS = 15
_PAUSE_SECONDS = 0.1
_DELIVERY = {
    "enable.idempotence": True,
    "acks": "all",
    # As the producers of the JVM do it, so that a key is in the same partition whoever sends it.
    "partitioner": "murmur2_random",
    "linger.ms": 20,
    "delivery.timeout.ms": 60_000,
}
# Each is named like its environment variable: KAFKA_SASL_USERNAME is sasl.username.
_FROM_ENVIRONMENT = (
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
)


def client_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a Kafka client: `KAFKA_SASL_USERNAME` is `sasl.username`, and so on."""
    return {
        setting: environment[name]
        for setting in _FROM_ENVIRONMENT
        if environment.get(name := f"KAFKA_{setting.upper().replace('.', '_')}")
    }


@dataclass
class _Acknowledged:
    """What the brokers said they have of one partition."""

    first: int
    last: int
    good_rows: int = 0
    rejects: Counter[str] = field(default_factory=Counter)


class KafkaTopic:
    """The sink of one topic."""

    def __init__(self, producer: Producer, topic: str, encoder: MessageEncoder) -> None:
        self._producer = producer
        self._topic = topic
        self._encoder = encoder
        self._acknowledged: dict[int, _Acknowledged] = {}
        self._failure: KafkaError | None = None
        self._on_good = partial(self._acknowledge, None)

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The ways a message of this layout can be damaged."""
        return self._encoder.defects

    def write(self, event: Event) -> None:
        """Send the event's message."""
        self._send(self._encoder.encode(event), self._on_good)

    def write_damaged(self, event: Event, defect: Defect) -> None:
        """Send a damaged copy of the event's message."""
        self._send(self._encoder.encode_damaged(event, defect), partial(self._acknowledge, defect.reason.value))

    def wait(self, seconds: float) -> None:
        """Let time pass and hear acknowledgements meanwhile; it may take less.

        :raises BrokerError: a message was not acknowledged in time.
        """
        self._producer.poll(seconds)
        if self._failure is not None:
            raise BrokerError(f"take a message for {self._topic}", self._failure.str())

    def flush(self) -> None:
        """Return when everything is acknowledged.

        :raises BrokerError: a message was not acknowledged in time.
        """
        while len(self._producer):
            self._producer.flush(_PAUSE_SECONDS)
            self.wait(0)

    def partitions(self) -> tuple[PartitionTruth, ...]:
        """Return what is acknowledged, by partition."""
        return tuple(
            PartitionTruth(
                topic=self._topic,
                partition=partition,
                first=acknowledged.first,
                next=acknowledged.last + 1,
                good_rows=acknowledged.good_rows,
                rejects=dict(sorted(acknowledged.rejects.items())),
            )
            for partition, acknowledged in sorted(self._acknowledged.items())
        )

    def _send(self, message: Message, on_delivery: partial[None]) -> None:
        # The brokers may be slower than the feed: its records wait here then, and not in memory.
        while not self._is_taken(message, on_delivery):
            self.wait(_PAUSE_SECONDS)
        self.wait(0)

    def _is_taken(self, message: Message, on_delivery: partial[None]) -> bool:
        try:
            self._producer.produce(self._topic, key=message.key, value=message.value, on_delivery=on_delivery)
        except BufferError:
            return False
        except KafkaException as error:
            raise BrokerError(f"send to {self._topic}", str(error.args[0])) from error
        return True

    def _acknowledge(self, reason: str | None, error: KafkaError | None, message: SentMessage) -> None:
        if error is not None:
            self._failure = self._failure or error
            return
        partition, offset = cast("int", message.partition()), cast("int", message.offset())
        acknowledged = self._acknowledged.get(partition)
        if acknowledged is None:
            acknowledged = self._acknowledged[partition] = _Acknowledged(first=offset, last=offset)
        acknowledged.first = min(acknowledged.first, offset)
        acknowledged.last = max(acknowledged.last, offset)
        if reason is None:
            acknowledged.good_rows += 1
        else:
            acknowledged.rejects[reason] += 1


@contextmanager
def open_kafka_topic(
    topic: str, *, encoder: MessageEncoder, settings: Mapping[str, str], partitions: int
) -> Iterator[KafkaTopic]:
    """Give the sink of a topic; when the block has ended well, everything is acknowledged.

    :param settings: of the client, `bootstrap.servers` at least.
    :param partitions: of the topic, when it is not there and has to be made.
    :raises BrokerError: the brokers do not answer, or refuse.
    """
    _ensure_topic(topic, settings=settings, partitions=partitions)
    try:
        producer = Producer({**settings, **_DELIVERY, "client.id": "lakehouse-feed"})
    except KafkaException as error:
        raise BrokerError("accept the settings", str(error.args[0])) from error
    sink = KafkaTopic(producer, topic, encoder)
    try:
        yield sink
        sink.flush()
    except BaseException:
        # What still waits would be sent while the program ends.
        producer.purge()
        raise


def _ensure_topic(topic: str, *, settings: Mapping[str, str], partitions: int) -> None:
    try:
        admin = AdminClient({**settings, "client.id": "lakehouse-feed"})
        if topic in admin.list_topics(timeout=_ANSWER_SECONDS).topics:
            return
        # -1: as many copies as the brokers make by default.
        wanted = NewTopic(topic, num_partitions=partitions, replication_factor=-1)
        admin.create_topics([wanted], operation_timeout=_ANSWER_SECONDS)[topic].result(_ANSWER_SECONDS)
    except KafkaException as error:
        problem = error.args[0]
        if problem.code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise BrokerError(f"make sure of topic {topic}", problem.str()) from error
