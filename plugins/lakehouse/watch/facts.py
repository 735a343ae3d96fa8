"""What the tables say about sources, a question each: answers are small, whatever the tables hold."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.engine import Engine
from lakehouse.load.ledger import ProtocolTables, naive_utc
from lakehouse.statements import render

DAY = timedelta(days=1)
#: Nothing of a load is half done for longer: after so long without a sign of life, what is half done stays so.
LONGEST_SILENCE = timedelta(hours=1)
#: Of a source of which nothing was written: by a load, and by a removal.
_NO_SIGNS = (None, None)
#: More are not looked up one by one: everything is.
_MOST_LOOKED_UP = 10_000


@dataclass(frozen=True)
class Loads:
    """What came of a source.

    :param newest: when its newest load ended; None when there never was one.
    """

    newest: datetime | None = None
    rows_today: int = 0
    records_of_day: int = 0
    rejects_of_day: int = 0


@dataclass(frozen=True)
class OpenRejects:
    """Bad records that no row came of yet: all, and those of the last day."""

    all: int = 0
    of_day: int = 0


@dataclass(frozen=True)
class LedgerGap:
    """Positions that no ledger row covers, before one that does."""

    sources: int
    positions: int
    example: str
    since: datetime | None


@dataclass(frozen=True)
class RefusedFile:
    """A file that was refused, and neither loaded nor put again since.

    :param identity: of the version that was refused, as the registry keeps it.
    """

    contract: str
    source: str
    refused_as: str
    since: datetime
    identity: str | None = None


@dataclass(frozen=True)
class Problem:
    """A line of the certificate that has a problem.

    :param newest_sign: when a load last wrote something of it, recorded or not.
    :param newest_removal: when an unload, an erasure or a retention of it last began.
    """

    source_id: str
    source: str
    contract: str
    problems: frozenset[str]
    newest_sign: datetime | None
    newest_removal: datetime | None = None


class Facts:
    """Asks the tables about sources.

    :param contracts: names of the sources.
    :param targets: the bronze tables.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        contracts: Sequence[str],
        targets: Collection[str],
        now: datetime,
        tables: ProtocolTables | None = None,
    ) -> None:
        self._engine = engine
        self._contracts = frozenset(contracts)
        self._listed = json.dumps(sorted(contracts))
        self._targets = sorted(targets)
        self._now = now
        self._day_ago = naive_utc(now - DAY)
        self._tables = tables or ProtocolTables()

    def loads(self) -> Mapping[str, Loads]:
        """By source; one that never loaded anything is absent."""
        today = self._now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        statement = render(
            "watch/loads.sql",
            ledger=self._tables.ledger,
            contracts=self._listed,
            today=naive_utc(today),
            day_ago=self._day_ago,
        )
        return {
            contract: Loads(_aware(newest), rows, records, rejects)
            for contract, newest, rows, records, rejects in self._engine.execute(statement).rows
        }

    def open_rejects(self) -> Mapping[str, OpenRejects]:
        """By source; one without is absent. It reads the keys of bronze."""
        statement = render("watch/open_rejects.sql", contracts=self._listed, day_ago=self._day_ago)
        return {
            contract: OpenRejects(all=count, of_day=of_day)
            for contract, count, of_day in self._engine.execute(statement).rows
        }

    def gaps(self) -> Mapping[str, LedgerGap]:
        """By source; one without is absent."""
        statement = render("watch/ledger_gaps.sql", ledger=self._tables.ledger, contracts=self._listed)
        return {
            contract: LedgerGap(sources, positions, example, _aware(since))
            for contract, sources, positions, example, since in self._engine.execute(statement).rows
        }

    def refused_files(self) -> tuple[RefusedFile, ...]:
        """Newest first."""
        statement = render("watch/refused_files.sql", contracts=self._listed)
        return tuple(
            RefusedFile(contract, source, refused_as, since.replace(tzinfo=UTC), identity)
            for contract, source, refused_as, since, identity in self._engine.execute(statement).rows
        )

    def problems(self, *, touched_since: datetime | None) -> tuple[Problem, ...]:
        """The certificate's lines with problems.

        :param touched_since: of sources that were loaded from then on; of all of them when it is None.
        """
        if touched_since is None:
            statement = render("watch/problems_of_all.sql")
        else:
            touched = self._touched(touched_since)
            if not touched:
                return ()
            if len(touched) > _MOST_LOOKED_UP:
                return self.problems(touched_since=None)
            statement = render(
                "watch/problems_of_touched.sql",
                source_ids=json.dumps(touched),
                source_from=min(touched),
                source_to=max(touched),
            )
        found = [row for row in self._engine.execute(statement).rows if row[2] in self._contracts]
        signs = self._newest_signs([row[0] for row in found])
        return tuple(
            Problem(
                source_id=source_id,
                source=source or f"source id {source_id}",
                contract=contract,
                problems=frozenset(problems.split(", ")),
                newest_sign=_newest(_aware(finished_at), signs.get(source_id, _NO_SIGNS)[0]),
                newest_removal=signs.get(source_id, _NO_SIGNS)[1],
            )
            for source_id, source, contract, finished_at, problems in found
        )

    def _touched(self, since: datetime) -> list[str]:
        statement = render(
            "watch/touched_sources.sql",
            ledger=self._tables.ledger,
            since=naive_utc(since),
            now=naive_utc(self._now),
            earlier_since=naive_utc(since - LONGEST_SILENCE),
            earlier_until=naive_utc(self._now - LONGEST_SILENCE),
        )
        return [source_id for (source_id,) in self._engine.execute(statement).rows]

    def _newest_signs(self, source_ids: Sequence[str]) -> Mapping[str, tuple[datetime | None, datetime | None]]:
        if not source_ids:
            return {}
        statement = render(
            "watch/newest_signs.sql",
            source_ids=json.dumps(list(source_ids)),
            targets=self._targets,
            rejects=self._tables.rejects,
            removals=self._tables.removals,
            ledger=self._tables.ledger,
        )
        return {
            source_id: (_aware(load), _aware(removal))
            for source_id, load, removal in self._engine.execute(statement).rows
        }


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _newest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
