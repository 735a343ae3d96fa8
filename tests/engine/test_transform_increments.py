"""Whatever happens to bronze, and whenever dbt runs meanwhile: silver and gold are what a full refresh makes."""

from __future__ import annotations

import io
import json
import random
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from lakehouse.repair.unload import UnloadStep
from tests.engine.conftest import Platform
from tests.engine.transform_warehouse import BronzeRow, Warehouse, utc

pytestmark = pytest.mark.engine

FIRST_DAY = utc(2026, 9, 28)
TENANTS = ("pb.amritsar", "ke.nairobi", "ken.bomet.town", "pb.testing")
LIFE = (
    "CaseSubmitted",
    "CaseAssigned",
    "CaseResolved",
    "CaseReopened",
    "CaseAssigned",
    "CaseResolved",
    "CaseClosed",
)
STATUSES = {
    "CaseSubmitted": "OPEN",
    "CaseAssigned": "ASSIGNED",
    "CaseResolved": "RESOLVED",
    "CaseReopened": "REOPENED",
    "CaseClosed": "CLOSED",
    "CaseCommented": None,
}


@pytest.fixture(scope="module")
def warehouse(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    # Few at once, so that full refreshes are made of shares.
    warehouse = Warehouse(platform, f"t{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("dbt"), events_at_once=200)
    warehouse.create()
    outcome = warehouse.dbt("seed")
    assert outcome.success, outcome.exception
    warehouse.build()
    yield warehouse
    warehouse.drop()


class History:
    """Draws what happens to bronze, and does it."""

    def __init__(self, warehouse: Warehouse, draws: random.Random) -> None:
        self.warehouse = warehouse
        self.draws = draws
        self.loads: dict[str, list[BronzeRow]] = {}
        self.by_hand: list[BronzeRow] = []
        #: Merged and not recorded: the rows, and how a ledger row would name them.
        self.unrecorded: list[tuple[list[BronzeRow], str | None, str]] = []
        self.being_taken_out: list[str] = []
        #: Rows of loads were changed by hand, and silver has not looked since.
        self.has_unseen_update = False
        self.case_numbers = range(12)
        self.done: list[str] = []

    def step(self) -> None:
        deeds = (
            self.load,
            self.load,
            self.load_again,
            self.load_again,
            self.load_that_began_earlier,
            self.load_without_ledger_row,
            self.unload,
            self.unload_without_dates,
            self.unload_a_first_arrival,
            self.unload_a_first_arrival,
            self.take_out,
            self.take_out_halfway,
            self.take_out_halfway,
            self.replay,
            self.replay,
            self.replay_without_ledger_row,
            self.insert_by_hand,
            self.insert_by_hand,
            self.delete_by_hand,
            self.update_by_hand,
            self.update_by_hand,
            self.retain,
            self.erase,
            self.compact,
            self.expire_snapshots,
            self.forget_last_build,
            self.change_a_seed,
        )
        deed = self.draws.choice(deeds)
        self.done.append(deed.__name__)
        deed()

    @property
    def rows(self) -> list[BronzeRow]:
        return [row for rows in self.loads.values() for row in rows] + self.by_hand

    def event(self) -> BronzeRow:
        case = self.draws.choice(self.case_numbers)
        tenant = TENANTS[case % len(TENANTS)]
        kind = self.draws.choice(tuple(STATUSES))
        # few different times, so that some events of a case happen at once
        time = FIRST_DAY + timedelta(hours=6 * self.draws.randrange(20), milliseconds=self.draws.randrange(2))
        attributes: dict[str, object] = {"digit_status": None}
        if self.draws.random() < 0.6:
            attributes["event_id"] = uuid.UUID(int=self.draws.getrandbits(128)).hex
        if self.draws.random() < 0.1:
            attributes["active"] = self.draws.choice((True, False))
        if self.draws.random() < 0.4:
            attributes |= {"sla_hours": self.draws.choice((4, 24, "72")), "complaint_type": "IllegalParking"}
        text: str | None = json.dumps(attributes)
        if self.draws.random() < 0.15:
            text = self.draws.choice((None, "{", "[1]", '{"a": 1, "a": 2}'))
        return BronzeRow(
            event_date=self.draws.choice((time.date(), time.date(), time.date(), date(2026, 9, 27), None)),
            event_time=time,
            tenant_id=tenant if self.draws.random() < 0.95 else None,
            entity_id=f"CASE-{case}",
            event_type=kind,
            status=STATUSES[kind],
            attributes=text,
            channel=self.draws.choice(("web", "mobileapp", "RB Bot", None)),
            ward_id=self.draws.choice(("W1", "W2", None)),
            service=self.draws.choice(("PGR", "PGR", "PGR", "pgr", "WATER")),
        )

    def copies(self) -> list[BronzeRow]:
        """Some events again, some of them under another date of bronze and with another ward."""
        if not self.rows:
            return []
        return [
            row
            if self.draws.random() < 0.5
            else row._replace(event_date=date(2026, 8, self.draws.randrange(1, 31)), ward_id="W9")
            for row in self.draws.sample(self.rows, min(len(self.rows), self.draws.randrange(1, 6)))
        ]

    def _load(self, rows: list[BronzeRow], *, at: datetime | None = None, recorded: bool = True) -> None:
        source_id = f"src{uuid.UUID(int=self.draws.getrandbits(128)).hex[:12]}"
        at = at or utc(2026, 11, 1) + timedelta(seconds=self.draws.randrange(100_000))
        keyed = [
            # Each second record was rejected, and may be replayed.
            row._replace(source_id=source_id, position=2 * number, ingested_at=at)
            for number, row in enumerate(rows)
        ]
        query_id = self.warehouse.insert(keyed)
        self.loads[source_id] = keyed
        if recorded:
            self._record(keyed, query_id, "load")
        else:
            self.unrecorded.append((keyed, query_id, "load"))

    def _record(self, rows: list[BronzeRow], query_id: str | None, kind: str) -> None:
        self.warehouse.record(
            rows, source_id=source_of(rows), finished_at=utc(2026, 11, 2), query_id=query_id, kind=kind
        )

    @property
    def settled(self) -> list[str]:
        """The sources of which everything is recorded."""
        return sorted(set(self.loads) - {source_of(rows) for rows, _, _ in self.unrecorded})

    def replay(self, *, recorded: bool = True) -> None:
        """Bring in, at its own position, what a load rejected."""
        if not self.settled:
            return
        source_id = self.draws.choice(self.settled)
        loaded = self.loads[source_id]
        free = sorted(
            {position for row in loaded for position in ((row.position or 0) + 1,)}
            - {row.position for row in loaded}
        )
        rows = [
            row._replace(source_id=source_id, position=position, ingested_at=utc(2026, 11, 4))
            for position, row in zip(free, [self.event(), *self.copies()], strict=False)
        ]
        if not rows:
            return
        query_id = self.warehouse.insert(rows)
        loaded += rows
        if recorded:
            self._record(rows, query_id, "replay")
        else:
            # The next replay finds them and does not know which statement brought them.
            self.unrecorded.append((rows, None, "replay"))

    def replay_without_ledger_row(self) -> None:
        self.replay(recorded=False)

    def take_out(self, *, until: UnloadStep | None = None) -> None:
        """Take out what is there, whether it is recorded or not."""
        if not self.loads:
            return
        source_id = self.draws.choice(sorted(self.loads))
        del self.loads[source_id]
        self.unrecorded = [load for load in self.unrecorded if source_of(load[0]) != source_id]
        self.warehouse.take_out(source_id, until=until)
        if until is not None:
            self.being_taken_out.append(source_id)

    def take_out_halfway(self) -> None:
        self.take_out(until=self.draws.choice(tuple(UnloadStep)))

    def load(self) -> None:
        self._load([self.event() for _ in range(self.draws.randrange(1, 12))])

    def load_again(self) -> None:
        self._load([*self.copies(), self.event()])

    def load_that_began_earlier(self) -> None:
        self._load([*self.copies(), self.event()], at=utc(2026, 10, 1) - timedelta(seconds=len(self.loads)))

    def load_without_ledger_row(self) -> None:
        self._load([*self.copies(), self.event()], recorded=False)

    def unload(self, *, source_id: str | None = None, with_touched: bool = True) -> None:
        if not self.settled:
            return
        source_id = source_id or self.draws.choice(self.settled)
        rows = self.loads.pop(source_id)
        self.warehouse.rows(
            f"delete from {self.warehouse.bronze} where _source_id = ?",
            source_id,
        )
        self.warehouse.record(
            rows,
            source_id=source_id,
            finished_at=utc(2026, 11, 3),
            kind="unload",
            with_touched=with_touched,
        )

    def unload_without_dates(self) -> None:
        self.unload(with_touched=False)

    def unload_a_first_arrival(self) -> None:
        """Take out the load of an event's row where another date of bronze has a copy of the event."""
        copies: dict[tuple[object, ...], list[BronzeRow]] = {}
        for row in (row for rows in self.loads.values() for row in rows if "event_id" in (row.attributes or "")):
            copies.setdefault((row.tenant_id, row.attributes), []).append(row)
        firsts = [
            min(rows, key=lambda row: (row.ingested_at, row.source_id, row.position)).source_id
            for rows in copies.values()
            if len({row.event_date for row in rows}) > 1
        ]
        if sources := [source for source in firsts if source in self.settled]:
            self.unload(source_id=self.draws.choice(sources))

    def insert_by_hand(self) -> None:
        rows = [
            row._replace(source_id=None, position=None, ingested_at=None) for row in (*self.copies(), self.event())
        ]
        if self.draws.random() < 0.5:
            rows.append(rows[0])
        self.warehouse.insert(rows)
        self.by_hand += rows

    def delete_by_hand(self) -> None:
        if not self.by_hand:
            return
        entity_id = self.draws.choice(self.by_hand).entity_id
        self.by_hand = [row for row in self.by_hand if row.entity_id != entity_id]
        self.warehouse.rows(
            f"delete from {self.warehouse.bronze} where _source_id is null and entity_id = ?",
            entity_id,
        )

    def update_by_hand(self) -> None:
        """Correct a row that a load brought."""
        if not self.loads:
            return
        rows = self.loads[self.draws.choice(sorted(self.loads))]
        place = self.draws.randrange(len(rows))
        rows[place] = rows[place]._replace(ward_id=f"W{self.draws.randrange(100, 200)}")
        self.warehouse.rows(
            f"update {self.warehouse.bronze} set ward_id = ? where _source_id = ? and _position = ?",
            rows[place].ward_id,
            rows[place].source_id,
            rows[place].position,
        )
        self.has_unseen_update = True

    def retain(self) -> None:
        """What is old goes, but for what is not recorded yet."""
        self.warehouse.retain(before=FIRST_DAY.date() + timedelta(days=self.draws.randrange(-20, 3)))
        self.look_again()

    def erase(self) -> None:
        """One case goes, but for what is not recorded yet."""
        self.warehouse.erase(f"CASE-{self.draws.choice(self.case_numbers)}")
        self.look_again()

    def look_again(self) -> None:
        """Forget the rows that bronze does not have any more."""
        found = self.warehouse.rows(
            f"select _source_id, _position, event_date, entity_id from {self.warehouse.bronze}"
        )
        keys = {row[:2] for row in found if row[0]}
        self.loads = {
            source_id: left
            for source_id, rows in self.loads.items()
            if (left := [row for row in rows if (source_id, row.position) in keys])
        }
        by_hand = {row[2:] for row in found if not row[0]}
        self.by_hand = [row for row in self.by_hand if (row.event_date, row.entity_id) in by_hand]

    def compact(self) -> None:
        self.warehouse.rows(f"alter table {self.warehouse.bronze} execute optimize")

    def expire_snapshots(self) -> None:
        """By hand, then forgotten before anybody looked."""
        if self.has_unseen_update:
            # Of rows of loads nobody could know of it any more (docs/adr/0010).
            return
        self.insert_by_hand()
        self.warehouse.expire_bronze_snapshots()

    def forget_last_build(self) -> None:
        """A run that died after its merge and before it wrote down what it took."""
        schema = f"iceberg.{self.warehouse.name}_silver"
        self.warehouse.rows(
            f"delete from {schema}.taken_inputs where kind <> 'settings' and build = "
            f"(select max_by(build, taken_at) from {schema}.taken_inputs)"
        )

    def change_a_seed(self) -> None:
        self.warehouse.rows(
            f"insert into iceberg.{self.warehouse.name}_reference.sla_targets values ('pb', 'IllegalParking', ?)",
            float(self.draws.randrange(1, 50)),
        )

    def finish(self) -> None:
        """Do what dead processes left undone."""
        for rows, query_id, kind in self.unrecorded:
            self._record(rows, query_id, kind)
        for source_id in self.being_taken_out:
            self.warehouse.take_out(source_id)
        self.unrecorded, self.being_taken_out = [], []


def source_of(rows: list[BronzeRow]) -> str:
    """The source of rows of one load."""
    assert rows[0].source_id
    return rows[0].source_id


def expected_events(rows: list[BronzeRow]) -> int:
    """The number of events that have ids of their own, as a reader of bronze counts them."""
    identified = set()
    for row in rows:
        if row.service.upper() != "PGR" or row.tenant_id is None or not row.attributes:
            continue
        try:
            attributes = json.loads(row.attributes)
        except ValueError:
            continue
        if isinstance(attributes, dict) and "event_id" in attributes:
            identified.add((row.tenant_id, attributes["event_id"]))
    return len(identified)


@pytest.fixture(scope="module")
def history_of_all(warehouse: Warehouse) -> History:
    """What all sequences did: they go on from each other, as days do."""
    return History(warehouse, random.Random(0))


@pytest.mark.parametrize(
    "seed", [*range(5), *(pytest.param(number, marks=pytest.mark.long) for number in range(5, 50))]
)
def test_any_sequence_of_increments_gives_what_a_full_refresh_gives(warehouse, history_of_all, seed):
    history = history_of_all
    history.draws = random.Random(seed)
    history.done = []
    for _ in range(2):
        for _ in range(history.draws.randrange(3, 7)):
            history.step()
        warehouse.build()
        history.has_unseen_update = False
        history.done.append("build")
    history.finish()
    warehouse.build()
    history.has_unseen_update = False
    by_increments = warehouse.stored()

    warehouse.build("--full-refresh")

    assert by_increments == warehouse.stored(), history.done
    assert (
        warehouse.rows(
            f"select model, kind, key from iceberg.{warehouse.name}_silver.taken_inputs "
            "group by model, kind, key, build having count(*) > 1"
        )
        == []
    ), "a build marks what it has taken once"
    identified = warehouse.rows(
        f"select count(*) from iceberg.{warehouse.name}_silver.silver_pgr_events where length(event_id) = 32"
    )
    assert identified == [(expected_events(history.rows),)]


@pytest.mark.parametrize("column", ["_position", "tenant_id"], ids=["key twice", "no tenant"])
def test_a_row_too_many_in_silver_is_found(warehouse: Warehouse, column: str):
    silver = f"iceberg.{warehouse.name}_silver.silver_pgr_events"
    warehouse.build()
    columns = [name for (name, *_) in warehouse.rows(f"show columns from {silver}")]
    chosen = ", ".join("null" if name == column else name for name in columns)
    assert warehouse.dbt("test", "--select", "unique_key_silver_pgr_events_tenant_id__event_id").success
    warehouse.rows(f"insert into {silver} select {chosen} from {silver} limit 1")
    try:
        assert not warehouse.dbt("test", "--select", "unique_key_silver_pgr_events_tenant_id__event_id").success
    finally:
        warehouse.build("--full-refresh")


@pytest.mark.long
def test_a_person_is_in_no_file_of_silver_and_gold_once_they_have_followed(warehouse: Warehouse):
    person = f"CASE-{uuid.uuid4().hex[:12]}"
    rows = [
        BronzeRow(
            event_date=date(2026, 9, 29),
            event_time=FIRST_DAY + timedelta(days=1, hours=hour),
            tenant_id="pb.amritsar",
            entity_id=entity_id,
            event_type=event_type,
            status=STATUSES[event_type],
            source_id="srcofaperson",
            position=position,
            ingested_at=utc(2026, 11, 1),
        )
        for position, (hour, entity_id, event_type) in enumerate(
            [(1, person, "CaseSubmitted"), (2, "CASE-1", "CaseSubmitted"), (3, person, "CaseResolved")]
        )
    ]
    query_id = warehouse.insert(rows)
    warehouse.record(rows, source_id="srcofaperson", finished_at=utc(2026, 11, 2), query_id=query_id)
    warehouse.build()

    first = warehouse.erase(person)
    assert (first.rows, first.removed.records) == (2, 2)
    assert any(first.later_rows.values())
    warehouse.build()
    warehouse.erase(person)

    assert warehouse.erase(person, dry_run=True).is_nothing
    assert files_that_name(warehouse, person) == []


def files_that_name(warehouse: Warehouse, person: str) -> list[str]:
    """The data files of silver and gold, as these are now, that hold a text."""
    found = []
    for layer in ("silver", "gold"):
        schema = f"{warehouse.name}_{layer}"
        for (table,) in warehouse.rows(
            "select table_name from iceberg.information_schema.tables "
            "where table_schema = ? and table_type = 'BASE TABLE'",
            schema,
        ):
            for (path,) in warehouse.rows(f'select file_path from iceberg.{schema}."{table}$files"'):
                bucket, _, key = path.removeprefix("s3://").partition("/")
                content = warehouse.platform.store.get(bucket=bucket, key=key)
                if any(person in str(value) for value in pq.read_table(io.BytesIO(content)).to_pylist()):
                    found.append(path)
    return found
