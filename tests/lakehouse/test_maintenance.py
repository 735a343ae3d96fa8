from __future__ import annotations

from datetime import timedelta

import pytest

from lakehouse.errors import VerificationError
from lakehouse.identity import new_attempt
from lakehouse.load.attempt import STAGING_SCHEMA, AttemptPlaces
from lakehouse.maintenance import (
    NotMaintainedError,
    SweepReport,
    chosen_tables,
    list_tables,
    maintain_table,
    sweep_attempts,
)
from lakehouse.settings import StorageNames
from tests.lakehouse.load.doubles import MOMENT, MemoryStore, ScriptedEngine, rows_of
from tests.lakehouse.test_compaction import listed, unpartitioned

NAMES = StorageNames()
DEAD = new_attempt(now=MOMENT - timedelta(days=1, seconds=1))
ALIVE = new_attempt(now=MOMENT - timedelta(hours=23))


def place(attempt: str) -> AttemptPlaces:
    return AttemptPlaces(attempt=attempt, names=NAMES)


@pytest.fixture
def store() -> MemoryStore:
    """Two spools, and what is not ours."""
    store = MemoryStore()
    for attempt in (DEAD, ALIVE):
        store.put(b"{}", bucket=NAMES.bucket, key=place(attempt).manifest_key)
        store.put(b"PAR1", bucket=NAMES.bucket, key=f"{place(attempt).rows_prefix}segment-000000.parquet")
    store.put(b"a", bucket=NAMES.bucket, key="staging/20200101_000000_events.csv")
    store.put(b"a", bucket=NAMES.bucket, key="_spool/notes/readme.txt")
    return store


@pytest.fixture
def sweep(store):
    def sweep(*tables: str, **arguments) -> tuple[SweepReport, list[str]]:
        engine = ScriptedEngine({"maintenance/attempt_tables.sql": rows_of(*((table,) for table in tables))})
        report = sweep_attempts(engine, store=store, names=NAMES, clock=lambda: MOMENT, **arguments)
        return report, [statement.text for statement in engine.executed[1:]]

    return sweep


def test_tables_of_dead_attempts_are_dropped_and_those_of_live_ones_are_not(sweep):
    report, dropped = sweep(f"rows_{DEAD}", f"rejects_{DEAD}", f"rows_{ALIVE}")
    assert dropped == [
        f'drop table if exists "staging"."{STAGING_SCHEMA}"."rows_{DEAD}"',
        f'drop table if exists "staging"."{STAGING_SCHEMA}"."rejects_{DEAD}"',
    ]
    assert report.tables == 2


def test_spools_of_dead_attempts_are_deleted_and_nothing_else(sweep, store):
    before = set(store.keys_under())
    report, _ = sweep()
    assert before - set(store.keys_under()) == {
        place(DEAD).manifest_key,
        f"{place(DEAD).rows_prefix}segment-000000.parquet",
    }
    assert report == SweepReport(tables=0, spools=1, objects=2)


@pytest.mark.parametrize("table", ["rows_by_hand", "notes", "rows_20261399_000000_abcd", "rows_"])
def test_tables_that_are_no_attempts_are_left_alone(sweep, table):
    report, dropped = sweep(table)
    assert (report.tables, dropped) == (0, [])


def test_attempts_that_are_old_are_finished_before_they_are_removed(sweep, store):
    told = []

    def finish(attempt: str) -> None:
        told.append((attempt, place(attempt).manifest_key in store.keys_under()))

    sweep(f"rows_{DEAD}", f"rows_{ALIVE}", finish=finish)
    assert told == [(DEAD, True)]


def test_attempt_that_cannot_be_finished_is_kept_whole(sweep, store):
    def refuse(attempt: str) -> None:
        raise VerificationError(source_id="a", first=0, next_position=9, detail="planted")

    before = store.keys_under()
    report, dropped = sweep(f"rows_{DEAD}", f"rejects_{DEAD}", finish=refuse)
    assert report == SweepReport(tables=0, spools=0, objects=0, kept=(DEAD,))
    assert dropped == []
    assert store.keys_under() == before


def test_one_attempt_that_is_kept_does_not_keep_the_others(sweep, store):
    other = new_attempt(now=MOMENT - timedelta(days=3))
    store.put(b"{}", bucket=NAMES.bucket, key=place(other).manifest_key)

    def refuse_one(attempt: str) -> None:
        if attempt == DEAD:
            raise VerificationError(source_id="a", first=0, next_position=9, detail="planted")

    report, dropped = sweep(f"rows_{DEAD}", f"rows_{other}", finish=refuse_one)
    assert (report.kept, report.spools, len(dropped)) == ((DEAD,), 1, 1)


