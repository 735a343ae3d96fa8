"""Takes the records that rejects kept through today's contract. See docs/adr/0015.

    | step     | statement                          | if the process dies right after it                    |
    |----------|------------------------------------|-------------------------------------------------------|
    | settle   | repair/merge_replay, for the dead  | what a replay that died had merged is recorded        |
    | judge    |                                    | nothing happened                                      |
    | stage    | load/create_staging_*              | orphans for the sweep                                 |
    | rows     | load/merge_rows                    | the next replay settles it; their rejects are closed  |
    | rejects  | load/merge_rejects                 | the same; a judgement is kept once                    |
    | verify   | repair/count_replayed              | the same                                              |
    | record   | repair/merge_replay                | done                                                  |

A row comes in at its own position by the statement of every load, so it can come in once only, however many
replays run; from then on its reject is closed. What fails again stays open, with every judgement it ever had.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.contracts.reason import Reason
from lakehouse.contracts.rows_contract import RowsContract
from lakehouse.engine import Engine
from lakehouse.errors import ObjectNotFoundError, SourceChangedError
from lakehouse.identity import ObjectVersion, framing_mark, new_attempt, replay_load_id
from lakehouse.load.attempt import AttemptPlaces, Load, Manifest, Unit
from lakehouse.load.ledger import Clock, Ledger, naive_utc, system_clock
from lakehouse.load.pause import Pause, pause_for_others, through_conflicts
from lakehouse.load.preflight import preflight
from lakehouse.load.protocol import LoadProtocol, drop_attempt
from lakehouse.load.spool import SpoolWriter
from lakehouse.load.stage import PARTITIONS_PER_STATEMENT, create_staging_tables
from lakehouse.readers.errors import DamagedFileError, SchemaMismatchError
from lakehouse.readers.judged_batch import JudgedBatch, Reject
from lakehouse.readers.kept_records import KeptRecord, KeptRecordJudge, kept_record_judge, needs_file
from lakehouse.repair.errors import NotReplayableError, ReplayIncompleteError
from lakehouse.settings import StorageNames
from lakehouse.statements import render
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

_LOG = logging.getLogger(__name__)

#: Rejects that are judged and merged together: one statement may write a partition for each.
MOST_RECORDS = PARTITIONS_PER_STATEMENT
_MOST_BYTES = 64 * 1024 * 1024
_UNKNOWN_FRAMING = framing_mark("")


@dataclass(frozen=True)
class ReplayFilter:
    """Which rejects are replayed; by default every open one of the source.

    :param load_id: of the load that rejected them.
    :param reason: one of the closed list of reasons.
    :param rejected_from: UTC, inclusive.
    :param rejected_to: UTC, exclusive.
    """

    load_id: str | None = None
    reason: Reason | None = None
    rejected_from: datetime | None = None
    rejected_to: datetime | None = None


@dataclass(frozen=True)
class ReplayReport:
    """What a replay came to.

    :param rejects: open rejects that it looked at.
    :param rows: that are in bronze now, or would be.
    :param failed: records that failed again, by reason.
    :param not_replayable: rejects without a whole original, or whose original means nothing any more, by why.
    """

    rejects: int
    rows: int
    failed: Mapping[str, int]
    not_replayable: Mapping[str, int]


@dataclass(frozen=True)
class _Kept:
    """An open reject, as the tables have it."""

    source_id: str
    position: int
    load_id: str | None
    target: str
    source: str
    reason: str
    line: int | None
    record: bytes | None
    record_bytes: int
    record_sha256: str
    key: bytes | None
    timestamp: datetime | None
    headers: str | None
    source_kind: str
    identity: str


class Replay:
    """Replays rejects of one source; any number of replays and loads may run at once.

    :param actor: who replays.
    :param why: for whoever reads the ledger.
    :param on_step: is told of each step that ended, by name.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        table: TableDefinition,
        engine: Engine,
        store: ObjectStore,
        ledger: Ledger,
        names: StorageNames,
        actor: str,
        why: str,
        clock: Clock = system_clock,
        pause: Pause = pause_for_others,
        most_records: int = MOST_RECORDS,
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self._contract = contract
        self._table = table
        self._engine = engine
        self._store = store
        self._ledger = ledger
        self._names = names
        self._actor = actor
        self._why = why
        self._clock = clock
        self._pause = pause
        self._most_records = most_records
        self._on_step = on_step
        self._protocol = LoadProtocol(engine=engine, ledger=ledger, table=table, names=names, clock=clock)
        self._rejects = self._rows = 0
        self._failed: Counter[str] = Counter()
        self._not_replayable: Counter[str] = Counter()

    def run(self, wanted: ReplayFilter | None = None, *, dry_run: bool = False) -> ReplayReport:
        """Replay the open rejects that are wanted.

        :param dry_run: judge them, and write nothing.
        :raises NotReplayableError: no reject of this source can be replayed.
        :raises TransientError: running again is harmless, and goes on.
        """
        self._refuse()
        self._rejects = self._rows = 0
        self._failed, self._not_replayable = Counter(), Counter()
        if not dry_run:
            preflight(self._engine, catalog=self._names.catalog, table=self._table, tables=self._ledger.tables)
            self._settle()
        for page in self._pages(wanted or ReplayFilter()):
            for _, of_source in groupby(page, key=lambda kept: (kept.source_id, kept.load_id)):
                self._replay(tuple(of_source), dry_run=dry_run)
        return ReplayReport(
            rejects=self._rejects,
            rows=self._rows,
            failed=dict(self._failed),
            not_replayable=dict(self._not_replayable),
        )

    def _refuse(self) -> None:
        if isinstance(self._contract, RowsContract):
            raise NotReplayableError(
                contract=self._contract.name,
                why="a call's rows that JSON cannot say are kept with the names of types in place of values",
                remedy="Hand the corrected rows over in a call of their own, under another key.",
            )
        if len(self._contract.by_event()) > 1:
            raise NotReplayableError(
                contract=self._contract.name,
                why="a record stands for several events, and one reject may stand for all of them",
                remedy="Take the load out with `lakehouse unload … --reload`, and load it again.",
            )

    def _settle(self) -> None:
        """Record what replays that died had merged."""
        found = self._engine.execute(
            render(
                "repair/unrecorded_replays.sql",
                target=self._table.name,
                sources=self._ledger.tables.sources,
                ledger=self._ledger.tables.ledger,
                contract=self._contract.name,
            )
        )
        for source_id, load_id, first, next_position, rows in found.rows:
            _LOG.warning("%s rows of a replay that died are recorded", rows)
            self._record(
                source_id,
                load_id,
                (first, next_position),
                records=rows,
                attempt=None,
                query_id=None,
                at=self._clock(),
            )
        self._on_step("settled")

    def _pages(self, wanted: ReplayFilter) -> Iterator[tuple[_Kept, ...]]:
        after: tuple[str, int] = ("", -1)
        while True:
            statement = render(
                "repair/open_originals.sql",
                sources=self._ledger.tables.sources,
                contract=self._contract.name,
                after_source=after[0],
                after_position=after[1],
                load_id=wanted.load_id,
                reject_reason=None if wanted.reason is None else str(wanted.reason),
                rejected_from=None if wanted.rejected_from is None else naive_utc(wanted.rejected_from),
                rejected_to=None if wanted.rejected_to is None else naive_utc(wanted.rejected_to),
                most_records=self._most_records,
                most_bytes=_MOST_BYTES,
            )
            page = tuple(_Kept(*row) for row in self._engine.execute(statement).rows)
            if not page:
                return
            after = (page[-1].source_id, page[-1].position)
            yield page

    def _replay(self, of_source: Sequence[_Kept], *, dry_run: bool) -> None:
        """Replay rejects of one load of one source."""
        self._rejects += len(of_source)
        whole = [kept for kept in of_source if self._is_whole(kept)]
        if not whole:
            return
        judge = self._judge_of(whole[0], records=len(whole))
        if judge is None:
            return
        judged = judge.judge([KeptRecord(kept.position, kept.record or b"") for kept in whole])
        judged = _as_they_were(judged, {kept.position: kept for kept in whole}, contract=self._contract)
        lost = len(whole) - judged.rows.num_rows - len(judged.rejects)
        if lost:
            self._not_replayable["what was kept is no single record under today's contract"] += lost
        self._failed.update(str(reject.reason) for reject in judged.rejects)
        if not dry_run and (judged.rows.num_rows or judged.rejects):
            self._load(whole[0], judged)
        self._rows += judged.rows.num_rows

    def _is_whole(self, kept: _Kept) -> bool:
        """Whether a reject can be judged again; counts why, if not."""
        problem = None
        if kept.target != self._table.name:
            problem = f"they were meant for {kept.target}"
        elif kept.record is None:
            problem = (
                "the contract scrubs, and they could not be scrubbed: their bytes are not kept"
                if self._contract.scrubs
                else "their bytes are not kept"
            )
        elif len(kept.record) != kept.record_bytes and (
            kept.reason == Reason.TOO_LARGE or not self._contract.scrubs
        ):
            problem = "they were too large, and only their beginnings are kept"
        elif len(kept.record) > self._contract.max_record_bytes:
            problem = "they are larger than today's max_record_bytes"
        if problem is not None:
            self._not_replayable[problem] += 1
        return problem is None

    def _judge_of(self, kept: _Kept, *, records: int) -> KeptRecordJudge | None:
        """The judge for a source; None, with why, if its file is needed and is not there any more."""
        if not needs_file(self._contract):
            return kept_record_judge(self._contract, self._table)
        try:
            with self._store.open_version(_version_of(kept)) as stream:
                return kept_record_judge(self._contract, self._table, file=stream)
        except (ObjectNotFoundError, SourceChangedError):
            problem = "the file whose header they need is gone or was overwritten: put the same file again"
        except (SchemaMismatchError, DamagedFileError) as error:
            problem = f"today's contract does not take the header of their file: {error.problem}"
        self._not_replayable[problem] += records
        return None

    def _load(self, kept: _Kept, judged: JudgedBatch) -> None:
        """Stage, merge, verify and record what was judged."""
        started_at = self._clock()
        places = AttemptPlaces(attempt=new_attempt(now=started_at), names=self._names)
        manifest = self._staged(kept, judged, places, started_at=started_at)
        try:
            create_staging_tables(manifest, table=self._table, engine=self._engine, places=places)
            self._on_step("staged")
            self._merge(manifest, places)
        finally:
            drop_attempt(places.attempt, engine=self._engine, store=self._store, names=self._names)

    def _staged(
        self, kept: _Kept, judged: JudgedBatch, places: AttemptPlaces, *, started_at: datetime
    ) -> Manifest:
        mark = kept.load_id[-3:] if kept.load_id else _UNKNOWN_FRAMING
        load_id = replay_load_id(source_id=kept.source_id, attempt=places.attempt, framing_mark=mark)
        writer = SpoolWriter(
            store=self._store,
            places=places,
            table=self._table,
            partitions_per_statement=PARTITIONS_PER_STATEMENT,
        )
        with closing(writer):
            first = judged.first_position
            writer.open_range(source_id=kept.source_id, source=kept.source, first_position=first)
            writer.add(judged)
            tally = writer.close_range()
            writer.flush()
        load = Load(
            source_id=kept.source_id,
            first_position=first,
            next_position=judged.next_position,
            end_position=None,
            load_id=load_id,
            source_kind=kept.source_kind,
            source=kept.source,
            identity=kept.identity,
            source_bytes=None,
            records_read=tally.records,
            rows_loaded=tally.rows,
            rejects=tally.rejects,
            null_counts=dict(tally.null_counts),
            touched=tuple(tally.touched),
            unknown_columns=dict(tally.unknown_columns),
        )
        return Manifest(
            attempt=places.attempt,
            contract=self._contract.name,
            contract_fingerprint=self._contract.fingerprint,
            framing_mark=mark,
            target=self._table.name,
            started_at=started_at,
            units=(Unit(loads=(load,), statements=writer.statements),),
            failures=(),
        )

    def _merge(self, manifest: Manifest, places: AttemptPlaces) -> None:
        (unit,) = manifest.units
        (load,) = unit.loads
        query_id = None
        if unit.rows_loaded:
            query_id = through_conflicts(lambda: self._protocol.merge_rows(unit, places), pause=self._pause)
        self._on_step("rows")
        if unit.rejects:
            through_conflicts(lambda: self._protocol.merge_rejects(unit, manifest, places), pause=self._pause)
        self._on_step("rejects")
        own = self._verify(load, places) if unit.rows_loaded else 0
        self._on_step("verified")
        if own or unit.rejects:
            self._record(
                load.source_id,
                load.load_id,
                (load.first_position, load.next_position),
                records=own + load.rejects,
                attempt=manifest.attempt,
                query_id=query_id,
                at=manifest.started_at,
            )
        self._on_step("recorded")

    def _verify(self, load: Load, places: AttemptPlaces) -> int:
        """How many of the rows this replay wrote; another one may have written some before it.

        :raises ReplayIncompleteError: some are not there.
        """
        counted = self._engine.execute(
            render(
                "repair/count_replayed.sql",
                staging=places.rows_table,
                target=self._table.name,
                load_id=load.load_id,
                source_id=load.source_id,
                first=load.first_position,
                next=load.next_position,
            )
        )
        staged, there, own = counted.rows[0]
        if staged != there:
            raise ReplayIncompleteError(source=load.source, staged=staged, there=there)
        return int(own)

    def _record(
        self,
        source_id: str,
        load_id: str,
        positions: tuple[int, int],
        *,
        records: int,
        attempt: str | None,
        query_id: str | None,
        at: datetime,
    ) -> None:
        statement = render(
            "repair/merge_replay.sql",
            ledger=self._ledger.tables.ledger,
            sources=self._ledger.tables.sources,
            bronze=self._table.name,
            target=self._table.name,
            source_id=source_id,
            load_id=load_id,
            first=positions[0],
            next=positions[1],
            contract=self._contract.name,
            contract_fingerprint=self._contract.fingerprint,
            records_read=records,
            attempt=attempt,
            query_id=query_id,
            run=self._ledger.run,
            started_at=naive_utc(at),
            finished_at=naive_utc(self._clock()),
            actor=self._actor,
            reason=self._why,
        )
        through_conflicts(lambda: self._engine.execute(statement), pause=self._pause)


