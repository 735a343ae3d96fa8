"""Callers that hand over the same rows at once and die at any statement: every row is loaded once, or rejected.

The real load of rows runs against a lake in memory. A failing seed is a schedule that can be run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from lakehouse.contracts import RowsContract, load_contract
from lakehouse.errors import OtherRowsError, TransientError
from lakehouse.identity import SPOOL_PREFIX
from lakehouse.load import pause, rows
from lakehouse.load.files import finish_attempt
from lakehouse.load.ledger import Ledger
from lakehouse.load.rows import RowsReport, load_rows
from lakehouse.paths import BRONZE_TABLES
from lakehouse.readers.row_lines import lines_of_rows
from lakehouse.settings import StorageNames
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition, read_table_definitions
from tests.lakehouse.load.doubles import MOMENT
from tests.simulation.lake import Lake, Validation
from tests.simulation.schedule import Schedule, ScheduledEngine

SEEDS = 100
LONG_SEEDS = 1_000
KEYS = ("a form", "another form")
NAMES = StorageNames()
TABLES = read_table_definitions(BRONZE_TABLES)
TABLE: TableDefinition = TABLES["iceberg.bronze.service_events_raw"]
CONTRACT = "name: parking_fines\nkind: rows\ntarget: iceberg.bronze.service_events_raw\n"
#: What somebody may change in a contract between two attempts.
CHANGES = (
    "",
    "times: {zone: Asia/Kolkata}\n",
    "columns: {ward_id: {required: true}}\n",
    "batch: {records: 2}\n",
    "batch: {records: 3}\ncolumns: {status: {required: true}}\n",
)


@pytest.fixture(scope="session")
def contracts(tmp_path_factory) -> list[RowsContract]:
    path = tmp_path_factory.mktemp("contracts") / "parking_fines.yaml"
    found = []
    for change in CHANGES:
        path.write_text(CONTRACT + change, encoding="utf-8")
        contract = load_contract(path, TABLES, environment={})
        assert isinstance(contract, RowsContract)
        found.append(contract)
    return found


@pytest.fixture(autouse=True)
def nobody_sleeps_or_asks_for_settings(monkeypatch):
    monkeypatch.setattr(pause, "_FIRST_SECONDS", 0)
    monkeypatch.setattr(rows, "preflight", lambda *_arguments, **_options: None)


class Calls:
    """Processes that hand over rows, each with its retries, under the contract of the moment."""

    def __init__(self, seed: int, contracts: list[RowsContract]) -> None:
        self._random = Random(seed)
        self._contracts = self._random.sample(contracts, k=self._random.choice([1, 2, 3]))
        self._days = 0
        self.lake = Lake(TABLE, validation=Validation.WHOLE_TABLE)
        #: Two lists of rows under each key: whoever is first has the key, the other is refused for ever.
        self._rows: Mapping[str, list[list[Any]]] = {key: [self._some_rows(), self._some_rows()] for key in KEYS}

    def run(self) -> None:
        self._schedule(deadliness=self._random.choice([0.0, 0.02, 0.08])).run(
            processes=self._random.choice([2, 4])
        )
        self._sweep()
        for key in KEYS:
            self._check_in_peace(key)

    def _some_rows(self) -> list[Any]:
        return [self._row(number) for number in range(self._random.choice([1, 3, 4, 7]))]

    def _row(self, number: int) -> Any:
        if self._random.random() < 0.15:
            return self._random.choice(["no row", {"status": {1}}, {"event_time": "soon"}])
        fields = {"event_time": "2026-10-01 03:00:00", "service": "PGR", "entity_id": str(number)}
        for name in ("ward_id", "status"):
            if self._random.random() < 0.7:
                fields[name] = "X"
        return fields

    def _schedule(self, *, deadliness: float) -> Schedule:
        return Schedule(
            self.lake,
            random=self._random,
            work=self._call,
            disturb=self._let_a_day_pass,
            after_step=self._check_nothing_is_doubled,
            deadliness=deadliness,
        )

    def _let_a_day_pass(self) -> None:
        self._days += 1

    def _call(self, store: ObjectStore, engine: ScheduledEngine) -> None:
        key = self._random.choice(KEYS)
        chosen = self._random.choice([0, 0, 1])
        for _ in range(3):
            try:
                self._load(key, chosen, store=store, engine=engine)
            except TransientError:
                continue
            except OtherRowsError:
                pass
            return

    def _load(self, key: str, chosen: int, *, store: ObjectStore, engine: Any) -> RowsReport:
        found = self._rows[key][chosen]
        in_some_order = [dict(reversed(row.items())) if isinstance(row, dict) else row for row in found]
        return load_rows(
            lines_of_rows(self._random.choice([found, in_some_order])),
            idempotency_key=key,
            contract=self._random.choice(self._contracts),
            table=TABLE,
            engine=engine,
            store=store,
            ledger=Ledger(engine=engine, clock=lambda: MOMENT, pause=lambda _lost: None),
            names=NAMES,
            clock=lambda: MOMENT + timedelta(days=self._days),
        )

    def _sweep(self) -> None:
        for attempt in sorted({key.split("/")[1] for key in self.lake.store.keys_under(SPOOL_PREFIX)}):
            finish_attempt(
                attempt,
                tables=TABLES,
                engine=self.lake,
                ledger=Ledger(engine=self.lake, clock=lambda: MOMENT, pause=lambda _lost: None),
                store=self.lake.store,
                names=NAMES,
            )

    def _check_nothing_is_doubled(self) -> None:
        keys = Counter((row["_source_id"], row["_position"]) for row in self.lake.bronze.rows())
        assert all(number == 1 for number in keys.values()), f"rows are doubled: {keys}"
        digests = Counter(row["source_digest"] for row in self.lake.sources.rows())
        assert all(number == 1 for number in digests.values()), f"a key has two ids: {digests}"

    def _check_in_peace(self, key: str) -> None:
        """One of the two lists has the key; all of it is loaded or told as a reject, and nothing of the other."""
        reports = {}
        for chosen in (0, 1):
            try:
                reports[chosen] = self._load(key, chosen, store=self.lake.store, engine=self.lake)
            except OtherRowsError:
                continue
        self._check_nothing_is_doubled()
        one, other = self._rows[key]
        assert len(reports) == (2 if lines_of_rows(one).sha256 == lines_of_rows(other).sha256 else 1)
        chosen, report = reports.popitem()
        given = self._rows[key][chosen]
        stored = {
            row["_position"]: row["entity_id"]
            for row in self.lake.bronze.rows()
            if row["_source_id"] == report.source_id
        }
        assert report.rows == len(stored)
        assert sorted([*stored, *(reject.index for reject in report.rejects)]) == list(range(len(given)))
        assert all(entity_id == given[position]["entity_id"] for position, entity_id in stored.items())


@pytest.mark.parametrize(
    "seed",
    [*range(SEEDS), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(SEEDS, LONG_SEEDS))],
)
def test_every_schedule_of_calls_loads_every_row_once(seed, contracts):
    Calls(seed, contracts).run()
