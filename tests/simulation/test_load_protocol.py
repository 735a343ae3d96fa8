"""Loads that run at once and die at any statement: every record is in bronze once, or rejected, and accounted for.

The real plan, stage, protocol and ledger run against a lake in memory. A failing seed is a schedule that can be
run again: pytest 'tests/simulation/test_load_protocol.py::test_every_schedule_loads_everything_once[17]'.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest

from lakehouse.contracts import Contract
from lakehouse.errors import TransientError
from lakehouse.identity import SPOOL_PREFIX
from lakehouse.load.files import drop_settled, finish_attempt, insert_through_conflicts
from lakehouse.load.ledger import Ledger
from lakehouse.load.plan import PlanLimits, plan_files, remaining
from lakehouse.load.protocol import LoadProtocol
from lakehouse.load.stage import stage_batch
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import StorageNames
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition, read_table_definitions
from tests.lakehouse.load.doubles import MOMENT
from tests.simulation.lake import Lake, Validation
from tests.simulation.schedule import Schedule, ScheduledEngine

SEEDS = 300
LONG_SEEDS = 3_000
NAMES = StorageNames()
TABLES = read_table_definitions(BRONZE_TABLES)
TABLE: TableDefinition = TABLES["iceberg.bronze.service_events_raw"]
#: One that cannot be parsed under any contract.
BAD = b"{not json"


def do_not_pause(_lost: int) -> None:
    """Whoever lost a commit goes on when the schedule says so."""


class InvariantBrokenError(AssertionError):
    """The lake holds what it must never hold."""


class Simulation:
    """One city's bucket, and the processes that load from it."""

    def __init__(self, seed: int, contracts: Mapping[str, Contract], *, lake: Lake) -> None:
        self._random = Random(seed)
        self._contracts = contracts
        self.lake = lake
        self._contents: dict[str, list[bytes]] = {}
        self._records: dict[str, int] = {}
        self._changes = self._random.sample(list(contracts), k=self._random.choice([1, 1, 2, 3]))
        for _ in range(self._random.choice([1, 2, 4])):
            self._put_new_object()

    def run(self) -> None:
        """Load what is there while more comes and processes die; sweep up after them, and load once more in peace.

        :raises InvariantBrokenError: a row is there twice, or what is recorded is not there.
        """
        storm = self._schedule(deadliness=self._random.choice([0.0, 0.02, 0.08]))
        storm.run(processes=self._random.choice([2, 3, 5]))
        self._sweep()
        self._schedule(deadliness=0.0).run(processes=1)
        self.check_everything_is_accounted_for()

    def _schedule(self, *, deadliness: float) -> Schedule:
        return Schedule(
            self.lake,
            random=self._random,
            work=self._work,
            disturb=self._disturb,
            after_step=self.check_nothing_is_wrong,
            deadliness=deadliness,
        )

    # --- the world ---------------------------------------------------------------------------------------------

    def _put_new_object(self) -> None:
        key = f"staging/parking_{len(self._contents)}.jsonl"
        number = self._random.choice([0, 1, 3, 4, 6, 7])
        self._contents[key] = [self._record() for _ in range(number)]
        self._put(key)

    def _record(self) -> bytes:
        if self._random.random() < 0.15:
            return BAD
        # Near midnight and without an offset: the day depends on the contract's zone.
        fields = {"event_time": "2026-10-01 03:00:00", "service": self._random.choice(["PGR", "WATER"])}
        for name in ("ward_id", "status"):
            if self._random.random() < 0.7:
                fields[name] = "X"
        return json.dumps(fields).encode()

    def _put(self, key: str) -> None:
        content = b"".join(record + b"\n" for record in self._contents[key])
        self.lake.store.put(content, bucket=NAMES.bucket, key=key)
        self._records[self._digest(key)] = len(self._contents[key])

    def _digest(self, key: str) -> str:
        return self.lake.store.head(bucket=NAMES.bucket, key=key).digest

    def _disturb(self) -> None:
        """Another object arrives, or one is put again on a later day, as it was or with other bytes."""
        self.lake.store.now += timedelta(days=self._random.choice([0, 1]))
        key = self._random.choice(list(self._contents))
        match self._random.choice(["arrives", "put again", "overwritten"]):
            case "arrives":
                self._put_new_object()
            case "put again":
                self._put(key)
            case "overwritten":
                self._contents[key] = [self._record() for _ in range(self._random.choice([1, 3, 6]))]
                self._put(key)

    # --- what a process does -----------------------------------------------------------------------------------

    def _work(self, store: ObjectStore, engine: ScheduledEngine) -> None:
        self._load(store, engine)

    def _load(self, store: ObjectStore, engine: ScheduledEngine) -> None:
        """As the DAG does it, each run with its retries, under the contract of the moment."""
        contract = self._contracts[self._random.choice(self._changes)]
        for _ in range(3):
            try:
                self._plan_and_load(contract, store, engine)
            except TransientError:
                continue
            return

    def _plan_and_load(self, contract: Contract, store: ObjectStore, engine: ScheduledEngine) -> None:
        ledger = Ledger(engine=engine, clock=lambda: MOMENT, pause=do_not_pause)
        protocol = LoadProtocol(engine=engine, ledger=ledger, table=TABLE, names=NAMES, clock=lambda: MOMENT)
        # A source that one run cut in pieces, the next one may find among neighbours.
        limits = PlanLimits(objects_per_batch=self._random.choice([1, 2, 5]))
        plan = plan_files(contract, store=store, ledger=ledger, limits=limits)
        for planned in plan.batches:
            batch = remaining(planned, ledger=ledger)
            manifest = stage_batch(
                batch.sources,
                contract=contract,
                table=TABLE,
                store=store,
                engine=engine,
                names=NAMES,
                clock=lambda: MOMENT,
                partitions_per_statement=self._random.choice([1, 2, 100]),
            )
            try:
                insert_through_conflicts(protocol, manifest, pause=do_not_pause)
            finally:
                drop_settled(manifest.attempt, protocol=protocol, engine=engine, store=store, names=NAMES)

    def _sweep(self) -> None:
        """What maintenance does a day later, when nothing of the storm runs any more."""
        for attempt in sorted({key.split("/")[1] for key in self.lake.store.keys_under(SPOOL_PREFIX)}):
            finish_attempt(
                attempt,
                tables=TABLES,
                engine=self.lake,
                ledger=Ledger(engine=self.lake, clock=lambda: MOMENT, pause=do_not_pause),
                store=self.lake.store,
                names=NAMES,
            )
            self.check_nothing_is_wrong()

    # --- what must hold ----------------------------------------------------------------------------------------

    def check_nothing_is_wrong(self) -> None:
        """At every moment: no key twice, and what the ledger records is there."""
        keys = Counter((row["_source_id"], row["_position"]) for row in self.lake.bronze.rows())
        self._demand(all(number == 1 for number in keys.values()), f"rows are doubled: {keys}")
        digests = Counter(row["source_digest"] for row in self.lake.sources.rows())
        self._demand(all(number == 1 for number in digests.values()), f"a source has two ids: {digests}")
        judged = set(keys) | self.lake.open_rejects()
        for row in self.lake.ledger.rows():
            recorded = {(row["source_id"], p) for p in range(row["first_position"], row["next_position"])}
            self._demand(recorded <= judged, f"recorded and not there: {recorded - judged}")

    def check_everything_is_accounted_for(self) -> None:
        """In the end: what is in the store is loaded to its end; of every source, read = rows + open rejects."""
        rows = Counter(row["_source_id"] for row in self.lake.bronze.rows())
        rejects = Counter(source_id for source_id, _ in self.lake.open_rejects())
        there = {self._digest(key) for key in self._contents}
        registered = {row["source_digest"]: row["source_id"] for row in self.lake.sources.rows()}
        self._demand(there <= set(registered), "an object was never planned")
        self._demand(set(rows) | set(rejects) <= set(registered.values()), "rows of a source that nobody knows")
        for digest, source_id in registered.items():
            ledger = [row for row in self.lake.ledger.rows() if row["source_id"] == source_id]
            ranges = sorted((row["first_position"], row["next_position"]) for row in ledger)
            read = sum(row["records_read"] for row in ledger)
            tiled = [(0, 0), *ranges]
            self._demand(
                all(before[1] == after[0] for before, after in pairwise(tiled))
                and len(set(ranges)) == len(ranges),
                f"{source_id} is recorded as {ranges}",
            )
            self._demand(
                rows[source_id] + rejects[source_id] == read == tiled[-1][1],
                f"{source_id} has {rows[source_id]} rows and {rejects[source_id]} open rejects, "
                f"{read} were read in {ranges}",
            )
            if digest in there:
                ends = [row["end_position"] for row in ledger if row["end_position"] is not None]
                self._demand(
                    ends == [self._records[digest]] and read == self._records[digest],
                    f"{source_id} has {self._records[digest]} records, {read} were read and its end is at {ends}",
                )

    def _demand(self, holds: bool, message: str) -> None:
        if not holds:
            raise InvariantBrokenError(message)


@pytest.mark.parametrize(
    "seed",
    [*range(SEEDS), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(SEEDS, LONG_SEEDS))],
)
def test_every_schedule_loads_everything_once(seed, contracts):
    Simulation(seed, contracts, lake=Lake(TABLE)).run()


@pytest.mark.parametrize("validation", [Validation.NONE, Validation.WRITTEN_PARTITIONS])
def test_simulation_sees_rows_double_where_conflicts_are_not_looked_for(validation, contracts):
    # The settings that the protocol forbids: if no schedule showed why, the schedules would prove nothing.
    with pytest.raises(InvariantBrokenError, match=r"doubled|two ids"):  # noqa: PT012 (any of them)
        for seed in range(SEEDS):
            Simulation(seed, contracts, lake=Lake(TABLE, validation=validation)).run()
