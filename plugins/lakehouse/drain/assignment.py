"""Which partitions a drain reads, and from where on: what the brokers have, against what the ledger says."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from lakehouse.broker import Broker, LogRange, Topic, TopicPartition
from lakehouse.contracts.kafka_contract import KafkaContract, OnGap, StartPosition
from lakehouse.drain.errors import LogTruncatedError, MissingRange, RetentionGapError
from lakehouse.drain.positions import Positions, RecordedPosition, Start
from lakehouse.identity import PartitionIdentity
from lakehouse.load.ledger import Clock, system_clock

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class AssignedPartition:
    """A partition to be read.

    :param position: the first offset to read.
    :param end: that of the log when this was planned.
    :param until: where the next recorded range begins, if there is one.
    """

    identity: PartitionIdentity
    source_id: str
    position: int
    end: int
    until: int | None = None

    @property
    def key(self) -> TopicPartition:
        return TopicPartition(self.identity.topic, self.identity.partition)


@dataclass(frozen=True)
class AcceptedGap:
    """Somebody's word that messages which the brokers no longer hold will not come back."""

    actor: str
    reason: str


_BY_CONTRACT = AcceptedGap(actor="contract", reason="the contract says on_gap: record")


def identify(
    contract: KafkaContract, *, broker: Broker, clock: Clock = system_clock
) -> dict[TopicPartition, PartitionIdentity]:
    """Every partition of the contract's topics as they are now."""
    now = clock()
    cluster_id = broker.cluster_id()
    return {
        TopicPartition(topic.name, partition): PartitionIdentity(
            cluster_id=cluster_id,
            topic=topic.name,
            topic_id=topic.topic_id,
            partition=partition,
            first_seen=now,
        )
        for topic in _topics(contract, broker=broker)
        for partition in topic.partitions
    }


def _topics(contract: KafkaContract, *, broker: Broker) -> list[Topic]:
    origin = contract.origin
    if origin.topic is not None:
        names: Collection[str] = (origin.topic,)
    else:
        names = [name for name in broker.topic_names() if origin.matches(name)]
    found = broker.describe(names)
    if not found:
        _LOG.warning("There is no topic %s (yet)", origin.topic or f"that matches {origin.pattern}")
    return [found[name] for name in sorted(found)]


def assign_partitions(
    contract: KafkaContract,
    *,
    broker: Broker,
    positions: Positions,
    only: Collection[str] | None = None,
    accepted_gap: AcceptedGap | None = None,
    clock: Clock = system_clock,
) -> tuple[AssignedPartition, ...]:
    """The partitions to read, each from where the ledger has it; sorted by source id.

    A partition that is new gets its source id, and the start that its contract wants, once and for all.

    :param only: source ids; by default every partition of the contract's topics.
    :param accepted_gap: messages that are missing are recorded as missing, in this name.
    :raises RetentionGapError: messages were deleted before they were read, and nobody accepted that.
    :raises LogTruncatedError: a log ends before its recorded position.
    """
    identities = identify(contract, broker=broker, clock=clock)
    recorded = begin_partitions(contract, identities, broker=broker, positions=positions)
    if only is not None:
        recorded = {key: position for key, position in recorded.items() if position.source_id in only}
    logs = broker.log_ranges(list(recorded))
    missing = _missing(recorded, logs, identities)
    if missing:
        accepted = accepted_gap or (_BY_CONTRACT if contract.origin.on_gap is OnGap.RECORD else None)
        if accepted is None:
            raise RetentionGapError(list(missing.values()))
        for key, gap in missing.items():
            _LOG.warning("%s is missing and recorded as a gap: %s", gap, accepted.reason)
            positions.record_gap(
                gap,
                identity=identities[key],
                source_id=recorded[key].source_id,
                actor=accepted.actor,
                reason=accepted.reason,
            )
        found = positions.read([identities[key] for key in missing])
        recorded |= {key: found[identities[key]] for key in missing}
    assigned = [
        _assigned(identities[key], position, logs[key]) for key, position in recorded.items() if key in logs
    ]
    return tuple(sorted(assigned, key=lambda partition: partition.source_id))


def begin_partitions(
    contract: KafkaContract,
    identities: Mapping[TopicPartition, PartitionIdentity],
    *,
    broker: Broker,
    positions: Positions,
) -> dict[TopicPartition, RecordedPosition]:
    """The recorded position of every partition, after those that had none were given a source id and a start."""
    found = positions.read(list(identities.values()))
    recorded = {key: found[identity] for key, identity in identities.items() if identity in found}
    new = {
        key: identity
        for key, identity in identities.items()
        if key not in recorded or recorded[key].next_position is None
    }
    if not new:
        return recorded
    has_begun = positions.have_begun()
    source_ids = positions.register(list(new.values()))
    starts = _starts(contract, list(new), broker=broker, has_begun=has_begun)
    positions.record_starts(
        [
            Start(identity=new[key], source_id=source_ids[new[key]], position=position, reason=f"start: {by}")
            for key, (position, by) in starts.items()
        ]
    )
    found = positions.read(list(new.values()))
    return recorded | {key: found[new[key]] for key in starts}


def _starts(
    contract: KafkaContract, partitions: Collection[TopicPartition], *, broker: Broker, has_begun: bool
) -> dict[TopicPartition, tuple[int, str]]:
    """Where to begin each partition, and why there; one whose log cannot be told yet is absent."""
    logs = broker.log_ranges(partitions)
    wanted = contract.origin.start
    if isinstance(wanted, datetime):
        at = broker.offsets_at(wanted, list(logs))
        # Nothing that new is there: what comes next is newer.
        return {
            key: (log.end if (offset := at.get(key)) is None else offset, wanted.isoformat())
            for key, log in logs.items()
        }
    if wanted is StartPosition.EARLIEST or has_begun:
        # What was added since reading began is new from its first message on.
        return {key: (log.start, "earliest") for key, log in logs.items()}
    if wanted is StartPosition.LATEST:
        return {key: (log.end, "latest") for key, log in logs.items()}
    committed = broker.committed(contract.origin.group, list(logs))
    return {key: _adopted(committed.get(key), log) for key, log in logs.items()}


def _adopted(committed: int | None, log: LogRange) -> tuple[int, str]:
    if committed is None:
        return log.start, "earliest, the group has no offset"
    if committed > log.end:
        return log.start, f"earliest, the group's offset {committed} is beyond the log"
    # An offset that is deleted by now is a gap, and told as one.
    return committed, "group"


def _missing(
    recorded: Mapping[TopicPartition, RecordedPosition],
    logs: Mapping[TopicPartition, LogRange],
    identities: Mapping[TopicPartition, PartitionIdentity],
) -> dict[TopicPartition, MissingRange]:
    missing = {}
    for key, log in logs.items():
        position = recorded[key]
        first = position.next_position
        if first is not None and first < log.start:
            behind = log.start if position.until is None else min(log.start, position.until)
            missing[key] = MissingRange(source=identities[key].uri, first=first, next_position=behind)
    return missing


def _assigned(identity: PartitionIdentity, recorded: RecordedPosition, log: LogRange) -> AssignedPartition:
    position = recorded.next_position or 0
    if position > log.end:
        raise LogTruncatedError(source=identity.uri, next_position=position, end=log.end)
    return AssignedPartition(
        identity=identity,
        source_id=recorded.source_id,
        position=position,
        end=log.end,
        until=recorded.until,
    )
