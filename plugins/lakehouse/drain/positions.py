"""Where reading each partition goes on: what the ledger says, and how it learns of starts and gaps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.errors import MissingRange
from lakehouse.engine import Engine
from lakehouse.errors import SourceIdentityError
from lakehouse.identity import PartitionIdentity
from lakehouse.load.ledger import Clock, Ledger, naive_utc, system_clock
from lakehouse.load.pause import Pause, pause_for_others, through_conflicts
from lakehouse.statements import Statement, render

#: Losing a commit this often in a row means that something else is wrong.
_TRIES = 10


@dataclass(frozen=True)
class RecordedPosition:
    """How far a partition is recorded.

    :param next_position: the first offset, from where reading began, that no ledger row covers; None where nothing
        is recorded.
    :param until: where the next recorded range begins, if there is one behind a hole.
    """

    source_id: str
    next_position: int | None
    until: int | None = None


@dataclass(frozen=True)
class Start:
    """Where reading a partition begins, and by what."""

    identity: PartitionIdentity
    source_id: str
    position: int
    reason: str


class Positions:
    """The positions of the partitions of one contract in the ledger."""

    def __init__(
        self,
        *,
        contract: KafkaContract,
        engine: Engine,
        ledger: Ledger,
        clock: Clock = system_clock,
        pause: Pause = pause_for_others,
    ) -> None:
        self._contract = contract
        self._engine = engine
        self._ledger = ledger
        self._clock = clock
        self._pause = pause

    def read(self, identities: Sequence[PartitionIdentity]) -> dict[PartitionIdentity, RecordedPosition]:
        """The position of each partition that is registered; the others are absent.

        :raises SourceIdentityError: a digest belongs to another identity.
        """
        if not identities:
            return {}
        by_digest = {identity.digest: identity for identity in identities}
        statement = render(
            "drain/partition_positions.sql",
            sources=self._ledger.tables.sources,
            ledger=self._ledger.tables.ledger,
            digests=json.dumps(list(by_digest)),
        )
        found = {}
        for digest, source_id, registered, next_position, until in self._engine.execute(statement).rows:
            identity = by_digest[digest]
            if registered != identity.identity:
                raise SourceIdentityError(source_id=source_id, registered=registered, planned=identity.identity)
            found[identity] = RecordedPosition(source_id=source_id, next_position=next_position, until=until)
        return found

    def have_begun(self) -> bool:
        """Whether any partition was ever read under this contract."""
        statement = render(
            "drain/count_partitions.sql",
            sources=self._ledger.tables.sources,
            ledger=self._ledger.tables.ledger,
            contract=self._contract.name,
        )
        return bool(self._engine.execute(statement).scalar)

    def begun(self, source_ids: Sequence[str]) -> dict[str, tuple[int, list[tuple[int, int]]]]:
        """Where reading each partition began, and the ranges before that of which the ledger says something."""
        if not source_ids:
            return {}
        statement = render(
            "drain/backfilled_ranges.sql",
            ledger=self._ledger.tables.ledger,
            source_ids=json.dumps(list(source_ids)),
        )
        return {
            source_id: (start, [(first, next_position) for first, next_position in ranges or ()])
            for source_id, start, ranges in self._engine.execute(statement).rows
        }

    def register(self, identities: Sequence[PartitionIdentity]) -> dict[PartitionIdentity, str]:
        """Give new partitions their source ids."""
        progress = self._ledger.register(identities, contract=self._contract.name)
        return {identity: progress[identity.digest].source_id for identity in identities}

    def record_starts(self, starts: Sequence[Start]) -> None:
        """Append where reading begins, for partitions of which the ledger has nothing."""
        if not starts:
            return
        source_ids = [start.source_id for start in starts]
        fields = [
            {
                "source_id": start.source_id,
                "first_position": start.position,
                "next_position": start.position,
                "source": start.identity.uri,
                "identity": start.identity.identity,
                "reason": start.reason,
            }
            for start in starts
        ]
        self._append(
            "drain/merge_starts.sql",
            starts=json.dumps(fields, ensure_ascii=False),
            source_from=min(source_ids),
            source_to=max(source_ids),
        )

    def record_gap(
        self, missing: MissingRange, *, identity: PartitionIdentity, source_id: str, actor: str, reason: str
    ) -> None:
        """Append that a range will not be read, unless somebody recorded a part of it."""
        self._append(
            "drain/merge_gap.sql",
            source_id=source_id,
            first=missing.first,
            next=missing.next_position,
            source=identity.uri,
            identity=identity.identity,
            actor=actor,
            reason=reason,
        )

    def _append(self, template: str, **context: object) -> None:
        statement = self._statement(template, context)
        through_conflicts(lambda: self._engine.execute(statement), pause=self._pause, pauses=_TRIES - 1)

    def _statement(self, template: str, context: Mapping[str, object]) -> Statement:
        return render(
            template,
            ledger=self._ledger.tables.ledger,
            bronze=self._contract.target,
            target=self._contract.target,
            contract=self._contract.name,
            contract_fingerprint=self._contract.fingerprint,
            run=self._ledger.run,
            finished_at=naive_utc(self._clock()),
            **context,
        )
