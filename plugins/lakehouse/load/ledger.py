"""The ledger and the registry of sources: what is known, what is recorded, and how a range is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from lakehouse.engine import Engine
from lakehouse.errors import CommitConflictError, RangeTakenError, RangeUnloadedError, SourceIdentityError
from lakehouse.identity import SourceIdentity
from lakehouse.load.attempt import Failure, Load, Manifest, Unit
from lakehouse.load.pause import Pause, pause_for_others
from lakehouse.statements import render

Clock = Callable[[], datetime]
Item = TypeVar("Item")

#: Two plans that register at once conflict once; more tries than this mean something else is wrong.
_REGISTER_TRIES = 5
#: Trino refuses statements of over a million characters unless query.max-length says otherwise.
_STATEMENT_CHARACTERS = 750_000
#: Of the message of a refusal; one about columns may name hundreds.
_MESSAGE_CHARACTERS = 4_000


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def naive_utc(moment: datetime) -> datetime:
    """A moment as Trino's ``timestamp`` columns hold it: UTC, without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class ProtocolTables:
    """The tables every load shares."""

    sources: str = "iceberg.bronze.sources"
    ledger: str = "iceberg.bronze.ledger"
    rejects: str = "iceberg.bronze.rejects"
    refusals: str = "iceberg.bronze.refusals"
    removals: str = "iceberg.bronze.removals"


@dataclass(frozen=True)
class SourceProgress:
    """How far a registered source is recorded.

    :param next_position: the first position that no ledger row covers.
    :param is_complete: whether its end was read and everything before it is recorded.
    :param framing_mark: how the recorded part was cut into records; empty when nothing is recorded.
    :param target: the table that has the recorded part; empty when nothing is recorded.
    :param is_unloaded: whether it was taken out and stays out: there is nothing of it to be loaded.
    """

    source_id: str
    identity: str
    next_position: int
    is_complete: bool
    framing_mark: str = ""
    target: str = ""
    is_unloaded: bool = False

    def require(self, identity: SourceIdentity) -> None:
        """Make sure that this is the progress of that source.

        :raises SourceIdentityError: it is another source's, whose digest is the same.
        """
        if self.identity != identity.identity:
            raise SourceIdentityError(
                source_id=self.source_id, registered=self.identity, planned=identity.identity
            )


@dataclass(frozen=True)
class Refusal:
    """A source that was read and not loaded, and would not be if it were read again.

    :param refused_as: the kind of error.
    :param refused_at: when it was read first under these terms of its contract.
    """

    source_id: str
    source: str
    refused_as: str
    message: str
    refused_at: datetime


