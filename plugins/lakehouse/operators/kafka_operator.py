"""What the tasks of a Kafka source share, beside engine and store: brokers and contract."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse.contracts import KafkaContract
from lakehouse.hooks.kafka_broker_hook import KafkaBrokerHook
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.sources import Source, read_source

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lakehouse.broker import KafkaBroker

KAFKA_CONNECTION = KafkaBrokerHook.default_conn_name


class KafkaOperator(LakehouseOperator):
    """A task that works on the topics of a source.

    :param source: name of the contract.
    :param kafka_conn_id: connection of type Kafka.
    """

    def __init__(self, *, source: str, kafka_conn_id: str = KAFKA_CONNECTION, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.kafka_conn_id = kafka_conn_id

    @property
    def found(self) -> Source[KafkaContract]:
        """The contract and its target.

        :raises TerminalError: there is none, or it is wrong.
        """
        return read_source(self.source, kind=KafkaContract)

    @cached_property
    def broker(self) -> KafkaBroker:
        return KafkaBrokerHook(self.kafka_conn_id).broker

    @staticmethod
    def started_by(context: Context) -> str:
        """Who started the run, for the ledger."""
        run = context["dag_run"]
        return run.triggering_user_name or f"{run.run_type} run"
