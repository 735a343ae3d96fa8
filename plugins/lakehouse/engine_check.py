"""Tries the guarantee of the load statement on the engine and the catalog that a user runs, in scratch tables.

Each case is one that was seen to double or to lose rows somewhere (docs/adr/0001). An operator runs the check
before trusting another version of Trino, or another catalog.
"""

from __future__ import annotations

import functools
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Protocol

from lakehouse.engine import Engine, Outcome, Progress, TrinoEngine
from lakehouse.errors import (
    CommitConflictError,
    EngineUnavailableError,
    LakehouseError,
    PositionsNotDistinctError,
    TerminalError,
    UnsafeEngineError,
)
from lakehouse.identity import ObjectVersion
from lakehouse.load.attempt import Load, Manifest, Partition, Unit
from lakehouse.load.ledger import Ledger, ProtocolTables
from lakehouse.load.preflight import (
    REFUSED_VERSIONS,
    check_engine,
    check_tables,
    refuse_properties,
    refuse_version,
)
from lakehouse.paths import PROTOCOL_TABLES
from lakehouse.statements import Statement, render
from lakehouse.tables.definition import TableDefinition, read_created_table

#: Two days, so that one load and the next may write different partitions.
_FIRST_DAY = date(2026, 1, 1)
_OTHER_DAY = date(2026, 1, 2)
#: The zombie's staging view counts this many times ten million rows; doubled until it is slow enough.
_FIRST_ROUNDS = 4
_MOST_ROUNDS = 4096
#: How often a lost statement is looked at until it has ended.
_POLLS = 600
_POLL_SECONDS = 0.5


class EngineFactory(Protocol):
    """Makes an engine with connections of its own."""

    def __call__(
        self,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        session: Mapping[str, str] | None = None,
    ) -> TrinoEngine:
        """Make one.

        :param session: further session properties of its connections.
        """
        ...


class CheckFailedError(Exception):
    """A case did not end as it must."""


class UnknownCaseError(TerminalError):
    """No case of the check has such a name."""

    def __init__(self, asked: str, *, known: Sequence[str]) -> None:
        super().__init__(f"No case has {asked!r} in its name.", remedy=f"Cases: {'; '.join(known)}.")
        self.asked = asked
        self.known = tuple(known)


class _NotSlowEnoughError(Exception):
    """The statement that was to be overtaken ended first: the case says nothing."""


@dataclass(frozen=True)
class CheckLine:
    """The outcome of one case."""

    case: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class _Staged:
    """Keys in a scratch staging table."""

    sources: tuple[str, ...] = ("check-source-001",)
    first: int = 0
    next: int = 1000
    event_date: date = _FIRST_DAY
    copies: int = 1

    @property
    def count(self) -> int:
        return len(self.sources) * (self.next - self.first) * self.copies


@dataclass
class _Scratch:
    """Scratch names that were used, to be dropped."""

    schema: str
    tables: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    count: int = 0

    def table(self, kind: str) -> str:
        self.count += 1
        name = f"{self.schema}.{kind}_{self.count}"
        self.tables.append(name)
        return name

    def view(self) -> str:
        self.count += 1
        name = f"{self.schema}.slow_{self.count}"
        self.views.append(name)
        return name


