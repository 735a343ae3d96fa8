from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from lakehouse.errors import CommitConflictError, RangeTakenError, SourceIdentityError
from lakehouse.identity import ObjectVersion, RowsRequest
from lakehouse.load.attempt import Failure
from lakehouse.load.ledger import Ledger, ProtocolTables, Refusal, SourceProgress, naive_utc
from tests.lakehouse.load.doubles import MOMENT, ScriptedEngine, named_parameters, rows_of, written
from tests.lakehouse.load.examples import ATTEMPT, FINGERPRINT, load, manifest_of, unit_of

VERSION = ObjectVersion(bucket="warehouse", key="a.jsonl", etag="e", size=5, last_modified=MOMENT)
OTHER = replace(VERSION, key="b.jsonl")
CONFLICT = CommitConflictError(message="Found conflicting files", query_id="query")


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def paused() -> list[int]:
    """How often a commit was lost, each time the ledger stood back for others."""
    return []


@pytest.fixture
def ledger(engine, paused) -> Ledger:
    return Ledger(
        engine=engine,
        clock=lambda: MOMENT + timedelta(minutes=5),
        run="dag/run/task/1",
        pause=paused.append,
    )


def registered(*identities, ranges: list | None = None, identity: str | None = None):
    """What the registry and the ledger know of sources."""
    recorded = ("abc", "iceberg.bronze.service_events_raw") if ranges else (None, None)
    return rows_of(
        *(
            (each.digest, each.proposed_source_id, identity or each.identity, ranges, *recorded, False)
            for each in identities
        )
    )


class TestProgress:
    @pytest.mark.parametrize(
        ("ranges", "next_position", "is_complete"),
        [
            (None, 0, False),
            ([], 0, False),
            ([(0, 5, None)], 5, False),
            ([(0, 5, 5)], 5, True),
            ([(0, 0, 0)], 0, True),
            ([(0, 4, None), (4, 8, None), (8, 9, 9)], 9, True),
            ([(8, 9, 9), (0, 4, None), (4, 8, None)], 9, True),
            ([(0, 4, None), (8, 9, 9)], 4, False),
            ([(4, 9, 9)], 0, False),
            ([(0, 5, None), (3, 9, 9)], 9, True),
            ([(0, 9, 9), (0, 4, None)], 9, True),
        ],
    )
    def test_covered_positions_decide_what_is_left(self, engine, ledger, ranges, next_position, is_complete):
        engine.answers["plan/source_progress.sql"] = registered(VERSION, ranges=ranges)
        assert ledger.progress([VERSION.digest]) == {
            VERSION.digest: SourceProgress(
                source_id=VERSION.proposed_source_id,
                identity=VERSION.identity,
                next_position=next_position,
                is_complete=is_complete,
                framing_mark="abc" if ranges else "",
                target="iceberg.bronze.service_events_raw" if ranges else "",
            )
        }

    @given(st.lists(st.integers(0, 9), unique=True), st.integers(1, 10), st.randoms(use_true_random=False))
    def test_what_is_left_begins_at_the_first_position_that_no_range_covers(self, cuts, end, order):
        edges = sorted({0, end, *(cut for cut in cuts if cut < end)})
        pieces = [(first, last, last if last == end else None) for first, last in itertools.pairwise(edges)]
        recorded = [piece for piece in pieces if order.random() < 0.7]
        order.shuffle(recorded)
        engine = ScriptedEngine({"plan/source_progress.sql": registered(VERSION, ranges=recorded)})
        progress = Ledger(engine=engine).progress([VERSION.digest])[VERSION.digest]
        covered = {position for first, last, _ in recorded for position in range(first, last)}
        missing = [position for position in range(end) if position not in covered]
        assert progress.next_position == (missing[0] if missing else end)
        assert progress.is_complete == (not missing)

    def test_nothing_is_asked_about_no_sources(self, engine, ledger):
        assert ledger.progress([]) == {}
        assert engine.executed == []

    def test_what_was_never_planned_is_absent(self, engine, ledger):
        engine.answers["plan/source_progress.sql"] = registered(VERSION)
        assert list(ledger.progress([VERSION.digest, OTHER.digest])) == [VERSION.digest]
        assert engine.asked("plan/source_progress.sql") == [
            {"digests": json.dumps([VERSION.digest, OTHER.digest])}
        ]

    def test_tables_may_be_others(self, engine):
        ledger = Ledger(engine=engine, tables=ProtocolTables(ledger="lake.b.ledger", sources="lake.b.sources"))
        ledger.progress([VERSION.digest])
        assert '"lake"."b"."ledger"' in engine.executed[0].text
        assert '"lake"."b"."sources"' in engine.executed[0].text


