"""A table of checks in memory, and somebody who is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.kinds import ANY_CONTRACT
from lakehouse.engine import Outcome
from lakehouse.statements import Statement
from lakehouse.watch.alert import Alert, AlertNotSentError
from tests.lakehouse.load.doubles import MOMENT, ScriptedEngine, named_parameters, rows_of, written

_KEY = ("condition_key", "episode", "change", "step", "turn")
_TIMES = ("opened_at", "cleared_at", "since")
_STATE = (
    "condition_key",
    "kind",
    "source",
    "episode",
    "change",
    "opened_at",
    "cleared_at",
    "since",
    "detail",
    "runbook",
    "link",
)


def contract_of(name: str = "visits", *, kind: str = "files", **sections: Any) -> Contract:
    """A contract that asks for nothing but what is given."""
    origins: dict[str, dict[str, Any]] = {
        "files": {"from": {"bucket": "warehouse", "key": f"staging/{name}_*.csv*", "format": "csv"}},
        "kafka": {"from": {"topic": name, "group": "bronze"}},
        "rows": {},
    }
    document = {"name": name, "kind": kind, "target": "iceberg.bronze.visits"} | origins[kind] | sections
    return ANY_CONTRACT.validate_python(document)


@dataclass
class ChecksEngine(ScriptedEngine):
    """An engine that keeps the table of checks; other statements are answered by their templates."""

    table: list[dict[str, Any]] = field(default_factory=list)
    commits: int = 0
    before_merge: Callable[[], None] | None = None

    def execute(self, statement: Statement) -> Outcome:
        if statement.name == "watch/merge_checks.sql":
            if self.before_merge is not None:
                other, self.before_merge = self.before_merge, None
                other()
            return written(self._merge(named_parameters(statement)))
        if statement.name == "watch/states.sql":
            return self._states()
        return super().execute(statement)

    def _merge(self, named: Mapping[str, Any]) -> int:
        there = {tuple(row[name] for name in _KEY) for row in self.table}
        rows = []
        for step in json.loads(named["steps"]):
            assert named["key_from"] <= step["condition_key"] <= named["key_to"]
            if tuple(step[name] for name in _KEY) in there:
                continue
            times = {name: datetime.fromisoformat(step[name]) if step[name] else None for name in _TIMES}
            rows.append(step | times | {"check_id": named["check_id"], "recorded_at": named["recorded_at"]})
        self.table += rows
        self.commits += bool(rows)
        return len(rows)

    def _states(self) -> Outcome:
        episodes: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in self.table:
            episodes.setdefault((row["condition_key"], row["episode"], row["change"]), []).append(row)
        newest: dict[str, int] = {}
        for key, episode, _ in episodes:
            newest[key] = max(newest.get(key, 0), episode)
        states = []
        for (key, episode, _), rows in episodes.items():
            is_told = any(row["step"] == "told" for row in rows)
            held = max((row for row in rows if row["step"] != "told"), key=lambda row: row["turn"])
            if episode == newest[key] or not is_told:
                told = (held["turn"], held["check_id"], held["recorded_at"], is_told)
                states.append((*(held[name] for name in _STATE), *told))
        return rows_of(*states, columns=(*_STATE, "turn", "held_by", "held_at", "is_told"))


@dataclass
class Told:
    """Somebody who is told."""

    alerts: list[Alert] = field(default_factory=list)
    is_deaf: bool = False

    def send(self, alert: Alert) -> None:
        if self.is_deaf:
            raise AlertNotSentError(way="a test", problem="deaf")
        self.alerts.append(alert)

    @property
    def subjects(self) -> list[str]:
        return [alert.subject for alert in self.alerts]


@dataclass
class Clock:
    """A clock that goes on when it is told to."""

    now: datetime = MOMENT

    def __call__(self) -> datetime:
        return self.now


def naive(moment: datetime) -> datetime:
    """As a column of Trino has it."""
    return moment.astimezone(UTC).replace(tzinfo=None)
