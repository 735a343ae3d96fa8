"""Which offsets are read that lie before where reading began, and that nothing has recorded: docs/adr/0021.

What the live drain has read, or is to read, is never touched: a backfill ends where reading began. So the two may
run at once, and nothing that a backfill records moves the position of the live drain.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from lakehouse.broker import Broker, LogRange, TopicPartition
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.assignment import AssignedPartition, begin_partitions, identify
from lakehouse.drain.errors import BackfillUnclearError, NotOfTopicsError
from lakehouse.drain.positions import Positions
from lakehouse.identity import PartitionIdentity
from lakehouse.load.ledger import Clock, system_clock
from lakehouse.load.offset_range import OffsetRange
from lakehouse.load.period import Period

_LOG = logging.getLogger(__name__)

Backfill = OffsetRange | Period
"""Offsets of one partition, or of every partition what was sent in a period."""


def asked_backfill(*, offsets: OffsetRange | None, period: Period | None) -> Backfill | None:
    """What somebody asks to be backfilled; None if nothing.

    :raises BackfillUnclearError: by offsets and by time at once.
    """
    if offsets is not None and period is not None:
        raise BackfillUnclearError
    return offsets or period


def assign_backfill(
    contract: KafkaContract,
    backfill: Backfill,
    *,
    broker: Broker,
    positions: Positions,
    only: Collection[str] | None = None,
    clock: Clock = system_clock,
) -> tuple[AssignedPartition, ...]:
    """Of each partition the first range that was asked for, is there, lies before the start and is not recorded.

    None is left when everything is recorded. A partition that was never read gets its start first, as by a drain.

    :param only: source ids; by default every partition of the contract's topics.
    :raises NotOfTopicsError: the offsets are of no partition of the contract.
    """
    identities = identify(contract, broker=broker, clock=clock)
    if isinstance(backfill, OffsetRange):
        known = {key: identity for key, identity in identities.items() if identity.uri == backfill.source}
        if not known:
            raise NotOfTopicsError(source=backfill.source, contract=contract.name)
        identities = known
    recorded = begin_partitions(contract, identities, broker=broker, positions=positions)
    if only is not None:
        recorded = {key: position for key, position in recorded.items() if position.source_id in only}
    logs = broker.log_ranges(list(recorded))
    asked = _asked(backfill, logs, broker=broker)
    begun = positions.begun([recorded[key].source_id for key in logs])
    assigned = []
    for key, log in logs.items():
        source_id = recorded[key].source_id
        if source_id not in begun:
            continue
        start, ranges = begun[source_id]
        hole = first_hole(_there(asked[key], log, start=start, identity=identities[key]), ranges)
        if hole is not None:
            assigned.append(
                AssignedPartition(
                    identity=identities[key],
                    source_id=source_id,
                    position=hole[0],
                    end=hole[1],
                    until=hole[1],
                )
            )
    return tuple(sorted(assigned, key=lambda partition: partition.source_id))


def first_hole(asked: tuple[int, int], recorded: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """The first run of offsets of ``[first, next)`` that no recorded range has; None if there is none."""
    first, next_position = asked
    for recorded_first, recorded_next in sorted(recorded):
        if recorded_first > first:
            next_position = min(next_position, recorded_first)
            break
        first = max(first, recorded_next)
    return (first, next_position) if first < next_position else None


def _asked(
    backfill: Backfill, logs: Mapping[TopicPartition, LogRange], *, broker: Broker
) -> dict[TopicPartition, tuple[int, int]]:
    if isinstance(backfill, OffsetRange):
        return dict.fromkeys(logs, (backfill.first, backfill.next_position))
    begins = {} if backfill.begin is None else broker.offsets_at(backfill.begin, list(logs))
    ends = {} if backfill.end is None else broker.offsets_at(backfill.end, list(logs))
    asked = {}
    for key, log in logs.items():
        begin, end = begins.get(key), ends.get(key)
        # A moment after the newest message has no offset.
        first = log.start if backfill.begin is None else log.end if begin is None else begin
        asked[key] = (first, log.end if end is None else end)
    return asked


def _there(asked: tuple[int, int], log: LogRange, *, start: int, identity: PartitionIdentity) -> tuple[int, int]:
    first, next_position = asked
    if first < log.start:
        _LOG.warning("%s is held from offset %d on; what was before cannot be had", identity.uri, log.start)
    if next_position > start:
        _LOG.info("%s is drained from offset %d on; a backfill ends there", identity.uri, start)
    return max(first, log.start), min(next_position, start)