class TestRegister:
    def test_sources_that_are_known_are_not_written_again(self, engine, ledger):
        engine.answers["plan/source_progress.sql"] = registered(VERSION, OTHER)
        assert set(ledger.register([VERSION, OTHER], contract="parking")) == {VERSION.digest, OTHER.digest}
        assert "plan/register_sources.sql" not in engine.names

    def test_only_unknown_sources_are_written_under_their_pin(self, engine, ledger):
        engine.answers["plan/source_progress.sql"] = [registered(VERSION), registered(OTHER)]
        ledger.register([VERSION, OTHER], contract="parking")
        (asked,) = engine.asked("plan/register_sources.sql")
        assert json.loads(asked["planned"]) == [
            {
                "source_id": OTHER.proposed_source_id,
                "source_digest": OTHER.digest,
                "source": "s3://warehouse/b.jsonl",
                "identity": OTHER.identity,
            }
        ]
        assert (asked["digest_from"], asked["digest_to"]) == (OTHER.digest, OTHER.digest)
        assert (asked["source_kind"], asked["contract"]) == ("object", "parking")
        assert asked["registered_at"] == naive_utc(MOMENT + timedelta(minutes=5))

    def test_sources_that_nobody_knew_are_not_looked_up_before_they_are_written(self, engine, ledger):
        engine.answers["plan/source_progress.sql"] = registered(VERSION, OTHER)
        known = ledger.register([VERSION, OTHER], contract="parking", are_new=True)
        assert set(known) == {VERSION.digest, OTHER.digest}
        assert engine.names == ["plan/register_sources.sql", "plan/source_progress.sql"]

    def test_sources_that_were_all_appended_are_not_looked_up_again(self, engine, ledger):
        engine.answers["plan/register_sources.sql"] = written(2)
        known = ledger.register([VERSION, OTHER], contract="parking", are_new=True)
        assert engine.names == ["plan/register_sources.sql"]
        assert known == {
            each.digest: SourceProgress(
                source_id=each.proposed_source_id, identity=each.identity, next_position=0, is_complete=False
            )
            for each in (VERSION, OTHER)
        }

    def test_sources_of_which_another_plan_has_appended_some_are_all_looked_up(self, engine, ledger):
        theirs = replace(VERSION, last_modified=MOMENT - timedelta(days=3))
        engine.answers["plan/register_sources.sql"] = written(1)
        engine.answers["plan/source_progress.sql"] = registered(theirs, OTHER)
        known = ledger.register([VERSION, OTHER], contract="parking", are_new=True)
        assert known[VERSION.digest].source_id == theirs.proposed_source_id
        assert known[OTHER.digest].source_id == OTHER.proposed_source_id
        (asked,) = engine.asked("plan/source_progress.sql")
        assert sorted(json.loads(asked["digests"])) == sorted([VERSION.digest, OTHER.digest])

    def test_only_sources_of_the_statement_that_was_not_appended_whole_are_looked_up(self, engine, ledger):
        versions = sorted(
            (replace(VERSION, key=f"{number:04}{'a' * 995}'") for number in range(450)),
            key=lambda version: version.digest,
        )
        engine.answers["plan/register_sources.sql"] = lambda statement: written(
            len(json.loads(named_parameters(statement)["planned"])) - (len(engine.names) > 1)
        )
        engine.answers["plan/source_progress.sql"] = lambda statement: registered(
            *(each for each in versions if each.digest in named_parameters(statement)["digests"])
        )
        known = ledger.register(versions, contract="parking", are_new=True)
        first, second = engine.asked("plan/register_sources.sql")
        (looked_up,) = engine.asked("plan/source_progress.sql")
        assert len(known) == len(versions)
        assert len(json.loads(first["planned"])) + len(json.loads(looked_up["digests"])) == len(versions)
        assert set(json.loads(looked_up["digests"])) == {
            row["source_digest"] for row in json.loads(second["planned"])
        }

    def test_pin_holds_every_source_that_is_written(self, engine, ledger):
        versions = [replace(VERSION, key=str(number)) for number in range(20)]
        engine.answers["plan/source_progress.sql"] = [rows_of(), registered(*versions)]
        ledger.register(versions, contract="parking")
        (asked,) = engine.asked("plan/register_sources.sql")
        digests = sorted(version.digest for version in versions)
        assert (asked["digest_from"], asked["digest_to"]) == (digests[0], digests[-1])

    def test_requests_are_registered_as_requests(self, engine, ledger):
        request = RowsRequest(source="a", idempotency_key="b", rows_sha256="c", size=1, received_at=MOMENT)
        engine.answers["plan/source_progress.sql"] = [rows_of(), registered(request)]
        ledger.register([request], contract="parking")
        assert engine.asked("plan/register_sources.sql")[0]["source_kind"] == "request"

    def test_id_is_that_of_whoever_registered_first(self, engine, ledger):
        first = replace(VERSION, last_modified=MOMENT - timedelta(days=3))
        engine.answers["plan/source_progress.sql"] = [rows_of(), registered(first)]
        known = ledger.register([VERSION], contract="parking")
        assert known[VERSION.digest].source_id == first.proposed_source_id != VERSION.proposed_source_id

    def test_conflict_with_another_plan_is_looked_at_again(self, engine, ledger):
        engine.answers["plan/source_progress.sql"] = [rows_of(), registered(VERSION), registered(OTHER)]
        engine.answers["plan/register_sources.sql"] = [CONFLICT, written(1)]
        known = ledger.register([VERSION, OTHER], contract="parking")
        assert set(known) == {VERSION.digest, OTHER.digest}
        planned = [json.loads(asked["planned"]) for asked in engine.asked("plan/register_sources.sql")]
        assert [len(rows) for rows in planned] == [2, 1]

    def test_conflict_that_never_ends_is_raised(self, engine, ledger, paused):
        engine.answers["plan/register_sources.sql"] = CONFLICT
        with pytest.raises(CommitConflictError):
            ledger.register([VERSION], contract="parking")
        assert engine.names.count("plan/register_sources.sql") == 5
        assert paused == [1, 2, 3, 4]

    def test_sources_that_are_too_many_for_one_statement_are_written_in_runs_of_neighbours(self, engine, ledger):
        # Twice a thousand characters of key, and a quote that a literal holds twice.
        versions = [replace(VERSION, key=f"{number:04}{'a' * 995}'") for number in range(900)]
        engine.answers["plan/source_progress.sql"] = [rows_of(), registered(*versions)]
        ledger.register(versions, contract="parking")
        asked = engine.asked("plan/register_sources.sql")
        written_digests = [[row["source_digest"] for row in json.loads(each["planned"])] for each in asked]
        assert len(asked) == 3
        assert all(len(each["planned"]) + each["planned"].count("'") < 900_000 for each in asked)
        assert [*itertools.chain(*written_digests)] == sorted(version.digest for version in versions)
        for each, digests in zip(asked, written_digests, strict=True):
            assert (each["digest_from"], each["digest_to"]) == (digests[0], digests[-1])

    @pytest.mark.parametrize("known_before", [True, False], ids=["known before", "known meanwhile"])
    def test_digest_of_another_identity_stops_the_load(self, engine, ledger, known_before):
        theirs = registered(VERSION, identity='{"key": "theirs"}')
        engine.answers["plan/source_progress.sql"] = theirs if known_before else [rows_of(), theirs]
        with pytest.raises(SourceIdentityError) as caught:
            ledger.register([VERSION], contract="parking")
        assert caught.value.registered == '{"key": "theirs"}'
        assert caught.value.planned == VERSION.identity
        assert caught.value.source_id == VERSION.proposed_source_id

    def test_no_sources_are_no_statement(self, engine, ledger):
        assert ledger.register([], contract="parking") == {}
        assert engine.executed == []


