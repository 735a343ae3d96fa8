from __future__ import annotations

import pytest

from lakehouse.broker import BrokerRefusedError, KafkaBroker, broker_settings


def test_settings_of_a_client_are_variables_of_the_same_names():
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_PASSWORD": "secret",
        "KAFKA_SSL_CA_LOCATION": "/etc/ca.pem",
        "KAFKA_SASL_USERNAME": "",
        "KAFKA_HEAP": "512M",
        "KAFKA_PORT": "19092",
    }
    assert broker_settings(environment) == {
        "bootstrap.servers": "kafka:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.password": "secret",
        "ssl.ca.location": "/etc/ca.pem",
    }


@pytest.mark.parametrize(
    "wrong", [{"no.such.setting": "1"}, {"security.protocol": "PLAIN"}, {"fetch.min.bytes": "many"}]
)
def test_a_setting_that_the_client_does_not_know_is_refused_and_no_secret_told(wrong):
    with pytest.raises(BrokerRefusedError) as raised:
        KafkaBroker({"bootstrap.servers": "127.0.0.1:1", "sasl.password": "secret", **wrong})
    assert next(iter(wrong)) in str(raised.value)
    assert "secret" not in str(raised.value)
