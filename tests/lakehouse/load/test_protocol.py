from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lakehouse.errors import (
    CommitConflictError,
    EngineUnavailableError,
    PositionsNotDistinctError,
    StagingGoneError,
    StatementError,
    TargetChangedError,
    VerificationError,
)
from lakehouse.load.attempt import AttemptPlaces, Failure, Load, Unit
from lakehouse.load.ledger import Ledger, naive_utc
from lakehouse.load.protocol import LoadProtocol, Step, StepDone, drop_attempt, read_manifest
from tests.lakehouse.load.doubles import MOMENT, ScriptedEngine, rows_of, written
from tests.lakehouse.load.examples import ATTEMPT, FINGERPRINT, load, manifest_of, unit_of

CONFLICT = CommitConflictError(message="Found conflicting files", query_id="query")
A = load("a", 0, 5, rows=4, rejects=1, end_position=5)
B = load("b", 0, 9, rows=9, end_position=9)
UNIT = unit_of(A, B)
STEPS = [
    "load/recorded_ranges.sql",
    "load/merge_rows.sql",
    "load/merge_rejects.sql",
    "load/count_bronze.sql",
    "load/count_open_rejects.sql",
    "load/merge_ledger.sql",
]


@pytest.fixture
def count(table):
    """What bronze counts of a load: rows, positions, rows of this very load, rows framed otherwise, and nulls."""

    def count(
        of: Load,
        *,
        rows: int | None = None,
        positions: int | None = None,
        own: int | None = None,
        framed_otherwise: int = 0,
        **nulls: int,
    ) -> tuple:
        rows = of.rows_loaded if rows is None else rows
        positions = rows if positions is None else positions
        own = rows if own is None else own
        by_column = {**dict.fromkeys(table.column_names, 0), **of.null_counts, **nulls}
        return (of.source_id, rows, positions, own, framed_otherwise, list(by_column.values()))

    return count


@pytest.fixture
def engine(count) -> ScriptedEngine:
    """An engine that has taken what it was given."""
    return ScriptedEngine(
        {
            "load/merge_rows.sql": written(13, query_id="rows_query"),
            "load/merge_rejects.sql": written(1),
            "load/count_bronze.sql": rows_of(count(A), count(B)),
            "load/count_open_rejects.sql": rows_of(("a", 1)),
            "load/merge_ledger.sql": written(2),
        }
    )


@pytest.fixture
def told() -> list[StepDone]:
    return []


@pytest.fixture
def protocol(engine, table, names, told) -> LoadProtocol:
    return LoadProtocol(
        engine=engine,
        ledger=Ledger(engine=engine, clock=lambda: MOMENT),
        table=table,
        names=names,
        clock=lambda: MOMENT,
        on_step=told.append,
    )


