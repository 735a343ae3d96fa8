"""What is told of a condition, and to whom: one interface, whatever carries it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lakehouse.errors import TransientError
from lakehouse.watch.checks import Change, ConditionChange
from lakehouse.watch.condition import ENGINE, Kind, moment_in_words
from lakehouse.watch.links import links_to

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """That something is the matter, or no longer is.

    It has names, counts and times; what records say, and how anything is reached, never gets into one.

    :param alert_id: the same however often it is sent, so that whoever gets it twice can tell.
    :param what: what was found.
    :param since: since when it has been so.
    :param runbook: the page that says what to do.
    :param link: where to look.
    """

    alert_id: str
    is_open: bool
    kind: str
    source: str
    title: str
    what: str
    since: datetime
    cleared_at: datetime | None
    runbook: str
    link: str

    @classmethod
    def of(cls, change: ConditionChange) -> Alert:
        """What is told of a change."""
        return cls(
            alert_id=f"{change.condition_key}#{change.episode}/{change.change}",
            is_open=change.change is Change.OPENED,
            kind=change.kind,
            source=change.source,
            title=Kind(change.kind).headline if change.kind in set(Kind) else change.kind,
            what=change.detail,
            since=change.since or change.opened_at,
            cleared_at=change.cleared_at,
            runbook=change.runbook,
            link=change.link,
        )

    @property
    def subject(self) -> str:
        """One line."""
        return f"{'OPEN' if self.is_open else 'CLEARED'}: {self.source}: {self.title}"

    @property
    def text(self) -> str:
        """All of it, some short lines."""
        lines = [
            self.subject,
            f"{'What' if self.is_open else 'It was'}: {self.what}",
            f"Since: {moment_in_words(self.since)}",
        ]
        if self.cleared_at is not None:
            lines.append(f"Until: {moment_in_words(self.cleared_at)}")
        if self.is_open:
            lines.append(f"What to do: {self.runbook}")
        if self.link:
            lines.append(f"Link: {self.link}")
        return "\n".join(lines)

    def fields(self) -> dict[str, str | bool | None]:
        """All of it, for programs."""
        return {
            "alert_id": self.alert_id,
            "is_open": self.is_open,
            "kind": self.kind,
            "source": self.source,
            "title": self.title,
            "what": self.what,
            "since": self.since.isoformat(),
            "cleared_at": self.cleared_at.isoformat() if self.cleared_at else None,
            "runbook": self.runbook,
            "link": self.link,
        }


class Notifier(Protocol):
    """Carries alerts to people."""

    def send(self, alert: Alert) -> None:
        """Send one.

        :raises AlertNotSentError: it could not be sent; it will be tried again.
        """
        ...


class AlertNotSentError(TransientError):
    """An alert could not be sent; it is stored as untold, and a later check sends it."""

    def __init__(self, *, way: str, problem: str) -> None:
        super().__init__(
            f"An alert was not sent by {way}: {problem}.",
            remedy="It stays untold and a later check sends it. Check the connection that the way is named for.",
        )
        self.way = way
        self.problem = problem


class LogNotifier:
    """Alerts in the log: of the task in Airflow, of the program elsewhere."""

    def send(self, alert: Alert) -> None:
        """A warning for what opens, a message for what is cleared."""
        _LOG.log(logging.WARNING if alert.is_open else logging.INFO, "%s", alert.text)


class EveryNotifier:
    """Sends by several ways; an alert is sent when one of them took it.

    If all had to, one that is broken would make the others send everything again.
    """

    def __init__(self, ways: Sequence[Notifier]) -> None:
        self._ways = tuple(ways)

    def send(self, alert: Alert) -> None:
        """Send one by every way.

        :raises AlertNotSentError: no way took it.
        """
        failures = []
        for way in self._ways:
            try:
                way.send(alert)
            except AlertNotSentError as error:
                _LOG.error("%s", error)
                failures.append(error)
        if failures and len(failures) == len(self._ways):
            raise failures[0]


def failed_check(*, base_url: str, now: datetime) -> Alert:
    """That the platform could not be checked: of the engine that would have stored it.

    :param base_url: of Airflow; empty for no link.
    """
    link_of = links_to(base_url, ())
    return Alert(
        alert_id=f"{Kind.UNREACHABLE}/{ENGINE}#{now:%Y-%m-%dT%H:%M}",
        is_open=True,
        kind=Kind.UNREACHABLE,
        source=ENGINE,
        title="the platform could not be checked",
        what="The check failed, most often because Trino does not answer; the log of its task says why. "
        "Until a check succeeds, nothing else is told.",
        since=now,
        cleared_at=None,
        runbook=Kind.UNREACHABLE.runbook,
        link=link_of(ENGINE),
    )
