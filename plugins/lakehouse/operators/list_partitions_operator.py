"""Lists the partitions of a Kafka source, in groups that are drained side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lakehouse.drain.assignment import begin_partitions, identify
from lakehouse.drain.groups import group_partitions
from lakehouse.drain.positions import Positions
from lakehouse.operators.kafka_operator import KafkaOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListPartitionsOperator(KafkaOperator):
    """Gives new partitions their source ids and starts, and cuts all into groups.

    Returns a list with a group for each drain: a label and source ids, or none, for all partitions that there are.

    :param groups: at most so many. (templated)
    """

    template_fields: Sequence[str] = ("groups",)

    def __init__(self, *, groups: str | int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def perform(self, context: Context) -> list[dict[str, Any]]:
        contract = self.found.contract
        positions = Positions(contract=contract, engine=self.engine, ledger=self.ledger(context))
        identities = identify(contract, broker=self.broker)
        recorded = begin_partitions(contract, identities, broker=self.broker, positions=positions)
        for key, position in recorded.items():
            self.log.info("%s is recorded up to offset %s", identities[key].uri, position.next_position)
        source_ids = [position.source_id for position in recorded.values()]
        return [asdict(group) for group in group_partitions(source_ids, groups=int(self.groups))]