class TestSteps:
    def test_steps_are_taken_in_their_order(self, protocol, engine, told):
        protocol.insert(manifest_of(UNIT))
        assert engine.names == STEPS
        assert [done.step for done in told] == [Step.ROWS, Step.REJECTS, Step.VERIFY, Step.RECORD]

    def test_report_says_what_is_in_bronze(self, protocol):
        failure = Failure(source="s3://warehouse/c", message="Damaged.", is_terminal=True)
        report = protocol.insert(replace(manifest_of(UNIT), failures=(failure,)))
        assert (report.sources, report.records, report.rows, report.rejects) == (2, 14, 13, 1)
        assert (report.units, report.units_already_recorded, report.units_taken) == (1, 0, 0)
        assert (report.attempt, report.query_id, report.failures) == (ATTEMPT, "rows_query", (failure,))

    def test_rows_are_merged_from_the_attempt_under_the_pin_of_the_unit(self, protocol, engine, table):
        protocol.insert(manifest_of(UNIT))
        (asked,) = engine.asked("load/merge_rows.sql")
        assert json.loads(asked.pop("load_ids")) == {"a": A.load_id, "b": B.load_id}
        assert asked == {
            "source_from": "a",
            "source_to": "b",
            "first": 0,
            "next": 9,
            "statement": 0,
            "ranges": '{"a": [0, 5], "b": [0, 9]}',
            "ingested_at": naive_utc(MOMENT),
        }
        text = engine.executed[1].text
        assert f'"staging"."attempts"."rows_{ATTEMPT}"' in text
        assert text.startswith('merge into "iceberg"."bronze"."service_events_raw"')

    def test_rejects_are_merged_under_the_contract_that_judged_them(self, protocol, engine):
        protocol.insert(manifest_of(UNIT))
        (asked,) = engine.asked("load/merge_rejects.sql")
        assert asked["contract_fingerprint"] == FINGERPRINT
        assert (asked["contract"], asked["target"]) == ("parking_fines", "iceberg.bronze.service_events_raw")
        assert f'"rejects_{ATTEMPT}"' in engine.executed[2].text

    def test_every_step_is_pinned_alike(self, protocol, engine):
        protocol.insert(manifest_of(UNIT))
        pins = [
            tuple(engine.asked(name)[0][key] for key in ("source_from", "source_to", "first", "next"))
            for name in STEPS[1:5]
        ]
        assert set(pins) == {("a", "b", 0, 9)}

    def test_partitions_beyond_one_statement_are_merged_one_after_the_other(self, protocol, engine):
        report = protocol.insert(manifest_of(replace(UNIT, statements=3)))
        assert [asked["statement"] for asked in engine.asked("load/merge_rows.sql")] == [0, 1, 2]
        assert engine.names.count("load/merge_ledger.sql") == 1
        assert report.query_id == "rows_query"

    def test_unit_without_rejects_asks_for_none(self, protocol, engine, count):
        engine.answers["load/count_bronze.sql"] = rows_of(count(B))
        engine.answers["load/merge_ledger.sql"] = written(1)
        protocol.insert(manifest_of(unit_of(B)))
        assert engine.names == [name for name in STEPS if "rejects" not in name]

    def test_unit_without_rows_merges_none_and_is_recorded(self, protocol, engine):
        empty = load("a", 0, 0, rows=0, end_position=0)
        engine.answers["load/count_bronze.sql"] = rows_of()
        engine.answers["load/merge_ledger.sql"] = written(1)
        report = protocol.insert(manifest_of(unit_of(empty, statements=0)))
        assert "load/merge_rows.sql" not in engine.names
        assert engine.names[-1] == "load/merge_ledger.sql"
        assert engine.asked("load/merge_ledger.sql")[0]["query_id"] is None
        assert report.query_id is None

    def test_units_are_inserted_one_after_the_other(self, protocol, engine, count, told):
        engine.answers["load/count_bronze.sql"] = [rows_of(count(A)), rows_of(count(B))]
        engine.answers["load/merge_ledger.sql"] = written(1)
        report = protocol.insert(manifest_of(unit_of(A), unit_of(B)))
        assert [(done.unit, done.units, done.rows, done.rejects) for done in told] == [(0, 2, 4, 1)] * 4 + [
            (1, 2, 9, 0)
        ] * 4
        assert (report.units, report.sources, report.rows) == (2, 2, 13)

    def test_ledger_names_the_query_that_wrote_the_rows(self, protocol, engine, told):
        protocol.insert(manifest_of(UNIT))
        assert engine.asked("load/merge_ledger.sql")[0]["query_id"] == "rows_query"
        assert told[0].query_id == "rows_query"

    def test_attempt_that_staged_nothing_inserts_nothing(self, protocol, engine):
        report = protocol.insert(manifest_of())
        assert engine.executed == []
        assert (report.units, report.rows, report.query_id) == (0, 0, None)