class Ledger:
    """Reads and appends the tables of the protocol.

    :param run: who records, for people: dag/run/task/try, or a program.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock = system_clock,
        tables: ProtocolTables | None = None,
        run: str = "",
        pause: Pause = pause_for_others,
    ) -> None:
        self._engine = engine
        self._pause = pause
        self._clock = clock
        self._tables = tables or ProtocolTables()
        self._run = run

    @property
    def tables(self) -> ProtocolTables:
        return self._tables

    @property
    def run(self) -> str:
        """Who records."""
        return self._run

    def progress(self, digests: Sequence[str]) -> dict[str, SourceProgress]:
        """How far each registered source is recorded, by digest; what was never planned is absent."""
        if not digests:
            return {}
        statement = render(
            "plan/source_progress.sql",
            sources=self._tables.sources,
            ledger=self._tables.ledger,
            digests=json.dumps(list(digests)),
        )
        found = {}
        for digest, source_id, identity, ranges, framing_mark, target, is_unloaded in self._engine.execute(
            statement
        ).rows:
            next_position, end_position = _covered(ranges or ())
            found[digest] = SourceProgress(
                source_id=source_id,
                identity=identity,
                next_position=next_position,
                is_complete=is_unloaded or (end_position is not None and next_position >= end_position),
                framing_mark=framing_mark or "",
                target=target or "",
                is_unloaded=is_unloaded,
            )
        return found

    def register(
        self, identities: Sequence[SourceIdentity], *, contract: str, are_new: bool = False
    ) -> dict[str, SourceProgress]:
        """Give every source the one id that each of its loads uses; returns progress by digest.

        The id begins with the day of an object's version, which the same bytes put again on another day do not
        share: so it is looked up by digest, and whoever registers first names the source (ADR 0002).

        :param are_new: a moment ago nobody had registered them, so that is not asked again.
        :raises SourceIdentityError: a digest belongs to another identity.
        :raises CommitConflictError: other plans kept registering at the same time.
        """
        by_digest = {identity.digest: identity for identity in identities}
        known = {} if are_new else self.progress(list(by_digest))
        missing = [identity for digest, identity in by_digest.items() if digest not in known]
        tries = 0
        while missing:
            tries += 1
            try:
                for chunk in _register_chunks(missing):
                    known |= self._append_sources(chunk, contract=contract)
            except CommitConflictError:
                if tries >= _REGISTER_TRIES:
                    raise
                self._pause(tries)
            known |= self.progress([identity.digest for identity in missing if identity.digest not in known])
            missing = [identity for identity in missing if identity.digest not in known]
        for digest, identity in by_digest.items():
            known[digest].require(identity)
        return known

    def recorded(self, unit: Unit) -> dict[str, list[tuple[int, int]]]:
        """The recorded ranges that overlap a unit's loads, by source."""
        return self._standing(unit)[0]

    def _standing(self, unit: Unit) -> tuple[dict[str, list[tuple[int, int]]], set[str]]:
        """The recorded ranges that overlap a unit's loads, by source, and the sources that are taken out."""
        statement = render("load/recorded_ranges.sql", ledger=self._tables.ledger, **_pin(unit))
        ranges: dict[str, list[tuple[int, int]]] = {}
        unloaded: set[str] = set()
        loads = {load.source_id: load for load in unit.loads}
        for source_id, first, next_position, kind in self._engine.execute(statement).rows:
            load = loads.get(source_id)
            if load is None:
                continue
            if kind == "unload_intent":
                behind = max(load.next_position, load.first_position + 1)
                if first < behind and next_position > load.first_position:
                    unloaded.add(source_id)
            elif _overlap((first, next_position), (load.first_position, load.next_position)):
                ranges.setdefault(source_id, []).append((first, next_position))
        return ranges, unloaded

    def is_recorded(self, unit: Unit) -> bool:
        """Whether every load of a unit has its ledger row, from whatever attempt.

        :raises RangeTakenError: a row covers another range of the same positions; plan again.
        :raises RangeUnloadedError: loads that have no row were taken out, and must not be loaded any more.
        """
        recorded, unloaded = self._standing(unit)
        for load in unit.loads:
            for recorded_range in recorded.get(load.source_id, ()):
                if recorded_range != (load.first_position, load.next_position):
                    raise RangeTakenError(
                        source_id=load.source_id,
                        first=load.first_position,
                        next_position=load.next_position,
                    )
        if lost := sorted(unloaded - set(recorded)):
            raise RangeUnloadedError(source_ids=lost)
        return all(load.source_id in recorded for load in unit.loads)

    def refuse_unloaded(self, unit: Unit) -> None:
        """Make sure that nothing of a unit is taken out.

        :raises RangeUnloadedError: some of it is.
        """
        _, unloaded = self._standing(unit)
        if unloaded:
            raise RangeUnloadedError(source_ids=sorted(unloaded))

    def record(self, unit: Unit, manifest: Manifest, *, query_id: str | None) -> None:
        """Append the commit records of a unit, unless they are there; only now are its ranges done.

        Each row commits its own load, so rows that are too many for one statement go into several.

        :raises CommitConflictError: another writer committed first; what is missing is appended by another call.
        :raises RangeTakenError: another load recorded a part of a range.
        :raises RangeUnloadedError: somebody takes a range out; nothing of it is recorded.
        """
        loads = sorted(unit.loads, key=lambda each: each.source_id)
        for part in _statement_sized(loads, _ledger_fields):
            self._record_part(replace(unit, loads=tuple(part)), manifest, query_id=query_id)

    def _record_part(self, unit: Unit, manifest: Manifest, *, query_id: str | None) -> None:
        statement = render(
            "load/merge_ledger.sql",
            ledger=self._tables.ledger,
            loads=msgspec.json.encode([_ledger_fields(load) for load in unit.loads]).decode(),
            target=manifest.target,
            contract=manifest.contract,
            contract_fingerprint=manifest.contract_fingerprint,
            attempt=manifest.attempt,
            query_id=query_id,
            run=self._run,
            started_at=naive_utc(manifest.started_at),
            finished_at=naive_utc(self._clock()),
            **_pin(unit),
        )
        outcome = self._engine.execute(statement)
        if outcome.updated != len(unit.loads) and not self.is_recorded(unit):
            raise CommitConflictError(
                message=f"{outcome.updated} of {len(unit.loads)} ledger rows were appended",
                query_id=outcome.query_id,
            )

    def refuse(self, manifest: Manifest) -> None:
        """Remember which sources of an attempt were refused, so that no sweep reads them again.

        Appended once for each attempt; a row more, of a worker that was thought dead, changes nothing.
        """
        for part in _statement_sized(manifest.refusals, _refusal_fields):
            self._engine.execute(
                render(
                    "load/insert_refusals.sql",
                    refusals=self._tables.refusals,
                    refused=msgspec.json.encode([_refusal_fields(failure) for failure in part]).decode(),
                    contract=manifest.contract,
                    terms=manifest.terms,
                    attempt=manifest.attempt,
                    run=self._run,
                    refused_at=naive_utc(self._clock()),
                )
            )

    def refused(self, source_ids: Sequence[str], *, terms: str) -> dict[str, Refusal]:
        """Which of these sources were refused under the terms of their contract as they are, by id."""
        if not source_ids:
            return {}
        statement = render(
            "plan/refused_sources.sql",
            refusals=self._tables.refusals,
            source_ids=json.dumps(list(source_ids)),
            terms=terms,
        )
        rows = self._engine.execute(statement).rows
        return {row[0]: Refusal(*row) for row in rows}

    def _append_sources(self, identities: Sequence[SourceIdentity], *, contract: str) -> dict[str, SourceProgress]:
        """Append what the registry lacks; returns the progress of all where all were appended, else nothing.

        Who appends a source names it, and what was not registered was never recorded.
        """
        digests = [identity.digest for identity in identities]
        planned = [_registered_fields(identity) for identity in identities]
        outcome = self._engine.execute(
            render(
                "plan/register_sources.sql",
                sources=self._tables.sources,
                planned=json.dumps(planned, ensure_ascii=False),
                digest_from=min(digests),
                digest_to=max(digests),
                source_kind=identities[0].kind,
                contract=contract,
                registered_at=naive_utc(self._clock()),
            )
        )
        if outcome.updated != len(identities):
            return {}
        return {
            identity.digest: SourceProgress(
                source_id=identity.proposed_source_id,
                identity=identity.identity,
                next_position=0,
                is_complete=False,
            )
            for identity in identities
        }


