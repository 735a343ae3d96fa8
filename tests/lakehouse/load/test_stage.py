from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pyarrow as pa
import pytest

from lakehouse.errors import (
    EngineUnavailableError,
    PositionsNotDistinctError,
    SpoolNotWrittenError,
    StoreUnavailableError,
)
from lakehouse.identity import framing_mark, load_id
from lakehouse.load.attempt import AttemptPlaces, Manifest, Partition
from lakehouse.load.plan import PlannedSource
from lakehouse.load.stage import StageProgress, stage_batch
from tests.lakehouse.load.doubles import MOMENT, MemoryStore, ScriptedEngine, rows_of

FIRST_DAY = date(2026, 10, 1)
#: A record that no reader takes.
BAD = b"{not json"


def event(number: int = 0, *, day: int = 0, service: str = "PARKING", **fields: object) -> bytes:
    moment = f"{FIRST_DAY + timedelta(days=day)}T10:00:00Z"
    return json.dumps({"event_time": moment, "service": service, "entity_id": str(number)} | fields).encode()


def lines(*records: bytes) -> bytes:
    return b"".join(record + b"\n" for record in records)


class TrinoOverSpool(ScriptedEngine):
    """Counts what the staging table of rows shows, as Trino would: every Parquet file under its location."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self.answers["load/check_staging_rows.sql"] = self._counts
        self._store = store

    def _counts(self, _statement):
        created = [statement for statement in self.executed if statement.name == "load/create_staging_rows.sql"]
        location = re.search(r"external_location = 's3://warehouse/([^']+)'", created[-1].text).group(1)
        positions: dict[str, list[int]] = {}
        for rows in self._store.parquet(location):
            for source_id, position in keys_in(rows):
                positions.setdefault(source_id, []).append(position)
        return rows_of(
            *((source, len(found), len(set(found)), min(found), max(found)) for source, found in positions.items())
        )


def keys_in(rows: pa.Table) -> list[tuple[str, int]]:
    return list(zip(rows.column("_source_id").to_pylist(), rows.column("_position").to_pylist(), strict=True))


def staged_rows(store: MemoryStore) -> list[pa.Table]:
    return [rows for rows in store.parquet("_spool/") if "_source_id" in rows.column_names]


def staged_rejects(store: MemoryStore) -> list[dict]:
    return [
        reject
        for table in store.parquet("_spool/")
        if "record_position" in table.column_names
        for reject in table.to_pylist()
    ]


def staged_keys(store: MemoryStore) -> list[tuple[str, int]]:
    return sorted(key for rows in staged_rows(store) for key in keys_in(rows))


@pytest.fixture
def engine(store) -> TrinoOverSpool:
    return TrinoOverSpool(store)


@pytest.fixture
def source(store, contract, table) -> Callable[..., PlannedSource]:
    """Put an object, and plan it from a position on."""

    def source(number: int, content: bytes, *, first_position: int = 0, **begun: str) -> PlannedSource:
        key = f"staging/parking_{number}.jsonl"
        store.put(content, bucket="warehouse", key=key)
        version = store.head(bucket="warehouse", key=key)
        return PlannedSource(
            source_id=f"{number:016d}",
            bucket="warehouse",
            key=key,
            etag=version.etag,
            size=version.size,
            last_modified=version.last_modified,
            first_position=first_position,
            begun_framing=begun.get("framing", framing_mark(contract.framing)),
            begun_target=begun.get("target", table.name),
        )

    return source


@pytest.fixture
def stage(store, engine, table, names, contract) -> Callable[..., Manifest]:
    def stage(*sources: PlannedSource, **changes) -> Manifest:
        arguments = {"contract": contract, "store": store, "engine": engine} | changes
        return stage_batch(sources, table=table, names=names, clock=lambda: MOMENT, **arguments)

    return stage


def loads_of(manifest: Manifest) -> list[tuple[str, int, int, int | None]]:
    return [
        (load.source_id.lstrip("0") or "0", load.first_position, load.next_position, load.end_position)
        for unit in manifest.units
        for load in unit.loads
    ]


class TestManifest:
    def test_source_that_is_read_to_its_end_is_one_load(self, stage, source, contract, table):
        planned = source(1, lines(event(0), event(1), event(2)))
        manifest = stage(planned)
        (unit,) = manifest.units
        (load,) = unit.loads
        assert (load.source_id, load.first_position, load.next_position, load.end_position) == (
            planned.source_id, 0, 3, 3,
        )  # fmt: skip
        assert (load.records_read, load.rows_loaded, load.rejects) == (3, 3, 0)
        assert (load.source, load.source_kind) == ("s3://warehouse/staging/parking_1.jsonl", "object")
        assert (load.identity, load.source_bytes) == (planned.version.identity, planned.size)
        assert load.load_id == load_id(
            source_id=planned.source_id,
            first=0,
            next_position=3,
            fingerprint=contract.fingerprint,
            framing=contract.framing,
            columns=", ".join(f"{column.name} {column.type}" for column in table.columns),
        )
        assert load.load_id.endswith(manifest.framing_mark)
        assert (manifest.contract, manifest.contract_fingerprint) == (contract.name, contract.fingerprint)
        assert (manifest.target, manifest.started_at, manifest.failures) == (table.name, MOMENT, ())

    def test_manifest_survives_its_way_through_the_store(self, stage, source, store, names):
        manifest = stage(
            source(1, lines(event(0, other="x"), event(1, day=3), BAD)), source(2, b""), source(3, BAD)
        )
        places = AttemptPlaces(attempt=manifest.attempt, names=names)
        assert Manifest.from_json(store.get(bucket=names.bucket, key=places.manifest_key)) == manifest
        assert Manifest.from_json(manifest.to_json()) == manifest

    def test_sources_of_a_batch_share_a_unit(self, stage, source):
        manifest = stage(source(1, lines(event())), source(2, lines(event(), event())))
        assert len(manifest.units) == 1
        assert loads_of(manifest) == [("1", 0, 1, 1), ("2", 0, 2, 2)]
        (unit,) = manifest.units
        assert (unit.source_from, unit.source_to) == (f"{1:016d}", f"{2:016d}")
        assert (unit.first_position, unit.next_position) == (0, 2)

    def test_empty_file_is_the_empty_range_that_ends_its_source(self, stage, source, engine):
        manifest = stage(source(1, b""))
        assert loads_of(manifest) == [("1", 0, 0, 0)]
        assert manifest.units[0].statements == 0
        assert engine.names == []

    def test_file_of_rejects_alone_stages_no_rows(self, stage, source, contract_with, engine):
        lenient = contract_with("reject_budget: {share: 1.0}\n")
        manifest = stage(source(1, lines(BAD, BAD)), contract=lenient)
        assert loads_of(manifest) == [("1", 0, 2, 2)]
        assert (manifest.rows_loaded, manifest.rejects, manifest.units[0].statements) == (0, 2, 0)
        assert engine.names == ["load/create_staging_rejects.sql"]

    def test_null_counts_are_those_of_the_staged_rows(self, stage, source, table):
        manifest = stage(source(1, lines(event(0, ward_id="W1"), event(1), event(2))))
        (load,) = manifest.units[0].loads
        assert load.null_counts["ward_id"] == 2
        assert load.null_counts["event_time"] == load.null_counts["event_date"] == 0
        assert load.null_counts["raw_payload"] == 3
        assert set(load.null_counts) == set(table.column_names)

    def test_touched_partitions_are_those_of_the_rows_each_once(self, stage, source):
        records = [
            event(0, day=1),
            event(1),
            event(2, service="WATER"),
            event(3),
            event(4, day=9, attributes_json=1),
        ]
        manifest = stage(source(1, lines(*records)))
        (load,) = manifest.units[0].loads
        assert load.rejects == 0
        assert load.touched == (
            Partition(event_date=FIRST_DAY, service="PARKING"),
            Partition(event_date=FIRST_DAY, service="WATER"),
            Partition(event_date=FIRST_DAY + timedelta(days=1), service="PARKING"),
            Partition(event_date=FIRST_DAY + timedelta(days=9), service="PARKING"),
        )

    def test_row_without_a_partition_value_touches_its_partition_too(self, stage, source):
        manifest = stage(source(1, lines(b'{"entity_id": "1"}', event(1))))
        assert manifest.units[0].loads[0].touched == (
            Partition(event_date=None, service=None),
            Partition(event_date=FIRST_DAY, service="PARKING"),
        )

    def test_unknown_columns_are_counted_by_name(self, stage, source):
        manifest = stage(source(1, lines(event(0, colour="red"), event(1, colour="blue", wheels=4), event(2))))
        assert manifest.units[0].loads[0].unknown_columns == {"colour": 2, "wheels": 1}

    def test_unknown_columns_are_named_up_to_a_number(self, stage, source):
        # A feed that makes a name of every id would fill the ledger with them.
        fields = {f"id_{number}": 1 for number in range(150)}
        (load,) = stage(source(1, lines(event(0, **fields)))).units[0].loads
        assert len(load.unknown_columns) == 101
        assert load.unknown_columns["(others)"] == 50

    def test_unknown_column_of_a_long_name_is_named_by_its_beginning(self, stage, source):
        (load,) = stage(source(1, lines(event(0, **{"n" * 500: 1})))).units[0].loads
        assert load.unknown_columns == {"n" * 100: 1}

    def test_counts_of_one_source_are_not_those_of_its_neighbour(self, stage, source):
        manifest = stage(source(1, lines(event(0, colour="red"))), source(2, lines(event(0, day=1, ward_id="W"))))
        one, other = manifest.units[0].loads
        assert (one.unknown_columns, other.unknown_columns) == ({"colour": 1}, {})
        assert (one.null_counts["ward_id"], other.null_counts["ward_id"]) == (1, 0)
        assert [len(load.touched) for load in (one, other)] == [1, 1]

    def test_progress_is_told_after_each_source(self, stage, source):
        told: list[StageProgress] = []
        stage(source(1, lines(event())), source(2, lines(*[event()] * 30, BAD)), on_progress=told.append)
        assert [(p.source, p.sources_done, p.sources, p.records, p.rejects) for p in told] == [
            ("s3://warehouse/staging/parking_1.jsonl", 1, 2, 1, 0),
            ("s3://warehouse/staging/parking_2.jsonl", 2, 2, 31, 1),
        ]


class TestSpool:
    def test_rows_carry_their_key_and_every_column(self, stage, source, store, table):
        stage(source(1, lines(event(7, attributes_json={"a": 1}))))
        (rows,) = staged_rows(store)
        assert set(rows.column_names) == {*table.column_names, "_source_id", "_position", "_statement"}
        (row,) = rows.to_pylist()
        assert (row["_source_id"], row["_position"], row["_statement"]) == (f"{1:016d}", 0, 0)
        assert (row["event_date"], row["entity_id"], row["attributes_json"]) == (FIRST_DAY, "7", '{"a": 1}')

    def test_rejects_carry_their_record_and_reason(self, stage, source, store, contract_with):
        stage(source(1, lines(event(), BAD)), contract=contract_with("reject_budget: {share: 1.0}\n"))
        (reject,) = staged_rejects(store)
        assert (reject["source_id"], reject["record_position"]) == (f"{1:016d}", 1)
        assert (reject["reason"], reject["record"], reject["record_bytes"]) == ("invalid_json", BAD, len(BAD))
        assert (reject["source"], reject["line"]) == ("s3://warehouse/staging/parking_1.jsonl", 2)

    def test_segment_is_sorted_by_partition_over_its_sources(self, stage, source, store):
        stage(
            source(1, lines(event(0, day=2), event(1, day=0, service="WATER"))),
            source(2, lines(event(0, day=1), event(1, day=0, service="PARKING"))),
        )
        (rows,) = staged_rows(store)
        partitions = list(
            zip(rows.column("event_date").to_pylist(), rows.column("service").to_pylist(), strict=True)
        )
        assert partitions == sorted(partitions)
        assert len(partitions) == 4

    def test_partitions_beyond_the_limit_are_left_to_further_statements(self, stage, source, store):
        records = [event(number, day=number % 5) for number in range(20)]
        manifest = stage(source(1, lines(*records)), partitions_per_statement=2)
        (rows,) = staged_rows(store)
        days: dict[int, set[date]] = {}
        for statement, day in zip(
            rows.column("_statement").to_pylist(), rows.column("event_date").to_pylist(), strict=True
        ):
            days.setdefault(statement, set()).add(day)
        assert manifest.units[0].statements == 3
        assert sorted(map(len, days.values())) == [1, 2, 2]
        assert len(set.union(*days.values())) == sum(map(len, days.values())) == 5

    def test_partition_keeps_its_statement_from_one_segment_to_the_next(self, stage, source, store, monkeypatch):
        monkeypatch.setattr("lakehouse.load.spool.SEGMENT_ROWS", 2)
        contents = [lines(event(0, day=day), event(1, day=day + 1)) for day in (3, 0, 2)]
        manifest = stage(*(source(n, content) for n, content in enumerate(contents)), partitions_per_statement=1)
        statement_of: dict[date, set[int]] = {}
        for rows in staged_rows(store):
            for row in rows.to_pylist():
                statement_of.setdefault(row["event_date"], set()).add(row["_statement"])
        assert len(staged_rows(store)) == 3
        assert {len(statements) for statements in statement_of.values()} == {1}
        assert manifest.units[0].statements == len(statement_of) == 5

    def test_full_buffer_is_written_while_reading_goes_on(self, stage, source, store, contract_with, monkeypatch):
        monkeypatch.setattr("lakehouse.load.spool.SEGMENT_ROWS", 2)
        manifest = stage(
            source(1, lines(*[event(n) for n in range(4)])),
            source(2, lines(*[event(n) for n in range(3)])),
            source(3, lines(event())),
        )
        assert [rows.num_rows for rows in staged_rows(store)] == [4, 3, 1]
        assert manifest.rows_loaded == 8

    def test_rejects_count_as_rows_do(self, stage, source, store, contract_with, monkeypatch):
        monkeypatch.setattr("lakehouse.load.spool.SEGMENT_ROWS", 4)
        lenient = contract_with("reject_budget: {share: 1.0}\n")
        stage(source(1, b"\n" * 3 + b"{\n"), source(2, b"\n" * 3 + b"{\n"), contract=lenient)
        assert len(store.parquet("_spool/")) == 2

    def test_small_sources_together_are_cut_into_units_by_what_is_in_them(self, stage, source, contract_with):
        contract = contract_with("batch: {records: 4}\n")
        manifest = stage(
            *(source(number, lines(*[event(n) for n in range(3)])) for number in range(1, 6)), contract=contract
        )
        assert [[load.records_read for load in unit.loads] for unit in manifest.units] == [[3, 3], [3, 3], [3]]

    def test_large_rejects_fill_a_buffer_too(self, stage, source, store, contract_with, monkeypatch):
        monkeypatch.setattr("lakehouse.load.spool.SEGMENT_BYTES", 100_000)
        lenient = contract_with("reject_budget: {share: 1.0}\n")
        bad = [BAD + b"x" * 60_000] * 2
        stage(source(1, lines(*bad)), source(2, lines(*bad)), contract=lenient)
        assert len(store.parquet("_spool/")) == 2

    def test_staging_tables_lie_over_the_spool_of_their_attempt_alone(
        self, stage, source, engine, names, contract_with
    ):
        lenient = contract_with("reject_budget: {share: 1.0}\n")
        manifest = stage(source(1, lines(event(), BAD)), contract=lenient)
        assert engine.names == [
            "load/create_staging_rows.sql",
            "load/check_staging_rows.sql",
            "load/create_staging_rejects.sql",
        ]
        places = AttemptPlaces(attempt=manifest.attempt, names=names)
        for statement, prefix in ((engine.executed[0], "rows/"), (engine.executed[2], "rejects/")):
            assert f"'s3://warehouse/_spool/{manifest.attempt}/{prefix}'" in statement.text
        assert places.rows_table == f"staging.attempts.rows_{manifest.attempt}"

    def test_attempts_never_share_a_prefix(self, stage, source):
        planned = source(1, lines(event()))
        assert stage(planned).attempt != stage(planned).attempt


class TestSourcesThatAreLeftOut:
    @pytest.fixture(params=["damaged", "over its budget", "changed", "gone"])
    def bad_source(self, request, source, store) -> PlannedSource:
        """A source that fails after some of its records were spooled, or before."""
        good = [event(number) for number in range(8)]
        planned = source(2, lines(*good, *[BAD] * 8))
        if request.param == "damaged":
            # UTF-16 that ends within a character is known to be damaged only at its end.
            planned = source(2, "\ufeff".encode("utf-16-le") + lines(*good).decode().encode("utf-16-le") + b"x")
        elif request.param == "changed":
            store.put(lines(event()), bucket="warehouse", key=planned.key)
        elif request.param == "gone":
            store.delete(bucket="warehouse", key=planned.key)
        return planned

    @pytest.fixture(params=[262_144, 2], ids=["in memory", "written already"])
    def segment_rows(self, request, monkeypatch):
        monkeypatch.setattr("lakehouse.load.spool.SEGMENT_ROWS", request.param)

    def test_nothing_of_it_is_staged_and_its_neighbours_are(self, stage, source, bad_source, store, segment_rows):
        before, after = source(1, lines(event(0), event(1))), source(3, lines(event(0)))
        manifest = stage(before, bad_source, after)
        assert loads_of(manifest) == [("1", 0, 2, 2), ("3", 0, 1, 1)]
        assert staged_keys(store) == [(before.source_id, 0), (before.source_id, 1), (after.source_id, 0)]
        assert staged_rejects(store) == []
        assert [failure.source for failure in manifest.failures] == [bad_source.version.uri]

    def test_a_batch_of_nothing_else_has_nothing_to_insert(self, stage, bad_source, store, engine, segment_rows):
        manifest = stage(bad_source)
        assert (manifest.units, len(manifest.failures)) == ((), 1)
        assert engine.names == []
        assert staged_keys(store) == []

    def test_file_over_its_budget_is_terminal_and_counted_by_reason(self, stage, source):
        manifest = stage(source(1, lines(*[event()] * 8, BAD, BAD, b"[]")))
        (failure,) = manifest.failures
        assert failure.is_terminal
        assert "3 of 11 records" in failure.message
        assert "invalid_json 2" in failure.message

    def test_file_over_its_budget_is_told_which_columns_its_rejects_are_about(self, stage, source):
        bad = [event(event_time="never"), event(event_time="soon"), event(service="x" * 300), BAD]
        (failure,) = stage(source(1, lines(*bad))).failures
        assert "(invalid_json 1, out_of_range in service 1, wrong_type in event_time 2)" in failure.message

    def test_rejects_about_any_number_of_fields_are_told_in_bounded_length(self, stage, source):
        doubled = (b'{"f%d":1,"f%d":1}' % (number, number) for number in range(500))
        (failure,) = stage(source(1, lines(*doubled))).failures
        assert "duplicate_field 400" in failure.message
        assert len(failure.message) < 10_000

    @pytest.mark.parametrize(("bad", "is_taken"), [(5, True), (6, False)])
    def test_budget_is_a_share_of_the_records_of_one_file(self, stage, source, bad, is_taken):
        manifest = stage(source(1, lines(*[event()] * (100 - bad), *[BAD] * bad)))
        assert (manifest.failures == ()) is is_taken

    @pytest.mark.parametrize("change", ["overwritten", "deleted"])
    def test_object_that_changed_since_it_was_planned_waits_for_the_next_plan(self, stage, source, store, change):
        planned = source(1, lines(event()))
        if change == "overwritten":
            store.put(lines(event(), event()), bucket="warehouse", key=planned.key)
        else:
            store.delete(bucket="warehouse", key=planned.key)
        (failure,) = stage(planned).failures
        assert not failure.is_terminal
        assert failure.source == planned.version.uri

    def test_object_that_the_store_does_not_give_keeps_no_neighbour_waiting(
        self, stage, source, store, monkeypatch
    ):
        lost, other = source(1, lines(event())), source(2, lines(event()))
        opened = store.open_version

        @contextmanager
        def refuse_one(version) -> Iterator[io.BytesIO]:
            if version == lost.version:
                raise StoreUnavailableError(operation=f"get {version.uri}", message="time-out")
            with opened(version) as stream:
                yield stream

        monkeypatch.setattr(store, "open_version", refuse_one)
        manifest = stage(lost, other)
        assert loads_of(manifest) == [("2", 0, 1, 1)]
        assert [failure.is_terminal for failure in manifest.failures] == [False]

    def test_store_that_takes_nothing_ends_the_attempt(self, stage, source, store, monkeypatch):
        planned = source(1, lines(event()))

        def refuse(content: bytes, *, bucket: str, key: str) -> None:
            raise StoreUnavailableError(operation=f"put s3://{bucket}/{key}", message="time-out")

        monkeypatch.setattr(store, "put", refuse)
        with pytest.raises(SpoolNotWrittenError):
            stage(planned)

    def test_engine_that_fails_leaves_no_manifest(self, stage, source, store, engine):
        engine.answers["load/create_staging_rows.sql"] = EngineUnavailableError(message="gone")
        with pytest.raises(EngineUnavailableError):
            stage(source(1, lines(event())))
        assert not [key for key in store.keys_under() if key.endswith("manifest.json")]


class TestChunks:
    @pytest.fixture
    def small(self, contract_with):
        """A contract whose batches hold four records."""
        return contract_with("batch: {records: 4}\nreject_budget: {share: 0.5}\n")

    @pytest.mark.parametrize(
        "ranges",
        [
            [(0, 3, 3)],
            [(0, 4, 4)],
            [(0, 4, None), (4, 5, 5)],
            [(0, 4, None), (4, 8, 8)],
            [(0, 4, None), (4, 8, None), (8, 9, 9)],
        ],
        ids=lambda ranges: f"{ranges[-1][-1]} records",
    )
    def test_large_source_is_cut_into_units_and_the_last_one_knows_its_end(
        self, stage, source, small, ranges, store
    ):
        records = ranges[-1][-1]
        manifest = stage(source(1, lines(*[event(number) for number in range(records)])), contract=small)
        assert loads_of(manifest) == [("1", *one) for one in ranges]
        assert len(manifest.units) == len(ranges)
        assert [position for _, position in staged_keys(store)] == list(range(records))

    def test_each_unit_counts_its_own(self, stage, source, small):
        records = [event(0, colour="red"), BAD, event(2), event(3, ward_id="W"), event(4, day=1), event(5, day=1)]
        manifest = stage(source(1, lines(*records)), contract=small)
        one, other = (unit.loads[0] for unit in manifest.units)
        assert [(load.records_read, load.rows_loaded, load.rejects) for load in (one, other)] == [
            (4, 3, 1),
            (2, 2, 0),
        ]
        assert (one.unknown_columns, other.unknown_columns) == ({"colour": 1}, {})
        assert (one.null_counts["ward_id"], other.null_counts["ward_id"]) == (2, 2)
        assert other.touched == (Partition(event_date=FIRST_DAY + timedelta(days=1), service="PARKING"),)

    def test_statements_of_each_unit_are_numbered_anew(self, stage, source, small, store):
        records = [event(number, day=number) for number in range(8)]
        manifest = stage(source(1, lines(*records)), contract=small, partitions_per_statement=3)
        assert [unit.statements for unit in manifest.units] == [2, 2]
        numbers = {row["_position"]: row["_statement"] for rows in staged_rows(store) for row in rows.to_pylist()}
        assert [numbers[position] for position in range(8)] == [0, 0, 0, 1, 0, 0, 0, 1]

    def test_budget_is_that_of_the_whole_file(self, stage, source, small, store, engine):
        manifest = stage(source(1, lines(*[event()] * 4, *[BAD] * 4, BAD)), contract=small)
        assert manifest.units == ()
        assert "5 of 9 records" in manifest.failures[0].message
        assert engine.names == []

    def test_rejects_at_the_start_do_not_fail_what_is_good_as_a_whole(self, stage, source, small):
        manifest = stage(source(1, lines(*[BAD] * 4, *[event()] * 4)), contract=small)
        assert loads_of(manifest) == [("1", 0, 4, None), ("1", 4, 8, 8)]

    def test_source_goes_on_where_the_ledger_ends(self, stage, source, small, store):
        content = lines(*[event(number) for number in range(7)])
        manifest = stage(source(1, content, first_position=4), contract=small)
        assert loads_of(manifest) == [("1", 4, 7, 7)]
        assert [position for _, position in staged_keys(store)] == [4, 5, 6]

    def test_source_that_was_begun_shares_no_unit_with_its_neighbours(self, stage, source):
        # One range over all of them would count what is recorded of it already.
        content = lines(*[event(number) for number in range(6)])
        manifest = stage(
            source(1, content), source(2, content, first_position=4), source(3, content), source(4, content)
        )
        assert [[load.source_id[-1] for load in unit.loads] for unit in manifest.units] == [
            ["1"],
            ["2"],
            ["3", "4"],
        ]
        assert loads_of(manifest) == [("1", 0, 6, 6), ("2", 4, 6, 6), ("3", 0, 6, 6), ("4", 0, 6, 6)]

    def test_begun_source_that_fails_leaves_its_neighbours(self, stage, source, store):
        content = lines(*[event(number) for number in range(6)])
        begun = source(2, content, first_position=4)
        store.delete(bucket="warehouse", key=begun.key)
        manifest = stage(source(1, content), begun, source(3, content))
        assert loads_of(manifest) == [("1", 0, 6, 6), ("3", 0, 6, 6)]
        assert len(manifest.failures) == 1

    def test_budget_of_a_begun_source_was_taken_before_its_first_merge(self, stage, source):
        # What is left of it may be bad throughout, and is loaded: half a file is worse than a whole one.
        content = lines(*[event(number) for number in range(98)], BAD, BAD)
        manifest = stage(source(1, content, first_position=98))
        assert loads_of(manifest) == [("1", 98, 100, 100)]
        assert (manifest.rejects, manifest.failures) == (2, ())

    @pytest.mark.parametrize(
        ("begun", "change"),
        [
            ({"target": "iceberg.bronze.other"}, "its target was iceberg.bronze.other"),
            ({"framing": "xyz"}, "its format or csv section cut the file into other records"),
        ],
        ids=["another table", "another framing"],
    )
    def test_begun_source_does_not_go_on_otherwise(self, stage, source, store, begun, change):
        content = lines(*[event(number) for number in range(6)])
        manifest = stage(source(1, content, first_position=4, **begun), source(2, content))
        (failure,) = manifest.failures
        assert failure.is_terminal
        assert change in failure.message
        assert loads_of(manifest) == [("2", 0, 6, 6)]

    def test_source_that_was_not_begun_may_change_its_framing(self, stage, source):
        manifest = stage(source(1, lines(event()), framing="", target=""))
        assert loads_of(manifest) == [("1", 0, 1, 1)]

    def test_large_records_are_cut_by_their_bytes(self, stage, source, contract_with, monkeypatch):
        monkeypatch.setattr("lakehouse.load.stage.BATCH_RECORDS", 4)
        by_bytes = contract_with("batch: {bytes: 1KB}\n")
        records = [event(number, attributes_json="x" * 1000) for number in range(8)]
        manifest = stage(source(1, lines(*records)), contract=by_bytes)
        assert loads_of(manifest) == [("1", 0, 4, None), ("1", 4, 8, 8)]

    def test_sources_that_share_a_batch_are_not_cut(self, stage, source, small):
        content = lines(*[event(number) for number in range(9)])
        manifest = stage(source(1, content), source(2, content), contract=small)
        assert [[load.records_read for load in unit.loads] for unit in manifest.units] == [[9], [9]]


class TestStagedRowsAreChecked:
    @pytest.mark.parametrize(
        ("shown", "detail"),
        [
            ((2, 2, 0, 1), "shows 2 rows at 2 positions in [0, 1], staged were 3 in [0, 3)"),
            ((6, 3, 0, 2), "shows 6 rows at 3 positions"),
            ((3, 3, 0, 3), "in [0, 3], staged were 3 in [0, 3)"),
            ((3, 3, -1, 2), "in [-1, 2], staged were 3 in [0, 3)"),
        ],
        ids=["too few", "doubled", "above its range", "below its range"],
    )
    def test_staging_table_that_shows_anything_else_is_refused(self, stage, source, engine, shown, detail):
        planned = source(1, lines(*[event(number) for number in range(3)]))
        engine.answers["load/check_staging_rows.sql"] = rows_of((planned.source_id, *shown))
        with pytest.raises(PositionsNotDistinctError) as caught:
            stage(planned)
        assert detail in caught.value.detail

    def test_source_that_shows_no_rows_is_refused(self, stage, source, engine):
        # What a directory gives whose files Trino cannot see.
        engine.answers["load/check_staging_rows.sql"] = rows_of()
        with pytest.raises(PositionsNotDistinctError, match="shows no rows, staged were 1"):
            stage(source(1, lines(event())))

    def test_rows_of_a_source_that_was_not_staged_are_refused(self, stage, source, engine):
        planned = source(1, lines(event()))
        engine.answers["load/check_staging_rows.sql"] = rows_of(
            (planned.source_id, 1, 1, 0, 0), ("somebody_else___", 1, 1, 0, 0)
        )
        with pytest.raises(PositionsNotDistinctError, match="somebody_else___ shows 1 rows"):
            stage(planned)
