"""The table of checks: what was opened and cleared, and whose it is to tell.

A change of a condition is stored first and told after that. Told first, a check that dies between the two would
have told of what nobody knows any more, and the next one would tell it again. Stored first, the next one finds it
untold, waits until whoever holds it must be done, and takes it over. Each step is an atomic conditional append, so
of any number of checks at once one takes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from lakehouse.engine import Engine
from lakehouse.load.ledger import Clock, naive_utc, system_clock
from lakehouse.load.pause import Pause, pause_for_others, through_conflicts
from lakehouse.statements import render

CHECKS = "iceberg.bronze.checks"
#: Telling takes seconds: after so long, whoever was to tell a change is dead.
LEASE = timedelta(minutes=10)
#: Losing a commit this often in a row means that something else is wrong.
_TRIES = 10


class Change(StrEnum):
    """What became of a condition."""

    OPENED = "opened"
    CLEARED = "cleared"
    WATCHED = "watched"
    """No condition: from here on a source is expected to have loads."""


class Step(StrEnum):
    """How far a change has come."""

    FOUND = "found"
    RETAKEN = "retaken"
    TOLD = "told"


@dataclass(frozen=True)
class ConditionChange:
    """A change of a condition, as it is stored and told.

    :param episode: counts the openings of the condition.
    :param since: since when it has been so; of a clearing, what its opening said.
    """

    condition_key: str
    kind: str
    source: str
    episode: int
    change: Change
    opened_at: datetime
    cleared_at: datetime | None = None
    since: datetime | None = None
    detail: str = ""
    runbook: str = ""
    link: str = ""

    @property
    def order(self) -> tuple[str, int, bool]:
        """Changes of one condition in the order in which they happened."""
        return self.condition_key, self.episode, self.change is Change.CLEARED


@dataclass(frozen=True)
class StoredChange:
    """A change that the table has.

    :param turn: 0 for the check that found it, n for the n-th that took it over.
    :param held_by: the check whose turn it is; empty when that one tells nobody.
    """

    change: ConditionChange
    turn: int
    held_by: str
    held_at: datetime
    is_told: bool


@dataclass(frozen=True)
class States:
    """The newest episode of every condition, and older changes that are untold."""

    stored: tuple[StoredChange, ...] = ()

    def open(self) -> Mapping[str, ConditionChange]:
        """The openings that were not cleared, by key."""
        newest = {change.condition_key: change for change in self._sorted() if change.change is not Change.WATCHED}
        return {key: change for key, change in newest.items() if change.change is Change.OPENED}

    def watched(self) -> Mapping[str, datetime]:
        """Since when sources are expected to have loads."""
        return {change.source: change.opened_at for change in self._sorted() if change.change is Change.WATCHED}

    def last_episode(self, key: str) -> int:
        return max((each.change.episode for each in self.stored if each.change.condition_key == key), default=0)

    def untold(self) -> tuple[StoredChange, ...]:
        """In the order in which they happened."""
        waiting = [each for each in self.stored if not each.is_told and each.change.change is not Change.WATCHED]
        return tuple(sorted(waiting, key=lambda each: each.change.order))

    def _sorted(self) -> list[ConditionChange]:
        return sorted((each.change for each in self.stored), key=lambda change: change.order)


class Checks:
    """Reads and appends the table of checks, in the name of one check.

    :param check_id: names this check, and no other; empty for one that tells nobody.
    :param run: who checks, for people.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        check_id: str,
        run: str = "",
        clock: Clock = system_clock,
        table: str = CHECKS,
        pause: Pause = pause_for_others,
    ) -> None:
        self._engine = engine
        self._check_id = check_id
        self._run = run
        self._clock = clock
        self._table = table
        self._pause = pause

    def read(self) -> States:
        """The states of all conditions."""
        records = self._engine.execute(render("watch/states.sql", checks=self._table)).records()
        return States(tuple(_stored(record) for record in records))

    def append_found(self, changes: Sequence[ConditionChange]) -> None:
        """Store changes that were found; what another check stored meanwhile is not stored again."""
        self._append([(change, Step.FOUND, 0) for change in changes])

    def take(self) -> tuple[StoredChange, ...]:
        """The untold changes that are this check's to tell, in the order in which they happened.

        Takes over what a check has left that is dead by now, or tells nobody. What comes later waits for what came
        before it.
        """
        states = self.read()
        now = self._clock()
        left = [each for each in states.untold() if each.held_by != self._check_id and _is_left(each, now=now)]
        if left:
            self._append([(each.change, Step.RETAKEN, each.turn + 1) for each in left])
            states = self.read()
        mine = []
        waiting: set[str] = set()
        for each in states.untold():
            key = each.change.condition_key
            if each.held_by == self._check_id and key not in waiting:
                mine.append(each)
            else:
                waiting.add(key)
        return tuple(mine)

    def append_told(self, told: Sequence[StoredChange]) -> None:
        """Store that changes were told."""
        self._append([(each.change, Step.TOLD, each.turn) for each in told])

    def _append(self, steps: Sequence[tuple[ConditionChange, Step, int]]) -> None:
        if not steps:
            return
        keys = [change.condition_key for change, _, _ in steps]
        statement = render(
            "watch/merge_checks.sql",
            checks=self._table,
            steps=json.dumps([_fields(*step) for step in steps], ensure_ascii=False),
            key_from=min(keys),
            key_to=max(keys),
            check_id=self._check_id,
            run=self._run,
            recorded_at=naive_utc(self._clock()),
        )
        through_conflicts(lambda: self._engine.execute(statement), pause=self._pause, pauses=_TRIES - 1)


def _is_left(stored: StoredChange, *, now: datetime) -> bool:
    return not stored.held_by or now - stored.held_at > LEASE


def _fields(change: ConditionChange, step: Step, turn: int) -> dict[str, object]:
    return {
        "condition_key": change.condition_key,
        "kind": change.kind,
        "source": change.source,
        "episode": change.episode,
        "change": change.change,
        "step": step,
        "turn": turn,
        "opened_at": _text(change.opened_at),
        "cleared_at": _text(change.cleared_at),
        "since": _text(change.since),
        "detail": change.detail,
        "runbook": change.runbook,
        "link": change.link,
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else naive_utc(moment).isoformat(sep=" ", timespec="microseconds")


def _stored(record: Mapping[str, Any]) -> StoredChange:
    return StoredChange(
        change=ConditionChange(
            condition_key=record["condition_key"],
            kind=record["kind"],
            source=record["source"],
            episode=record["episode"],
            change=Change(record["change"]),
            opened_at=record["opened_at"].replace(tzinfo=UTC),
            cleared_at=_aware(record["cleared_at"]),
            since=_aware(record["since"]),
            detail=record["detail"],
            runbook=record["runbook"],
            link=record["link"],
        ),
        turn=record["turn"],
        held_by=record["held_by"],
        held_at=record["held_at"].replace(tzinfo=UTC),
        is_told=record["is_told"],
    )


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def clearing_of(opening: ConditionChange, *, now: datetime) -> ConditionChange:
    """That an open condition is over."""
    return replace(opening, change=Change.CLEARED, cleared_at=now)


def watched_from(sources: Iterable[str], *, now: datetime) -> list[ConditionChange]:
    """That sources are expected to have loads from now on."""
    return [
        ConditionChange(
            condition_key=f"{Change.WATCHED}/{source}",
            kind=Change.WATCHED,
            source=source,
            episode=0,
            change=Change.WATCHED,
            opened_at=now,
        )
        for source in sources
    ]
