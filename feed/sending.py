"""A whole feed as messages in a topic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from feed.defects import DefectRota
from feed.encoders.message_encoder import BronzeMessageEncoder
from feed.passage import Conduct, start
from feed.sinks.kafka_topic import open_kafka_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from feed.encoders.message_encoder import MessageEncoder
    from feed.options import Options
    from feed.passage import TruthFiles
    from feed.truth import Truth

DEFAULT_TOPIC = "pgr-events"


def send(
    options: Options,
    *,
    settings: Mapping[str, str],
    topic: str = DEFAULT_TOPIC,
    truth_files: TruthFiles | None = None,
    encoder: MessageEncoder | None = None,
    partitions: int = 1,
    conduct: Conduct | None = None,
) -> Truth:
    """Send the feed to a topic, one message a record, and return its truth when all is acknowledged.

    Times of the events are those of the feed; Kafka's own are those of sending. Formats, files and compression do
    not matter here.

    :param settings: of a Kafka client, as `feed.sinks.kafka_topic.client_settings` reads them.
    :param truth_files: where to write the truth; None writes nothing.
    :param encoder: how a message is laid out; the columns of the bronze table when not given.
    :param partitions: of the topic, when it is not there and has to be made.
    :raises BrokerError: the brokers do not answer, refuse, or did not acknowledge a message in time.
    """
    conduct = conduct or Conduct()
    with open_kafka_topic(
        topic, encoder=encoder or BronzeMessageEncoder(), settings=settings, partitions=partitions
    ) as sink:
        # While it waits for its time, it hears what the brokers say.
        conduct = replace(conduct, pace=replace(conduct.pace, wait=sink.wait))
        with start(options, truth_files=truth_files, conduct=conduct) as passage:
            passage.hand_over(passage.deliveries, sink=sink, rota=DefectRota(sink.defects))
            sink.flush()
            truth = passage.truth(partitions=sink.partitions())
    if truth_files is not None:
        truth_files.write(truth)
    return truth
