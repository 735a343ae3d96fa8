"""How far behind a source is, partition by partition, as the ledger counts it."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.broker import Broker
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.assignment import identify
from lakehouse.drain.positions import Positions


@dataclass(frozen=True)
class PartitionLag:
    """One partition.

    :param start: the oldest offset that the brokers hold.
    :param end: behind the newest committed message.
    :param next_position: the first offset that is not recorded; None where reading never began.
    :param group_offset: what the group has committed, which should be the same.
    """

    source: str
    start: int
    end: int
    next_position: int | None
    group_offset: int | None

    @property
    def lag(self) -> int:
        """Offsets still to be read, of those that are there."""
        return self.end - max(self.start, self.next_position or 0)

    @property
    def missing(self) -> int:
        """Offsets that were not read and are gone."""
        return 0 if self.next_position is None else max(0, self.start - self.next_position)


def read_lag(contract: KafkaContract, *, broker: Broker, positions: Positions) -> tuple[PartitionLag, ...]:
    """The lag of each partition of a contract's topics. Changes nothing.

    :raises LakehouseError: engine or brokers do not answer.
    """
    identities = identify(contract, broker=broker)
    recorded = positions.read(list(identities.values()))
    logs = broker.log_ranges(list(identities))
    committed = broker.committed(contract.origin.group, list(logs))
    return tuple(
        PartitionLag(
            source=identities[key].uri,
            start=log.start,
            end=log.end,
            next_position=recorded[identities[key]].next_position if identities[key] in recorded else None,
            group_offset=committed.get(key),
        )
        for key, log in sorted(logs.items())
    )