def test_progress_of_another_source_is_refused():
    progress = SourceProgress(source_id="a", identity="theirs", next_position=0, is_complete=True)
    with pytest.raises(SourceIdentityError) as caught:
        progress.require(VERSION)
    assert (caught.value.registered, caught.value.planned) == ("theirs", VERSION.identity)
    replace(progress, identity=VERSION.identity).require(VERSION)


class TestIsRecorded:
    UNIT = unit_of(load("a", 0, 5, rows=5), load("c", 0, 9, rows=9))

    @pytest.mark.parametrize(
        ("recorded", "is_recorded"),
        [
            ([], False),
            ([("a", 0, 5)], False),
            ([("a", 0, 5), ("c", 0, 9)], True),
            ([("a", 0, 5), ("b", 0, 9)], False),
            ([("a", 5, 7), ("c", 9, 20)], False),
        ],
        ids=["nothing", "one of two", "both", "a source between", "ranges that follow"],
    )
    def test_unit_is_recorded_when_each_of_its_ranges_is(self, engine, ledger, recorded, is_recorded):
        engine.answers["load/recorded_ranges.sql"] = rows_of(*((*row, "load") for row in recorded))
        assert ledger.is_recorded(self.UNIT) is is_recorded

    @pytest.mark.parametrize(
        "theirs", [("c", 0, 4), ("c", 0, 20), ("c", 8, 12), ("c", 2, 3)], ids=lambda row: f"[{row[1]}, {row[2]})"
    )
    def test_range_that_overlaps_is_taken(self, engine, ledger, theirs):
        engine.answers["load/recorded_ranges.sql"] = rows_of(("a", 0, 5, "load"), (*theirs, "load"))
        with pytest.raises(RangeTakenError) as caught:
            ledger.is_recorded(self.UNIT)
        assert (caught.value.source_id, caught.value.first, caught.value.next_position) == ("c", 0, 9)

    @pytest.mark.parametrize(
        ("recorded", "is_recorded"), [([("a", 0, 0)], True), ([], False), ([("b", 0, 0)], False)]
    )
    def test_empty_source_is_recorded_by_its_empty_range(self, engine, ledger, recorded, is_recorded):
        engine.answers["load/recorded_ranges.sql"] = rows_of(*((*row, "load") for row in recorded))
        assert ledger.is_recorded(unit_of(load("a", 0, 0, rows=0))) is is_recorded

    @pytest.mark.parametrize(
        ("loads", "pin"),
        [
            ([load("a", 0, 5, rows=5), load("c", 0, 9, rows=9)], ("a", "c", 9, 1)),
            ([load("a", 4, 9, rows=5)], ("a", "a", 9, 5)),
            ([load("a", 0, 0, rows=0)], ("a", "a", 1, 0)),
            ([load("a", 0, 0, rows=0), load("b", 0, 9, rows=9)], ("a", "b", 9, 0)),
        ],
        ids=["whole sources", "a later range", "empty", "empty and not"],
    )
    def test_pin_reaches_every_row_that_may_overlap_and_no_neighbour(self, engine, ledger, loads, pin):
        ledger.is_recorded(unit_of(*loads))
        (asked,) = engine.asked("load/recorded_ranges.sql")
        assert (asked["source_from"], asked["source_to"], asked["next"], asked["reach"]) == pin

    @given(
        st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda pair: (min(pair), max(pair))),
        st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda pair: (min(pair), max(pair))),
    )
    def test_row_that_overlaps_is_never_outside_of_the_pin(self, ours, theirs):
        engine = ScriptedEngine()
        Ledger(engine=engine).recorded(unit_of(load("a", *ours, rows=ours[1] - ours[0])))
        (pin,) = engine.asked("load/recorded_ranges.sql")
        shares_a_position = set(range(*ours)) & set(range(*theirs))
        if shares_a_position or ours == theirs:
            assert theirs[0] < pin["next"]
            assert theirs[1] >= pin["reach"]


