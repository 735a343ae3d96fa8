"""Alerts over Airflow's own notifiers, against receivers that are real enough to refuse."""

from __future__ import annotations

import email
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.hooks.alert_notifiers import AirflowAlerts, alert_notifier
from lakehouse.watch.alert import Alert, AlertNotSentError, LogNotifier
from tests.lakehouse.hooks.receivers import Receiver, http_receiver, smtp_receiver
from tests.lakehouse.watch.test_alert import OPENED

TOKEN = "T0123/B0123/verysecret"
HOSTILE = "{{ var.value.secret }} <!channel> & <b>"


@pytest.fixture(autouse=True)
def _no_connection_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for way in ("SMTP", "SLACK", "WEBHOOK"):
        monkeypatch.delenv(f"AIRFLOW_CONN_LAKEHOUSE_ALERTS_{way}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def http() -> Iterator[Receiver]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def smtp() -> Iterator[Receiver]:
    with smtp_receiver() as receiver:
        yield receiver


@pytest.fixture
def alert() -> Alert:
    return Alert.of(replace(OPENED, detail=HOSTILE))


def connect(monkeypatch: pytest.MonkeyPatch, way: str, **connection: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_LAKEHOUSE_ALERTS_{way}", json.dumps(connection))


def test_without_a_connection_alerts_are_in_the_log_alone():
    assert isinstance(alert_notifier(), LogNotifier)


def test_a_webhook_gets_the_fields_as_they_are(monkeypatch, http, alert, caplog):
    connect(monkeypatch, "WEBHOOK", conn_type="http", host=f"http://127.0.0.1:{http.port}/alerts")
    caplog.set_level(logging.INFO)
    AirflowAlerts().send(alert)
    [(path, body)] = http.received
    assert path == "/alerts"
    assert json.loads(body) == alert.fields()
    assert alert.text in caplog.text


def test_slack_gets_one_message_without_marks(monkeypatch, http, alert):
    connect(monkeypatch, "SLACK", conn_type="http", host=f"http://127.0.0.1:{http.port}", password=TOKEN)
    alert_notifier().send(alert)
    [(path, body)] = http.received
    assert path == f"/services/{TOKEN}"
    text = json.loads(body)["text"]
    assert "{{ var.value.secret }} &lt;!channel&gt; &amp; &lt;b&gt;" in text
    assert text.startswith("OPEN: visits: ")


def test_mail_goes_to_those_whom_the_connection_names(monkeypatch, smtp, alert):
    connect(
        monkeypatch,
        "SMTP",
        conn_type="smtp",
        host="127.0.0.1",
        port=smtp.port,
        extra={
            "from_email": "lakehouse@city.example",
            "to": ["oncall@city.example", "data@city.example"],
            "disable_ssl": True,
            "disable_tls": True,
        },
    )
    alert_notifier().send(alert)
    [(to, text)] = smtp.received
    assert to == "oncall@city.example,data@city.example"
    mail = email.message_from_string(text)
    assert mail["Subject"] == "[lakehouse] OPEN: visits: no load within the objective"
    assert mail["X-Lakehouse-Alert"] == alert.alert_id
    [body] = [part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart()]
    assert "{{ var.value.secret }} &lt;!channel&gt; &amp; &lt;b&gt;" in body
    assert "docs/runbooks/source-stale.md" in body


def test_mail_to_nobody_is_not_sent(monkeypatch, smtp, alert):
    connect(monkeypatch, "SMTP", conn_type="smtp", host="127.0.0.1", port=smtp.port, extra={"from_email": "a@b.c"})
    with pytest.raises(AlertNotSentError, match="names nobody"):
        alert_notifier().send(alert)


def test_what_a_receiver_refuses_was_not_sent_and_says_no_address(monkeypatch, http, alert):
    connect(monkeypatch, "SLACK", conn_type="http", host=f"http://127.0.0.1:{http.port}", password=TOKEN)
    http.status = 500
    with pytest.raises(AlertNotSentError) as caught:
        alert_notifier().send(alert)
    assert "verysecret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_receiver_that_is_not_there_is_told_without_its_address(monkeypatch, alert):
    with http_receiver() as gone:
        port = gone.port
    connect(monkeypatch, "SLACK", conn_type="http", host=f"http://127.0.0.1:{port}", password=TOKEN)
    with pytest.raises(AlertNotSentError) as caught:
        alert_notifier().send(alert)
    assert "verysecret" not in str(caught.value)


def test_one_way_that_is_broken_does_not_keep_the_others(monkeypatch, http, alert):
    with http_receiver() as gone:
        port = gone.port
    connect(monkeypatch, "SLACK", conn_type="http", host=f"http://127.0.0.1:{port}", password=TOKEN)
    connect(monkeypatch, "WEBHOOK", conn_type="http", host=f"http://127.0.0.1:{http.port}")
    alert_notifier().send(alert)
    assert len(http.received) == 1


def test_connections_are_asked_for_when_there_is_something_to_send(monkeypatch, http, alert):
    alerts = AirflowAlerts()
    connect(monkeypatch, "WEBHOOK", conn_type="http", host=f"http://127.0.0.1:{http.port}")
    alerts.send(alert)
    alerts.send(alert)
    assert len(http.received) == 2
