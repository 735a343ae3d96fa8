"""Removes rows of bronze that are older than they are kept for. See docs/adr/0022.

What is old is so by its ``event_date``, whatever its source: whole days go. Rows that no load recorded yet stay
until the next time; silver and gold follow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lakehouse.engine import Engine
from lakehouse.load.ledger import Clock, Ledger, system_clock
from lakehouse.load.pause import Pause, pause_for_others
from lakehouse.repair.removal import RemovalKind, Removals, RemovalStep
from lakehouse.statements import render

_LOG = logging.getLogger(__name__)

#: Rows that are removed together: their keys are held in memory by the engine.
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class DueDay:
    """A day of a table that is older than what is kept."""

    event_date: date
    rows: int


@dataclass(frozen=True)
class RetentionReport:
    """What a retention came to, of one table.

    :param before: rows of this day and later are kept.
    :param days: that were older.
    :param rows: of these days, before.
    :param records: that were removed and had been loaded.
    :param by_hand: rows that were removed and had been written by hand.
    """

    table: str
    before: date
    days: int
    rows: int
    records: int = 0
    by_hand: int = 0

    @property
    def left(self) -> int:
        """Rows of loads that are not recorded yet: the next time takes them."""
        return max(0, self.rows - self.records - self.by_hand)


def _no_report(_step: RemovalStep) -> None:
    return None


class Retention:
    """Removes old rows; safe beside loads, and may be run any number of times.

    :param age: for how long rows are kept, counted from the day of their event, in UTC.
    :param actor: who removes them.
    :param reason: why, for whoever reads the ledger.
    :param on_step: is told of each step that ended.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        ledger: Ledger,
        age: timedelta,
        actor: str,
        reason: str,
        clock: Clock = system_clock,
        pause: Pause = pause_for_others,
        most_rows: int = MOST_ROWS,
        on_step: Callable[[RemovalStep], None] = _no_report,
    ) -> None:
        self._engine = engine
        self._before = clock().date() - age
        self._most_rows = most_rows
        self._removals = Removals(
            engine=engine,
            ledger=ledger,
            kind=RemovalKind.RETENTION,
            actor=actor,
            reason=reason,
            clock=clock,
            pause=pause,
            on_step=on_step,
        )

    def due(self, table: str) -> tuple[DueDay, ...]:
        """The days of a table that are older than what is kept, oldest first."""
        found = self._engine.execute(render("repair/due_dates.sql", target=table, before=self._before)).rows
        return tuple(DueDay(event_date=event_date, rows=rows) for event_date, rows in found)

    def look(self, table: str) -> RetentionReport:
        """What would be removed; nothing is."""
        due = self.due(table)
        return RetentionReport(table=table, before=self._before, days=len(due), rows=sum(day.rows for day in due))

    def run(self, table: str) -> RetentionReport:
        """Remove what is older than what is kept, and finish what removals that died began.

        :raises CommitConflictError: other writers kept committing first; running again goes on.
        """
        self._removals.settle()
        due = self.due(table)
        records = by_hand = 0
        for days in _portions(due, most_rows=self._most_rows):
            span = {"date_from": days[0].event_date, "date_to": days[-1].event_date}
            records += self._removals.remove("repair/note_old_rows.sql", target=table, **span).records
            by_hand += self._removals.remove_by_hand("repair/delete_old_rows_by_hand.sql", target=table, **span)
        report = RetentionReport(
            table=table,
            before=self._before,
            days=len(due),
            rows=sum(day.rows for day in due),
            records=records,
            by_hand=by_hand,
        )
        _LOG.info("%s", report)
        return report


def _portions(days: Sequence[DueDay], *, most_rows: int) -> Iterator[list[DueDay]]:
    """Runs of days that hold no more rows than this, or are one day."""
    run: list[DueDay] = []
    for day in days:
        if run and sum(each.rows for each in run) + day.rows > most_rows:
            yield run
            run = []
        run.append(day)
    if run:
        yield run
