"""Kafka by an Airflow connection, as the broker of a drain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.apache.kafka.hooks.base import KafkaBaseHook

from lakehouse.broker import BrokerRefusedError, KafkaBroker

if TYPE_CHECKING:
    from collections.abc import Mapping


class KafkaBrokerHook(KafkaBaseHook):
    """Connects to the brokers that the extra of a connection names; SASL and TLS settings are librdkafka's.

    Callbacks and the tokens of managed clusters work as with the hook it extends.

    :param kafka_config_id: connection of type Kafka.
    """

    default_conn_name = "lakehouse_kafka"
    hook_name = "Kafka for the lakehouse"

    def __init__(self, kafka_config_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(kafka_config_id, **kwargs)  # type: ignore[no-untyped-call]

    def _get_client(self, config: Mapping[str, Any]) -> KafkaBroker:
        return KafkaBroker(config)

    @property
    def broker(self) -> KafkaBroker:
        """The brokers of the connection.

        :raises BrokerRefusedError: the connection's settings are wrong.
        """
        try:
            broker: KafkaBroker = self.get_conn
        except ValueError as error:
            raise BrokerRefusedError(operation=f"connection {self.kafka_config_id}", message=str(error)) from error
        return broker