class TestRepetition:
    def test_unit_that_is_recorded_is_left_alone(self, protocol, engine, told):
        engine.answers["load/recorded_ranges.sql"] = rows_of(("a", 0, 5, "load"), ("b", 0, 9, "load"))
        report = protocol.insert(manifest_of(UNIT))
        assert engine.names == ["load/recorded_ranges.sql"]
        assert (report.units_already_recorded, report.units_taken, report.rows) == (1, 0, 13)
        assert told == []

    def test_unit_that_another_load_took_a_part_of_waits_for_the_next_plan(self, protocol, engine, count):
        engine.answers["load/recorded_ranges.sql"] = [rows_of(("a", 0, 3, "load")), rows_of()]
        engine.answers["load/count_bronze.sql"] = rows_of(count(B))
        engine.answers["load/merge_ledger.sql"] = written(1)
        report = protocol.insert(manifest_of(unit_of(A), unit_of(B)))
        assert (report.units_taken, report.units_already_recorded) == (1, 0)
        assert (report.sources, report.rows) == (1, 9)
        assert engine.names.count("load/merge_rows.sql") == 1

    def test_unit_that_another_load_took_while_it_was_merged_is_taken(self, protocol, engine):
        engine.answers["load/recorded_ranges.sql"] = [rows_of(), rows_of(("a", 0, 3, "load"))]
        engine.answers["load/merge_ledger.sql"] = written(1)
        report = protocol.insert(manifest_of(UNIT))
        assert (report.units_taken, report.rows) == (1, 0)

    def test_unit_that_another_attempt_recorded_meanwhile_is_done(self, protocol, engine):
        engine.answers["load/recorded_ranges.sql"] = [rows_of(), rows_of(("a", 0, 5, "load"), ("b", 0, 9, "load"))]
        engine.answers["load/merge_ledger.sql"] = written(0)
        report = protocol.insert(manifest_of(UNIT))
        assert (report.units_taken, report.rows) == (0, 13)

    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize(
        "error",
        [
            CONFLICT,
            EngineUnavailableError(message="gone"),
            PositionsNotDistinctError(staging_table="of query 1", detail="guard"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_failure_of_a_step_ends_the_insert_there(self, protocol, engine, told, step, error):
        engine.answers[step] = error
        with pytest.raises(type(error)):
            protocol.insert(manifest_of(UNIT))
        assert engine.names == STEPS[: STEPS.index(step) + 1]
        assert Step.RECORD not in [done.step for done in told]


class TestVerify:
    @pytest.fixture
    def difference(self, protocol, engine):
        """What verify finds when this is counted; what it finds right is recorded all the same."""

        def difference(
            *bronze: tuple,
            open_rejects: tuple = (("a", 1),),
            units: Sequence[Unit] = (UNIT,),
            recorded: Sequence[str] | None = None,
        ) -> VerificationError:
            if bronze:
                engine.answers["load/count_bronze.sql"] = rows_of(*bronze)
            engine.answers["load/count_open_rejects.sql"] = rows_of(*open_rejects)
            engine.answers["load/merge_ledger.sql"] = written(1)
            with pytest.raises(VerificationError) as caught:
                protocol.insert(manifest_of(*units))
            appended = [
                row["source_id"]
                for asked in engine.asked("load/merge_ledger.sql")
                for row in json.loads(asked["loads"])
            ]
            assert caught.value.source_id not in appended
            assert recorded is None or appended == recorded
            return caught.value

        return difference

    def test_rows_that_are_missing_are_counted(self, difference, count):
        error = difference(count(A), count(B, rows=7))
        assert (error.source_id, error.first, error.next_position) == ("b", 0, 9)
        assert error.detail == "9 records were read, bronze has 7 rows and 0 open rejects"

    def test_source_that_is_missing_is_counted(self, difference, count):
        assert difference(count(A)).detail == "9 records were read, bronze has 0 rows and 0 open rejects"

    def test_rows_that_are_too_many_are_counted(self, difference, count):
        assert difference(count(A, rows=5), count(B)).detail == (
            "5 records were read, bronze has 5 rows and 1 open rejects"
        )

    def test_rejects_that_are_missing_are_counted(self, difference, count):
        assert difference(count(A), count(B), open_rejects=()).detail == (
            "5 records were read, bronze has 4 rows and 0 open rejects"
        )

    def test_doubled_rows_are_found_before_anything_else(self, difference, count):
        assert difference(count(A), count(B, rows=9, positions=8)).detail == "bronze has 9 rows at 8 positions"

    def test_value_that_became_null_on_its_way_is_found(self, difference, count):
        # A cast that fails in the engine is silent.
        error = difference(count(A, event_time=3), count(B))
        assert error.detail == "column event_time has 3 nulls, staged were 0"

    def test_null_that_became_a_value_on_its_way_is_found(self, difference, count):
        assert difference(count(A), count(B, ward_id=0)).detail == "column ward_id has 0 nulls, staged were 9"

    def test_rows_of_two_loads_make_up_one_range(self, protocol, engine, count):
        # An earlier attempt under another contract took what this one rejects; its nulls are its own.
        engine.answers["load/count_bronze.sql"] = rows_of(count(A, rows=5, own=2, ward_id=0), count(B))
        engine.answers["load/count_open_rejects.sql"] = rows_of()
        assert protocol.insert(manifest_of(UNIT)).rows == 13

    def test_rows_of_another_load_may_have_other_nulls(self, protocol, engine, count):
        engine.answers["load/count_bronze.sql"] = rows_of(count(A, own=0, event_time=2), count(B))
        assert protocol.insert(manifest_of(UNIT)).units == 1

    def test_rows_that_were_framed_otherwise_stand_for_other_records(self, difference, count):
        # Their number is right by chance alone.
        assert "5 rows of an earlier attempt were read under another format" in (
            difference(count(A), count(B, own=4, framed_otherwise=5)).detail
        )

    def test_source_that_is_wrong_keeps_no_neighbour_out_of_the_ledger(self, difference, engine, count):
        difference(count(A), count(B, rows=7), recorded=["a"])

    def test_later_units_go_on_after_a_source_that_is_wrong(self, difference, engine, count):
        c = load("c", 0, 3, rows=3)
        bronze = [rows_of(count(A), count(B, rows=7))] * 3 + [rows_of(count(c))]
        engine.answers["load/count_bronze.sql"] = bronze
        error = difference(units=[UNIT, unit_of(c)], recorded=["a", "c"])
        assert error.source_id == "b"

    def test_row_that_another_attempt_takes_between_two_counts_is_counted_again(self, protocol, engine, count):
        # Under its contract the record is good: counted as a row too early, and as a reject too late.
        engine.answers["load/count_bronze.sql"] = [
            rows_of(count(A), count(B)),
            rows_of(count(A, rows=5, own=4), count(B)),
        ]
        engine.answers["load/count_open_rejects.sql"] = [rows_of(), rows_of()]
        assert protocol.insert(manifest_of(UNIT)).rows == 13

    def test_difference_that_stays_is_an_error(self, difference, engine, count):
        difference(count(A), count(B, rows=7))
        assert engine.names.count("load/count_bronze.sql") == 3

    def test_sources_between_those_of_the_unit_are_not_its_business(self, protocol, engine, count):
        engine.answers["load/count_bronze.sql"] = rows_of(count(A), ("aa", 99, 98, 0, 9, [0] * 15), count(B))
        assert protocol.insert(manifest_of(UNIT)).units == 1


class TestOthersAtTheSameSources:
    def test_later_ranges_of_a_source_that_is_taken_are_left_too(self, protocol, engine, count):
        # Recorded, they would leave a hole before them.
        chunks = [load("a", 0, 3, rows=3), load("a", 3, 6, rows=3), load("b", 0, 9, rows=9)]
        engine.answers["load/recorded_ranges.sql"] = [rows_of(("a", 0, 2, "load")), rows_of()]
        engine.answers["load/count_bronze.sql"] = rows_of(count(B))
        engine.answers["load/merge_ledger.sql"] = written(1)
        report = protocol.insert(manifest_of(*(unit_of(chunk) for chunk in chunks)))
        assert (report.units_taken, report.sources, report.rows) == (2, 1, 9)
        assert [asked["source_from"] for asked in engine.asked("load/merge_rows.sql")] == ["b"]

    def test_attempt_for_another_table_is_refused_before_anything_is_merged(self, protocol, engine):
        elsewhere = replace(manifest_of(UNIT), target="iceberg.bronze.other")
        with pytest.raises(TargetChangedError) as caught:
            protocol.insert(elsewhere)
        assert (caught.value.staged_for, caught.value.target) == (
            "iceberg.bronze.other", "iceberg.bronze.service_events_raw",
        )  # fmt: skip
        assert engine.executed == []

    @pytest.mark.parametrize("step", ["load/merge_rows.sql", "load/merge_rejects.sql"])
    def test_staging_table_that_somebody_dropped_asks_for_staging_again(self, protocol, engine, step):
        message = f"line 1:1: Table 'staging.attempts.rows_{ATTEMPT}' does not exist"
        engine.answers[step] = StatementError(error_name="TABLE_NOT_FOUND", message=message, query_id="q")
        with pytest.raises(StagingGoneError) as caught:
            protocol.insert(manifest_of(UNIT))
        assert caught.value.attempt == ATTEMPT

    def test_table_of_the_platform_that_is_missing_is_no_staging_table(self, protocol, engine):
        message = "line 1:1: Table 'iceberg.bronze.service_events_raw' does not exist"
        engine.answers["load/merge_rows.sql"] = StatementError(
            error_name="TABLE_NOT_FOUND", message=message, query_id="q"
        )
        with pytest.raises(StatementError):
            protocol.insert(manifest_of(UNIT))


class TestIsOpen:
    @pytest.fixture
    def is_open(self, protocol, engine):
        """Whether a unit is open when this is recorded, and this is counted."""

        def is_open(*, recorded: tuple = (), bronze: tuple = (), open_rejects: tuple = ()) -> bool:
            engine.answers["load/recorded_ranges.sql"] = rows_of(*((*row, "load") for row in recorded))
            engine.answers["load/count_bronze.sql"] = rows_of(*bronze)
            engine.answers["load/count_open_rejects.sql"] = rows_of(*open_rejects)
            return protocol.is_open(UNIT, manifest_of(UNIT))

        return is_open

    def test_unit_of_which_nothing_is_in_the_tables_is_not(self, is_open):
        assert not is_open()

    def test_unit_with_rows_and_no_commit_record_is(self, is_open, count):
        assert is_open(bronze=(count(B, rows=1),))

    def test_unit_with_rejects_and_no_commit_record_is(self, is_open):
        assert is_open(open_rejects=(("a", 1),))

    def test_unit_that_is_recorded_is_not(self, is_open, count):
        assert not is_open(recorded=(("a", 0, 5), ("b", 0, 9)), bronze=(count(A), count(B)))

    def test_unit_that_another_load_took_a_part_of_is_not(self, is_open, count):
        assert not is_open(recorded=(("a", 0, 3),), bronze=(count(A),))

    def test_sources_between_those_of_the_unit_do_not_open_it(self, is_open):
        # They are loads of others, and whoever owns this one's objects may have taken them away.
        assert not is_open(bronze=(("aa", 99, 99, 99, 0, [0] * 15),), open_rejects=(("aa", 1),))


class TestEndsOfAnAttempt:
    def test_manifest_is_read_from_the_spool(self, store, names):
        manifest = manifest_of(UNIT)
        places = AttemptPlaces(attempt=ATTEMPT, names=names)
        store.put(manifest.to_json(), bucket=names.bucket, key=places.manifest_key)
        assert read_manifest(ATTEMPT, store=store, names=names) == manifest

    def test_attempt_that_was_swept_is_gone(self, store, names):
        with pytest.raises(StagingGoneError) as caught:
            read_manifest(ATTEMPT, store=store, names=names)
        assert caught.value.attempt == ATTEMPT

    def test_drop_removes_tables_and_spool_of_the_attempt_alone(self, store, names):
        engine = ScriptedEngine()
        other = "20261123_090000_fedcba9876543210"
        for attempt in (ATTEMPT, other):
            store.put(b"{}", bucket=names.bucket, key=f"_spool/{attempt}/manifest.json")
            store.put(b"{}", bucket=names.bucket, key=f"_spool/{attempt}/rows/segment-000000.parquet")
        drop_attempt(ATTEMPT, engine=engine, store=store, names=names)
        assert [statement.text for statement in engine.executed] == [
            f'drop table if exists "staging"."attempts"."rows_{ATTEMPT}"',
            f'drop table if exists "staging"."attempts"."rejects_{ATTEMPT}"',
        ]
        assert store.keys_under("_spool/") == store.keys_under(f"_spool/{other}/") != []

    def test_drop_that_dies_leaves_nothing_that_somebody_would_finish(self, store, names):
        places = AttemptPlaces(attempt=ATTEMPT, names=names)
        store.put(b"{}", bucket=names.bucket, key=places.manifest_key)
        store.put(b"PAR1", bucket=names.bucket, key=f"{places.rows_prefix}segment-000000.parquet")
        engine = ScriptedEngine({"load/drop_staging.sql": EngineUnavailableError(message="gone")})
        with pytest.raises(EngineUnavailableError):
            drop_attempt(ATTEMPT, engine=engine, store=store, names=names)
        with pytest.raises(StagingGoneError):
            read_manifest(ATTEMPT, store=store, names=names)

    def test_drop_may_be_repeated(self, store, names):
        for _ in range(2):
            drop_attempt(ATTEMPT, engine=ScriptedEngine(), store=store, names=names)