def test_retention_is_the_callers(sweep):
    report, _ = sweep(f"rows_{DEAD}", f"rows_{ALIVE}", retention=timedelta(hours=1))
    assert (report.tables, report.spools) == (2, 2)
    report, _ = sweep(f"rows_{DEAD}", f"rows_{ALIVE}", retention=timedelta(days=2))
    assert (report.tables, report.spools) == (0, 0)


def test_sweep_that_dies_leaves_no_attempt_with_a_manifest_and_without_its_tables(store, monkeypatch):
    # The next sweep would try to finish it, in vain and each time again.
    deleted: list[str] = []
    delete = store.delete

    def note(*, bucket: str, key: str) -> None:
        deleted.append(key)
        delete(bucket=bucket, key=key)

    def drop(_statement):
        assert place(DEAD).manifest_key in deleted
        return rows_of()

    monkeypatch.setattr(store, "delete", note)
    engine = ScriptedEngine(
        {"maintenance/attempt_tables.sql": rows_of((f"rows_{DEAD}",)), "load/drop_staging.sql": drop}
    )
    assert sweep_attempts(engine, store=store, names=NAMES, clock=lambda: MOMENT).tables == 1
    assert deleted[0] == place(DEAD).manifest_key


def test_sweep_lists_the_schema_of_attempts(store):
    engine = ScriptedEngine()
    sweep_attempts(engine, store=store, names=NAMES, clock=lambda: MOMENT)
    assert engine.asked("maintenance/attempt_tables.sql") == [{"schema": STAGING_SCHEMA}]


def test_files_are_rewritten_first_then_snapshots_expire_and_then_orphans_are_looked_for():
    # What a rewrite replaced goes with its snapshot; the files of an expired snapshot are orphans after that.
    engine = ScriptedEngine({"maintenance/list_partitions.sql": listed(unpartitioned(files=60))})
    report = maintain_table(
        engine,
        name="iceberg.bronze.ledger",
        snapshot_retention=timedelta(hours=2),
        orphan_retention=timedelta(days=1),
    )
    assert report.partitions == 1
    altered = [statement.text.splitlines()[0] for statement in engine.executed]
    assert [text for text in altered if text.startswith("alter")] == [
        'alter table "iceberg"."bronze"."ledger" execute optimize (file_size_threshold => \'104857600B\')',
        'alter table "iceberg"."bronze"."ledger" execute expire_snapshots (retention_threshold => \'7200s\')',
        'alter table "iceberg"."bronze"."ledger" execute remove_orphan_files (retention_threshold => \'86400s\')',
    ]


def test_orphans_are_kept_longer_than_any_statement_runs():
    engine = ScriptedEngine()
    maintain_table(engine, name="iceberg.bronze.ledger")
    [expired, removed] = [statement.text for statement in engine.executed if statement.text.startswith("alter")]
    assert "'3600s'" in expired
    assert "'21600s'" in removed


def test_tables_that_dbt_is_building_are_not_maintained():
    names = (
        "bronze.ledger",
        "silver.silver_pgr_events",
        "silver.silver_pgr_events__dbt_tmp",
        "silver.silver_pgr_events__changed",
    )
    engine = ScriptedEngine({"maintenance/list_tables.sql": rows_of(*((name,) for name in names))})
    assert list_tables(engine, catalog="iceberg") == ["iceberg.bronze.ledger", "iceberg.silver.silver_pgr_events"]
    assert engine.asked("maintenance/list_tables.sql") == [{"schemas": "bronze,silver,gold"}]


def test_one_table_is_maintained_when_somebody_asks_for_it():
    tables = ["iceberg.bronze.ledger", "iceberg.silver.silver_pgr_events"]
    assert chosen_tables(tables, table="") == tables
    assert chosen_tables(tables, table="iceberg.bronze.ledger") == ["iceberg.bronze.ledger"]


def test_a_table_that_is_not_maintained_is_refused_with_those_that_are():
    with pytest.raises(NotMaintainedError) as caught:
        chosen_tables(["iceberg.bronze.ledger"], table="ledger")
    assert caught.value.asked == "ledger"
    assert "iceberg.bronze.ledger" in caught.value.remedy