class TestRecord:
    UNIT = unit_of(load("a", 0, 5, rows=4, rejects=1, end_position=5), load("c", 0, 9, rows=9))

    def test_commit_records_say_what_was_loaded(self, engine, ledger):
        engine.answers["load/merge_ledger.sql"] = written(2)
        ledger.record(self.UNIT, manifest_of(self.UNIT), query_id="rows_query")
        (asked,) = engine.asked("load/merge_ledger.sql")
        first, second = json.loads(asked.pop("loads"))
        assert first == {
            "source_id": "a",
            "first_position": 0,
            "next_position": 5,
            "end_position": 5,
            "load_id": self.UNIT.loads[0].load_id,
            "source_kind": "object",
            "source": "s3://warehouse/staging/a.jsonl",
            "identity": '{"key": "a"}',
            "records_read": 5,
            "rows_loaded": 4,
            "rejects": 1,
            "source_bytes": 100,
            "touched": [
                {"event_date": "2026-10-01", "service": "PGR"},
                {"event_date": None, "service": None},
            ],
            "unknown_columns": {"colour": 1},
        }
        assert (second["source_id"], second["end_position"]) == ("c", None)
        assert asked == {
            "source_from": "a",
            "source_to": "c",
            "next": 9,
            "reach": 1,
            "target": "iceberg.bronze.service_events_raw",
            "contract": "parking_fines",
            "contract_fingerprint": FINGERPRINT,
            "attempt": ATTEMPT,
            "query_id": "rows_query",
            "run": "dag/run/task/1",
            "started_at": naive_utc(MOMENT),
            "finished_at": naive_utc(MOMENT + timedelta(minutes=5)),
        }

    def test_statement_reads_every_field_that_is_sent(self, engine, ledger):
        # A cast from JSON takes fields by name, and one that is missing is null.
        engine.answers["load/merge_ledger.sql"] = written(2)
        ledger.record(self.UNIT, manifest_of(self.UNIT), query_id=None)
        merge = parse_one(engine.executed[0].text, dialect="trino")
        (rows,) = merge.args["using"].find_all(exp.Cast)
        read = {field.name for field in rows.to.expressions[0].expressions}
        (sent,) = engine.asked("load/merge_ledger.sql")
        assert [set(load) for load in json.loads(sent["loads"])] == [read, read]

    def test_records_that_are_too_many_for_one_statement_are_appended_in_several(self, engine, ledger):
        loads = [load(f"{number:04d}", 0, 5, rows=5) for number in range(2_000)]
        unit = unit_of(*reversed(loads))
        engine.answers["load/merge_ledger.sql"] = lambda statement: written(
            len(json.loads(named_parameters(statement)["loads"]))
        )
        ledger.record(unit, manifest_of(unit), query_id=None)
        asked = engine.asked("load/merge_ledger.sql")
        recorded = [[row["source_id"] for row in json.loads(each["loads"])] for each in asked]
        assert len(asked) > 1
        assert [*itertools.chain(*recorded)] == [each.source_id for each in loads]
        assert all(len(each["loads"]) < 800_000 for each in asked)
        for each, ids in zip(asked, recorded, strict=True):
            assert (each["source_from"], each["source_to"]) == (ids[0], ids[-1])

    def test_record_that_is_there_already_is_no_error(self, engine, ledger):
        engine.answers["load/merge_ledger.sql"] = written(1)
        engine.answers["load/recorded_ranges.sql"] = rows_of(("a", 0, 5, "load"), ("c", 0, 9, "load"))
        ledger.record(self.UNIT, manifest_of(self.UNIT), query_id=None)

    def test_range_of_another_load_is_taken(self, engine, ledger):
        engine.answers["load/merge_ledger.sql"] = written(1)
        engine.answers["load/recorded_ranges.sql"] = rows_of(("a", 0, 5, "load"), ("c", 0, 4, "load"))
        with pytest.raises(RangeTakenError):
            ledger.record(self.UNIT, manifest_of(self.UNIT), query_id=None)

    @pytest.mark.parametrize("count", [0, 1, None])
    def test_rows_that_were_not_appended_and_are_not_there_are_a_conflict(self, engine, ledger, count):
        engine.answers["load/merge_ledger.sql"] = replace(written(0), updated=count)
        engine.answers["load/recorded_ranges.sql"] = rows_of(("a", 0, 5, "load"))
        with pytest.raises(CommitConflictError, match=f"{count} of 2 ledger rows"):
            ledger.record(self.UNIT, manifest_of(self.UNIT), query_id=None)

    def test_conflict_is_the_callers(self, engine, ledger):
        engine.answers["load/merge_ledger.sql"] = CONFLICT
        with pytest.raises(CommitConflictError):
            ledger.record(self.UNIT, manifest_of(self.UNIT), query_id=None)