def _as_they_were(judged: JudgedBatch, kept: Mapping[int, _Kept], *, contract: Contract) -> JudgedBatch:
    """The same, each reject with what its record had beside it when it was first rejected.

    A contract that was corrected may keep less of a message than the one that rejected.
    """
    keeps_key, headers = False, frozenset[str]()
    if isinstance(contract, KafkaContract):
        keeps_key, headers = contract.keeps_keys, frozenset(contract.origin.headers)
    rejects = tuple(
        _as_it_was(reject, kept[reject.position], keeps_key=keeps_key, headers=headers)
        for reject in judged.rejects
    )
    first, behind = min(kept), max(kept) + 1
    return replace(judged, rejects=rejects, first_position=first, next_position=behind)


def _as_it_was(reject: Reject, kept: _Kept, *, keeps_key: bool, headers: frozenset[str]) -> Reject:
    return replace(
        reject,
        record_bytes=kept.record_bytes,
        record_sha256=kept.record_sha256,
        line=kept.line,
        key=kept.key if keeps_key else None,
        timestamp=None if kept.timestamp is None else kept.timestamp.replace(tzinfo=UTC),
        headers=_allowed(kept.headers, headers),
    )


def _allowed(headers: str | None, names: frozenset[str]) -> str | None:
    """Those of the kept headers that may be kept today."""
    found = {name: value for name, value in json.loads(headers or "{}").items() if name in names}
    return json.dumps(found, ensure_ascii=False) if found else None


def _version_of(kept: _Kept) -> ObjectVersion:
    """The version of the object that a reject comes from; the day of its last modification is no part of it."""
    identity = json.loads(kept.identity)
    return ObjectVersion(last_modified=datetime.now(UTC), **identity)