class EngineCheck:
    """Runs the cases against one engine.

    :param connect: makes an engine of its own for each statement that runs beside others.
    :param location: where the scratch schema lies; empty leaves it to the catalog.
    """

    def __init__(
        self, *, connect: EngineFactory, table: TableDefinition, catalog: str, location: str = ""
    ) -> None:
        self._connect = connect
        self._engine: Engine = connect()
        self._table = table
        self._catalog = catalog
        self._location = location
        self._scratch = _Scratch(schema=f"{catalog}.engine_check_{secrets.token_hex(4)}")

    @property
    def cases(self) -> dict[str, Callable[[], str]]:
        """Every case by its name; each returns what was seen, or raises."""
        return {
            "engine version and catalog setting": self._version_and_catalog,
            "versions and table properties that break the load are refused": self._refusals,
            "the same load twice": self._same_load_twice,
            "the same load three times at once": self._three_at_once,
            "overlapping ranges at once": self._overlap,
            "disjoint ranges of one source at once": self._disjoint,
            "a row whose partition moved between two attempts": self._moved_partition,
            "neighbouring groups of sources side by side": self._groups_side_by_side,
            "a zombie, with compaction after the other attempt": self._zombie_with_compaction,
            "a zombie, with its snapshot expired": self._zombie_with_expiry,
            "staged positions that are not distinct": self._doubled_positions,
            "staged keys outside the range": self._keys_outside,
            "a lost answer": self._lost_answer,
            "the commit record of one range, three at once": self._commit_records_at_once,
            "one source registered three times at once": self._registrations_at_once,
        }

    def run(self, only: str | None = None) -> Iterator[CheckLine]:
        """Run the cases in order, a line each; scratch tables are dropped at the end, whatever happened.

        :param only: run just the cases whose name contains this.
        """
        chosen = {name: case for name, case in self.cases.items() if only is None or only in name}
        if not chosen:
            raise UnknownCaseError(only or "", known=sorted(self.cases))
        self._engine.execute(
            render("checks/create_scratch_schema.sql", schema=self._scratch.schema, location=self._location)
        )
        try:
            for name, case in chosen.items():
                yield self._line(name, case)
        finally:
            self._drop_all()

    def _line(self, name: str, case: Callable[[], str]) -> CheckLine:
        try:
            return CheckLine(case=name, passed=True, detail=case())
        except (CheckFailedError, LakehouseError) as error:
            return CheckLine(case=name, passed=False, detail=str(error))

    # --- cases -------------------------------------------------------------------------------------------------

    def _version_and_catalog(self) -> str:
        version = check_engine(self._engine, catalog=self._catalog)
        return f"Trino {version}, conflict detection over the whole table"

    def _refusals(self) -> str:
        refused = [f"Trino {version}" for version in sorted(REFUSED_VERSIONS)]
        for version in sorted(REFUSED_VERSIONS):
            _must_refuse(f"Trino {version}", partial(refuse_version, str(version)))
        isolation = {"write.delete.isolation-level": "snapshot"}
        _must_refuse("isolation level snapshot", partial(refuse_properties, "scratch", isolation))
        for what, version, file_format in (("format version 1", 1, "PARQUET"), ("AVRO", 2, "AVRO")):
            table = self._target(format_version=version, file_format=file_format)
            _must_refuse(what, partial(check_tables, self._engine, names=[table]))
        return ", ".join([*refused, "isolation level snapshot", "format version 1", "AVRO"])

    def _same_load_twice(self) -> str:
        staged = _Staged()
        target, staging = self._target(), self._staging(staged)
        first = self._merge(target, staging, staged)
        second = self._merge(target, staging, staged)
        if (first.updated, second.updated) != (staged.count, 0):
            raise CheckFailedError(f"inserted {first.updated}, then {second.updated}")
        return f"inserted {first.updated}, then 0; {self._expect_rows(target, staged.count)}"

    def _three_at_once(self) -> str:
        staged = _Staged()
        target = self._target()

        def attempt(rounds: int) -> str:
            slow = self._slow(self._staging(staged), rounds)
            with ThreadPoolExecutor(max_workers=3) as pool:
                running = [self._start(pool, target, slow, staged) for _ in range(3)]
                for zombie in running:
                    zombie.wait_until_planned()
                outcomes = [zombie.outcome() for zombie in running]
            conflicts = sum(isinstance(outcome, CommitConflictError) for outcome in outcomes)
            if conflicts == 0:
                raise _NotSlowEnoughError
            inserted = sum(outcome.updated or 0 for outcome in outcomes if isinstance(outcome, Outcome))
            if inserted != staged.count:
                raise CheckFailedError(f"the three inserted {inserted} rows of {staged.count} together")
            return f"{conflicts} conflicted"

        seen = self._slower_and_slower(attempt, between_tries=lambda: self._empty(target))
        return f"{seen}; {self._expect_rows(target, staged.count)}"

    def _overlap(self) -> str:
        slow, fast = _Staged(first=0, next=1000), _Staged(first=500, next=1500)
        target = self._target()
        self._overtake(target, slow=slow, fast=fast)
        again = self._merge(target, self._staging(slow), slow)
        if again.updated != 500:
            raise CheckFailedError(f"the retry inserted {again.updated} rows, 500 were missing")
        return f"one conflicted, its retry inserted 500; {self._expect_rows(target, 1500)}"

    def _disjoint(self) -> str:
        slow, fast = _Staged(first=0, next=1000), _Staged(first=1000, next=2000)
        target = self._target()
        self._overtake(target, slow=slow, fast=fast, must_conflict=False)
        return f"both committed; {self._expect_rows(target, 2000)}"

    def _moved_partition(self) -> str:
        slow, fast = _Staged(event_date=_FIRST_DAY), _Staged(event_date=_OTHER_DAY)
        target = self._target()
        self._overtake(target, slow=slow, fast=fast)
        return f"one conflicted; {self._expect_rows(target, fast.count)}"

    def _groups_side_by_side(self) -> str:
        sources = tuple(f"check-source-{number:03}" for number in range(40))
        slow, fast = _Staged(sources=sources[:20], next=50), _Staged(sources=sources[20:], next=50)
        target = self._target()
        self._overtake(target, slow=slow, fast=fast, must_conflict=False)
        return f"both committed; {self._expect_rows(target, slow.count + fast.count)}"

    def _zombie_with_compaction(self) -> str:
        staged = _Staged()
        target = self._target()
        compact = render("checks/optimize_scratch.sql", table=target)
        self._overtake(target, slow=staged, fast=staged, between=lambda: self._engine.execute(compact))
        return f"the zombie conflicted; {self._expect_rows(target, staged.count)}"

    def _zombie_with_expiry(self) -> str:
        staged = _Staged()
        target = self._target()
        expire = render("maintenance/expire_snapshots.sql", table=target, retention="0s")
        at_once = self._connect(session={f"{self._catalog}.expire_snapshots_min_retention": "0s"})
        self._overtake(target, slow=staged, fast=staged, between=lambda: at_once.execute(expire))
        return f"the zombie conflicted; {self._expect_rows(target, staged.count)}"

    def _doubled_positions(self) -> str:
        staged = _Staged(copies=2)
        target = self._target()
        try:
            self._merge(target, self._staging(staged), staged)
        except PositionsNotDistinctError:
            return f"refused; {self._expect_rows(target, 0)}"
        raise CheckFailedError("the statement took positions that were staged twice")

    def _keys_outside(self) -> str:
        target = self._target()
        staging = self._staging(_Staged(first=0, next=1500))
        inside = _Staged(first=0, next=1000)
        for _ in range(2):
            self._merge(target, staging, inside)
        return f"left out, twice; {self._expect_rows(target, 1000)}"

    def _lost_answer(self) -> str:
        staged = _Staged()
        target = self._target()

        def attempt(rounds: int) -> str:
            lost: list[str] = []

            def hang_up(progress: Progress) -> None:
                if progress.state == "RUNNING":
                    lost.append(progress.query_id)
                    raise ConnectionResetError("the client hangs up")

            try:
                slow = self._slow(self._staging(staged), rounds)
                self._connect(on_progress=hang_up).execute(self._merge_statement(target, slow, staged))
            except EngineUnavailableError:
                return self._await_end(lost[0], target)
            raise _NotSlowEnoughError

        state = self._slower_and_slower(attempt)
        again = self._merge(target, self._staging(staged), staged)
        return (
            f"the lost one {state}, the retry inserted {again.updated}; {self._expect_rows(target, staged.count)}"
        )

    def _commit_records_at_once(self) -> str:
        load = Load(
            source_id="check-source-001",
            first_position=0,
            next_position=10,
            end_position=10,
            load_id="check-load-00001",
            source_kind="object",
            source="s3://check/object",
            identity="{}",
            source_bytes=1,
            records_read=10,
            rows_loaded=10,
            rejects=0,
            null_counts={},
            touched=(Partition(event_date=_FIRST_DAY, service="check"),),
            unknown_columns={},
        )
        unit = Unit(loads=(load,), statements=1)
        manifest = Manifest(
            attempt="check",
            contract="check",
            contract_fingerprint="check",
            framing_mark="",
            target="check",
            started_at=datetime.now(UTC),
            units=(unit,),
            failures=(),
        )
        tables = replace(ProtocolTables(), ledger=self._protocol_table("ledger"))
        return self._three_ledgers(
            tables,
            lambda ledger, _number: ledger.record(unit, manifest, query_id=None),
            counted=tables.ledger,
        )

    def _registrations_at_once(self) -> str:
        version = ObjectVersion(
            bucket="check", key="object", etag="check", size=1, last_modified=datetime.now(UTC)
        )
        tables = ProtocolTables(sources=self._protocol_table("sources"), ledger=self._protocol_table("ledger"))
        named = set()

        def register(ledger: Ledger, number: int) -> None:
            # The same bytes, put on another day: each plan would name them otherwise.
            mine = replace(version, last_modified=version.last_modified - timedelta(days=number))
            named.add(ledger.register([mine], contract="check")[version.digest].source_id)

        outcome = self._three_ledgers(tables, register, counted=tables.sources)
        registered = (
            Ledger(engine=self._engine, tables=tables).progress([version.digest])[version.digest].source_id
        )
        if named != {registered}:
            raise CheckFailedError(f"plans go on with {', '.join(sorted(named))}; {registered} is registered")
        return outcome

    def _three_ledgers(self, tables: ProtocolTables, act: Callable[[Ledger, int], object], *, counted: str) -> str:
        def try_once(number: int) -> bool:
            try:
                act(Ledger(engine=self._connect(), tables=tables), number)
            except CommitConflictError:
                return False
            return True

        with ThreadPoolExecutor(max_workers=3) as pool:
            succeeded = sum(pool.map(try_once, range(3)))
        rows = self._engine.execute(render("checks/count_rows.sql", table=counted)).scalar
        if rows != 1 or not succeeded:
            raise CheckFailedError(f"{rows} rows after {succeeded} of 3 succeeded")
        return f"{succeeded} of 3 succeeded; 1 row"

    # --- how the cases are made --------------------------------------------------------------------------------

    def _overtake(
        self,
        target: str,
        *,
        slow: _Staged,
        fast: _Staged,
        must_conflict: bool = True,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """Plan one merge, let another commit meanwhile, and see how the first ends."""
        fast_staging = self._staging(fast)
        slow_staging = self._staging(slow)

        def attempt(rounds: int) -> str:
            view = self._slow(slow_staging, rounds)
            with ThreadPoolExecutor(max_workers=1) as pool:
                zombie = self._start(pool, target, view, slow)
                zombie.wait_until_planned()
                self._merge(target, fast_staging, fast)
                between()
                if zombie.has_ended:
                    raise _NotSlowEnoughError
                outcome = zombie.outcome()
            conflicted = isinstance(outcome, CommitConflictError)
            if conflicted != must_conflict:
                ended = "conflicted" if conflicted else f"inserted {getattr(outcome, 'updated', None)} rows"
                raise CheckFailedError(f"the merge that was overtaken {ended}")
            return ""

        self._slower_and_slower(attempt, between_tries=lambda: self._empty(target))

    def _slower_and_slower(
        self, attempt: Callable[[int], str], *, between_tries: Callable[[], None] = lambda: None
    ) -> str:
        rounds = _FIRST_ROUNDS
        while rounds <= _MOST_ROUNDS:
            try:
                return attempt(rounds)
            except _NotSlowEnoughError:
                between_tries()
                rounds *= 2
        raise CheckFailedError("no merge could be made slow enough to be overtaken; try when Trino is idle")

    def _start(self, pool: ThreadPoolExecutor, target: str, staging: str, staged: _Staged) -> _Running:
        planned = threading.Event()

        def on_progress(progress: Progress) -> None:
            if progress.state in {"RUNNING", "FINISHING", "FINISHED", "FAILED"}:
                planned.set()

        engine = self._connect(on_progress=on_progress)
        future = pool.submit(engine.execute, self._merge_statement(target, staging, staged))
        future.add_done_callback(lambda _done: planned.set())
        return _Running(planned=planned, future=future)

    def _merge(self, target: str, staging: str, staged: _Staged) -> Outcome:
        return self._engine.execute(self._merge_statement(target, staging, staged))

    def _merge_statement(self, target: str, staging: str, staged: _Staged) -> Statement:
        return render(
            "load/merge_rows.sql",
            target=target,
            staging=staging,
            ledger=self._empty_ledger,
            ranges=json.dumps(dict.fromkeys(staged.sources, (staged.first, staged.next))),
            columns=self._table.column_names,
            statement=0,
            load_ids=json.dumps(dict.fromkeys(staged.sources, "check-load-00001")),
            ingested_at=datetime.now(UTC).replace(tzinfo=None),
            source_from=min(staged.sources),
            source_to=max(staged.sources),
            first=staged.first,
            next=staged.next,
        )

    @functools.cached_property
    def _empty_ledger(self) -> str:
        """A ledger in which nothing is taken out."""
        return self._protocol_table("ledger")

    def _target(self, *, file_format: str = "PARQUET", format_version: int = 2) -> str:
        name = self._scratch.table("target")
        self._engine.execute(
            render(
                "checks/create_scratch_table.sql",
                table=name,
                columns=self._table.columns,
                file_format=file_format,
                format_version=format_version,
            )
        )
        return name

    def _staging(self, staged: _Staged) -> str:
        name = self._scratch.table("staging")
        self._engine.execute(
            render(
                "checks/create_scratch_staging.sql",
                table=name,
                columns=self._table.columns,
                event_date=staged.event_date,
                source_ids=json.dumps(staged.sources),
                first=staged.first,
                last=staged.next - 1,
                copies=staged.copies,
            )
        )
        return name

    def _slow(self, staging: str, rounds: int) -> str:
        name = self._scratch.view()
        self._engine.execute(render("checks/create_slow_staging.sql", view=name, table=staging, rounds=rounds))
        return name

    def _protocol_table(self, kind: str) -> str:
        name = self._scratch.table(kind)
        definition = (PROTOCOL_TABLES / f"{kind}.sql").read_text(encoding="utf-8").strip()
        created = read_created_table(PROTOCOL_TABLES / f"{kind}.sql").name
        self._engine.execute(Statement(name=f"{kind}.sql", text=definition.replace(created, name, 1)))
        return name

    def _empty(self, target: str) -> None:
        """Make a target anew, for another try of its case."""
        self._engine.execute(render("checks/drop_scratch_table.sql", table=target))
        self._engine.execute(
            render(
                "checks/create_scratch_table.sql",
                table=target,
                columns=self._table.columns,
                file_format="PARQUET",
                format_version=2,
            )
        )

    def _expect_rows(self, target: str, expected: int) -> str:
        rows, keys = self._engine.execute(render("checks/count_scratch.sql", table=target)).rows[0]
        if (rows, keys) != (expected, expected):
            raise CheckFailedError(f"{rows} rows at {keys} keys, expected {expected}")
        return f"{rows} rows, each key once"

    def _await_end(self, query_id: str, target: str) -> str:
        """Wait until a statement that nobody listens to has committed, or has ended without."""
        pause = threading.Event()
        for _ in range(_POLLS):
            states = self._engine.execute(render("checks/query_state.sql", query_id=query_id)).rows
            # A write whose answer nobody fetches stays FINISHING until it is abandoned, long after its commit.
            if self._engine.execute(render("checks/count_scratch.sql", table=target)).scalar:
                return "committed"
            if not states or states[0][0] == "FAILED":
                return "did not commit"
            pause.wait(_POLL_SECONDS)
        raise CheckFailedError(f"query {query_id} did not end")

    def _drop_all(self) -> None:
        for view in self._scratch.views:
            self._engine.execute(render("checks/drop_scratch_view.sql", view=view))
        for table in self._scratch.tables:
            self._engine.execute(render("checks/drop_scratch_table.sql", table=table))
        self._engine.execute(render("checks/drop_scratch_schema.sql", schema=self._scratch.schema))


@dataclass(frozen=True)
class _Running:
    """A merge that runs in a thread of its own."""

    planned: threading.Event
    future: Future[Outcome]

    def wait_until_planned(self) -> None:
        self.planned.wait()

    @property
    def has_ended(self) -> bool:
        return self.future.done()

    def outcome(self) -> Outcome | CommitConflictError:
        """How it ended; any other error is the case's failure."""
        try:
            return self.future.result()
        except CommitConflictError as error:
            return error


def _must_refuse(what: str, check: Callable[[], object]) -> None:
    try:
        check()
    except UnsafeEngineError:
        return
    raise CheckFailedError(f"{what} was not refused")
