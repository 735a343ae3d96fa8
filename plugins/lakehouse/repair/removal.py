"""Removes records that were loaded, and accounts for them. See docs/adr/0022.

    | step    | statement                     | if the process dies right after it |
    |---------|-------------------------------|------------------------------------|
    | note    | repair/note_*                 | the next removal settles it        |
    | rejects | repair/delete_removed_rejects | the same                           |
    | rows    | repair/delete_removed_rows    | the same                           |
    | rewrite | repair/rewrite_*              | the same                           |
    | record  | repair/merge_removal          | done                               |

What goes is noted first, key by key, as a set: so the certificate knows at every moment what is not there any
more, and still sees a row that went without being noted. Only records that the ledger has (by a load, a replay, or
a gap behind an attempt that died) are noted: no load misses what it has just merged. Deleted rows stay in their
files until these are rewritten without them; a file of which no row is left goes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from lakehouse.engine import Engine, Outcome
from lakehouse.identity import new_attempt
from lakehouse.load.ledger import Clock, Ledger, naive_utc, system_clock
from lakehouse.load.pause import Pause, pause_for_others, through_conflicts
from lakehouse.statements import render

_LOG = logging.getLogger(__name__)


class RemovalKind(StrEnum):
    """Why records are removed; a kind of the ledger's rows."""

    RETENTION = "retention"
    ERASURE = "erasure"


class RemovalStep(StrEnum):
    """The steps of a removal, in their order."""

    NOTE = "note"
    REJECTS = "rejects"
    ROWS = "rows"
    REWRITE = "rewrite"
    RECORD = "record"


@dataclass(frozen=True)
class RemovalCount:
    """What a removal came to.

    :param sources: of which something was removed.
    :param records: rows and open rejects of these sources.
    """

    sources: int = 0
    records: int = 0

    def __add__(self, other: RemovalCount) -> RemovalCount:
        return RemovalCount(self.sources + other.sources, self.records + other.records)


def _no_report(_step: RemovalStep) -> None:
    return None


class Removals:
    """Removes noted records from bronze and rejects, each once, however often it is called.

    :param actor: who removes them.
    :param reason: why, for whoever reads the ledger.
    :param on_step: is told of each step that ended.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        ledger: Ledger,
        kind: RemovalKind,
        actor: str,
        reason: str,
        clock: Clock = system_clock,
        pause: Pause = pause_for_others,
        on_step: Callable[[RemovalStep], None] = _no_report,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._kind = kind
        self._actor = actor
        self._reason = reason
        self._clock = clock
        self._pause = pause
        self._on_step = on_step

    def settle(self) -> RemovalCount:
        """Finish what removals that died had noted.

        :raises CommitConflictError: other writers kept committing first; running again goes on.
        """
        found = self._engine.execute(
            render(
                "repair/unfinished_removals.sql",
                removals=self._ledger.tables.removals,
                ledger=self._ledger.tables.ledger,
            )
        ).rows
        total = RemovalCount()
        for removal_id, kind, target in found:
            _LOG.warning("A %s that died is finished: %s", kind, removal_id)
            total += self._finish(removal_id, target=target)
        return total

    def remove(self, template: str, *, target: str, **context: object) -> RemovalCount:
        """Note what a statement finds, then remove it.

        :param template: a statement that appends to the removals.
        :raises CommitConflictError: other writers kept committing first; running again goes on.
        """
        removal_id = new_attempt(now=self._clock())
        noted = self.execute(
            template,
            removals=self._ledger.tables.removals,
            ledger=self._ledger.tables.ledger,
            target=target,
            bronze=target,
            removal_id=removal_id,
            actor=self._actor,
            reason=self._reason,
            noted_at=naive_utc(self._clock()),
            **context,
        )
        self._on_step(RemovalStep.NOTE)
        if not noted.updated:
            return RemovalCount()
        return self._finish(removal_id, target=target)

    def remove_by_hand(self, template: str, *, target: str, **context: object) -> int:
        """Remove rows that were written by hand by a statement that deletes them; returns how many."""
        started_at: datetime = self._clock()
        deleted = self.execute(template, target=target, **context).updated or 0
        if deleted:
            self.execute("repair/rewrite_table.sql", table=target)
            self.execute(
                "repair/insert_removal_by_hand.sql",
                ledger=self._ledger.tables.ledger,
                kind=str(self._kind),
                target=target,
                removal_id=new_attempt(now=started_at),
                run=self._ledger.run,
                started_at=naive_utc(started_at),
                finished_at=naive_utc(self._clock()),
                actor=self._actor,
                reason=self._reason,
                records_removed=deleted,
            )
        return deleted

    def execute(self, template: str, **context: object) -> Outcome:
        """Execute a statement; where another writer committed first, again."""
        statement = render(template, **context)
        return through_conflicts(lambda: self._engine.execute(statement), pause=self._pause)

    def _finish(self, removal_id: str, *, target: str) -> RemovalCount:
        removals, rejects = self._ledger.tables.removals, self._ledger.tables.rejects
        self.execute(
            "repair/delete_removed_rejects.sql", rejects=rejects, removals=removals, removal_id=removal_id
        )
        self._on_step(RemovalStep.REJECTS)
        date_from, date_to, has_undated = self._dates(removal_id)
        self.execute(
            "repair/delete_removed_rows.sql",
            target=target,
            removals=removals,
            removal_id=removal_id,
            date_from=date_from,
            date_to=date_to,
            has_undated=has_undated,
        )
        self._on_step(RemovalStep.ROWS)
        self.execute("repair/rewrite_table.sql", table=rejects)
        if date_from is not None and date_to is not None:
            self._rewrite_days(target, date_from, date_to)
        if has_undated:
            self.execute("repair/rewrite_undated.sql", target=target)
        self._on_step(RemovalStep.REWRITE)
        self.execute(
            "repair/merge_removal.sql",
            ledger=self._ledger.tables.ledger,
            removals=removals,
            sources=self._ledger.tables.sources,
            removal_id=removal_id,
            run=self._ledger.run,
            finished_at=naive_utc(self._clock()),
        )
        self._on_step(RemovalStep.RECORD)
        [(sources, records)] = self._engine.execute(
            render("repair/count_removed.sql", ledger=self._ledger.tables.ledger, removal_id=removal_id)
        ).rows
        return RemovalCount(sources=sources, records=records)

    def _rewrite_days(self, target: str, date_from: date, date_to: date) -> None:
        self.execute(
            "repair/rewrite_days.sql",
            target=target,
            date_from=date_from.isoformat(),
            date_to=date_to.isoformat(),
        )

    def _dates(self, removal_id: str) -> tuple[date | None, date | None, bool]:
        """The first and the last day of what a removal noted, and whether some of it has none."""
        [(date_from, date_to, has_undated)] = self._engine.execute(
            render("repair/removal_dates.sql", removals=self._ledger.tables.removals, removal_id=removal_id)
        ).rows
        return date_from, date_to, has_undated