def test_moments_are_stored_in_utc_without_a_zone():
    india = datetime(2026, 11, 23, 14, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    stored = naive_utc(india)
    assert stored.tzinfo is None
    assert stored.replace(tzinfo=UTC) == MOMENT


class TestRefusals:
    @staticmethod
    def manifest(*failures: Failure):
        return replace(manifest_of(), failures=failures, terms=f"{FINGERPRINT}/0.05")

    @staticmethod
    def failure(number: int = 1, *, refused_as: str = "DamagedFileError", message: str = "Damaged.") -> Failure:
        return Failure(
            source=f"s3://warehouse/{number}",
            message=message,
            is_terminal=True,
            source_id=f"{number:016d}",
            refused_as=refused_as,
        )

    def test_only_what_reading_again_cannot_mend_is_refused(self, engine, ledger):
        ledger.refuse(self.manifest(self.failure(1), self.failure(2, refused_as="")))
        (asked,) = engine.asked("load/insert_refusals.sql")
        assert [refused["source_id"] for refused in json.loads(asked["refused"])] == [f"{1:016d}"]
        assert (asked["terms"], asked["attempt"]) == (f"{FINGERPRINT}/0.05", ATTEMPT)
        assert (asked["run"], asked["refused_at"]) == ("dag/run/task/1", naive_utc(MOMENT + timedelta(minutes=5)))

    def test_nothing_refused_writes_nothing(self, engine, ledger):
        ledger.refuse(self.manifest())
        assert engine.executed == []

    def test_refusals_with_long_messages_fit_into_statements(self, engine, ledger):
        ledger.refuse(self.manifest(*(self.failure(number, message="x" * 100_000) for number in range(400))))
        asked = engine.asked("load/insert_refusals.sql")
        assert sum(len(json.loads(each["refused"])) for each in asked) == 400
        assert all(len(each["refused"]) < 1_000_000 for each in asked)

    def test_what_was_refused_is_found_by_its_id(self, engine, ledger):
        known = (f"{1:016d}", "s3://warehouse/1", "DamagedFileError", "Damaged.", naive_utc(MOMENT))
        engine.answers["plan/refused_sources.sql"] = rows_of(known)
        assert ledger.refused([f"{1:016d}", f"{2:016d}"], terms="terms") == {f"{1:016d}": Refusal(*known)}

    def test_nothing_is_asked_about_no_source(self, engine, ledger):
        assert ledger.refused([], terms="terms") == {}
        assert engine.executed == []