def _register_chunks(identities: Sequence[SourceIdentity]) -> Iterator[list[SourceIdentity]]:
    """Neighbours by digest, so that plans which register at once seldom pin the same digests."""
    return _statement_sized(sorted(identities, key=lambda identity: identity.digest), _registered_fields)


def _statement_sized(
    items: Iterable[Item], fields_of: Callable[[Item], dict[str, object]]
) -> Iterator[list[Item]]:
    """Runs of items whose fields one statement can carry as JSON."""
    run: list[Item] = []
    characters = 0
    for item in items:
        text = msgspec.json.encode(fields_of(item)).decode()
        # A quote in a literal is written twice.
        size = len(text) + text.count("'") + 1
        if run and characters + size > _STATEMENT_CHARACTERS:
            yield run
            run, characters = [], 0
        run.append(item)
        characters += size
    if run:
        yield run


def _registered_fields(identity: SourceIdentity) -> dict[str, object]:
    return {
        "source_id": identity.proposed_source_id,
        "source_digest": identity.digest,
        "source": identity.uri,
        "identity": identity.identity,
    }


def _refusal_fields(failure: Failure) -> dict[str, object]:
    return {
        "source_id": failure.source_id,
        "source": failure.source,
        "refused_as": failure.refused_as,
        "message": failure.message[:_MESSAGE_CHARACTERS],
    }


def _ledger_fields(load: Load) -> dict[str, object]:
    names = (
        "source_id",
        "first_position",
        "next_position",
        "end_position",
        "load_id",
        "source_kind",
        "source",
        "identity",
        "records_read",
        "rows_loaded",
        "rejects",
        "source_bytes",
        "touched",
        "unknown_columns",
    )
    return {name: getattr(load, name) for name in names}


def _pin(unit: Unit) -> dict[str, object]:
    """The bounds of a unit's ledger rows.

    An empty source is [0, 0): only then must a row that ends where the unit begins be seen, which would otherwise
    conflict with the neighbour range for nothing.
    """
    has_empty = any(load.first_position == load.next_position for load in unit.loads)
    return {
        "source_from": unit.source_from,
        "source_to": unit.source_to,
        "next": max(unit.next_position, unit.first_position + 1),
        "reach": unit.first_position if has_empty else unit.first_position + 1,
    }


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one == other or (one[0] < other[1] and one[1] > other[0])


def _covered(ranges: Sequence[tuple[int, int, int | None]]) -> tuple[int, int | None]:
    """The first position not covered by ranges that start at 0, and the end if a range knows it."""
    next_position = 0
    end_position = None
    for first, range_next, range_end in sorted(ranges, key=lambda item: (item[0], item[1])):
        if first <= next_position:
            next_position = max(next_position, range_next)
        if range_end is not None:
            end_position = range_end
    return next_position, end_position
