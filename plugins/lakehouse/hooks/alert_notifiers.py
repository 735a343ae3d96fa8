"""Alerts by the connections of Airflow: mail, Slack, or any other address of HTTP, with Airflow's own notifiers.

A connection that is there is used; without one, alerts are in the log only. The notifiers are called beside their
templates: an alert names objects, and whoever may put one would have its name rendered with Airflow's variables
in reach.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.http.notifications.http import HttpNotifier
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from lakehouse.watch.alert import Alert, AlertNotSentError, EveryNotifier, LogNotifier, Notifier

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Connection

SMTP_CONNECTION = "lakehouse_alerts_smtp"
SLACK_CONNECTION = "lakehouse_alerts_slack"
WEBHOOK_CONNECTION = "lakehouse_alerts_webhook"
_REQUEST_SECONDS = 30


class SmtpAlerts:
    """Mail to the addresses that the extra of a connection names in ``to``; ``from_email`` is there too."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, alert: Alert) -> None:
        """Send one mail."""
        receivers = self._connection.extra_dejson.get("to")
        if not receivers:
            raise AlertNotSentError(way=SMTP_CONNECTION, problem="its extra names nobody in to")
        notifier = SmtpNotifier(
            smtp_conn_id=SMTP_CONNECTION,
            to=receivers,
            subject=f"[lakehouse] {alert.subject}",
            html_content=f"<pre>{html.escape(alert.text)}</pre>",
            custom_headers={"X-Lakehouse-Alert": alert.alert_id},
        )
        _notify(notifier, way=SMTP_CONNECTION)


class WebhookAlerts:
    """The fields of an alert as JSON, to the address of a connection of type HTTP."""

    def send(self, alert: Alert) -> None:
        """Post one."""
        _notify(_post(WEBHOOK_CONNECTION, alert.fields()), way=WEBHOOK_CONNECTION)


class SlackAlerts:
    """A message to an incoming webhook of Slack.

    Its connection is of type HTTP: host ``https://hooks.slack.com``, and as the password, which Airflow masks in
    logs, what comes behind ``services/``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, alert: Alert) -> None:
        """Post one."""
        # In a message of Slack these three are marks, and <!channel> calls everybody.
        text = alert.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        endpoint = f"services/{self._connection.password}"
        _notify(_post(SLACK_CONNECTION, {"text": text}, endpoint=endpoint), way=SLACK_CONNECTION)


def alert_notifier() -> Notifier:
    """The log, and every way there is a connection for."""
    ways: list[Notifier] = []
    for conn_id, make in _WAYS.items():
        try:
            connection = BaseHook.get_connection(conn_id)
        except AirflowNotFoundException:
            continue
        ways.append(make(connection))
    return _LoggedNotifier(EveryNotifier(ways)) if ways else LogNotifier()


_WAYS: Mapping[str, Callable[[Any], Notifier]] = {
    SMTP_CONNECTION: SmtpAlerts,
    SLACK_CONNECTION: SlackAlerts,
    WEBHOOK_CONNECTION: lambda _connection: WebhookAlerts(),
}


@dataclass(frozen=True)
class _LoggedNotifier:
    """In the log too, which takes anything and so says nothing of whether people were told."""

    others: Notifier

    def send(self, alert: Alert) -> None:
        LogNotifier().send(alert)
        self.others.send(alert)


class AirflowAlerts:
    """:func:`alert_notifier`, made for the first alert: most checks send none, and ask for no connection."""

    def __init__(self) -> None:
        self._notifier: Notifier | None = None

    def send(self, alert: Alert) -> None:
        """Send one by every way there is."""
        self._notifier = self._notifier or alert_notifier()
        self._notifier.send(alert)


def _post(conn_id: str, content: Mapping[str, Any], *, endpoint: str | None = None) -> HttpNotifier:
    return HttpNotifier(
        http_conn_id=conn_id,
        endpoint=endpoint,
        json=dict(content),
        extra_options={"timeout": _REQUEST_SECONDS},
    )


def _notify(notifier: BaseNotifier, *, way: str) -> None:
    try:
        notifier.notify({})
    except (AirflowException, OSError, ValueError) as error:
        # What it says may hold the address, which is a secret of its own; the kind tells enough.
        raise AlertNotSentError(way=way, problem=type(error).__name__) from None
