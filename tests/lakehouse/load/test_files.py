from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import create_autospec

import pytest

from lakehouse.errors import CommitConflictError, EngineUnavailableError, UnsafeEngineError, VerificationError
from lakehouse.load import files
from lakehouse.load.files import finish_attempt, insert_through_conflicts, load_files
from lakehouse.load.ledger import Ledger
from lakehouse.load.plan import Plan, PlanLimits
from lakehouse.load.protocol import LoadProtocol, Step
from lakehouse.store import StoreRefusedError
from tests.lakehouse.load.examples import load, manifest_of, unit_of
from tests.simulation.lake import Lake

EVENT = json.dumps({"event_time": "2026-10-01T10:00:00Z", "service": "PGR"}).encode() + b"\n"
CONFLICT = CommitConflictError(message="Found conflicting files", query_id="query")


@pytest.fixture
def lake(table) -> Lake:
    return Lake(table)


@pytest.fixture
def checked(monkeypatch):
    """What the checks before a load are asked, and answer."""
    checked = create_autospec(files.preflight)
    monkeypatch.setattr(files, "preflight", checked)
    return checked


@pytest.fixture
def run(lake, checked, contract, table, names):
    def run(**arguments) -> Iterator:
        return load_files(contract, table=table, engine=lake, store=lake.store, names=names, **arguments)

    return run


def put(lake: Lake, number: int, records: int) -> None:
    lake.store.put(EVENT * records, bucket="warehouse", key=f"staging/parking_{number}.jsonl")


def test_what_is_there_is_in_bronze_once_however_often_it_is_run(lake, run):
    put(lake, 1, 3)
    put(lake, 2, 2)
    (report,) = run()
    assert (report.sources, report.records, report.rows) == (2, 5, 5)
    assert list(run()) == []
    assert len(lake.bronze.rows()) == 5
    assert len(lake.ledger.rows()) == 2


def test_each_batch_is_reported_and_dropped_before_the_next_is_staged(lake, run):
    for number in range(3):
        put(lake, number, 2)
    for number, report in enumerate(run(limits=PlanLimits(objects_per_batch=1)), start=1):
        assert report.rows == 2
        assert len(lake.bronze.rows()) == 2 * number
    assert lake.store.keys_under("_spool/") == []


def test_pattern_narrows_what_is_loaded(lake, run):
    put(lake, 1, 1)
    put(lake, 2, 1)
    list(run(pattern="staging/parking_2.jsonl"))
    assert len(lake.bronze.rows()) == 1


def test_file_that_was_refused_is_read_once_and_named_by_every_later_plan(lake, run):
    put(lake, 1, 2)
    lake.store.put(b"nothing of this is JSON\n", bucket="warehouse", key="staging/parking_2.jsonl")
    (first,) = run()
    assert [failure.refused_as for failure in first.failures] == ["RejectBudgetError"]
    plans: list[Plan] = []
    assert list(run(on_planned=plans.append)) == []
    assert [refusal.source for refusal in plans[0].refused] == ["s3://warehouse/staging/parking_2.jsonl"]
    assert {row["source_id"] for row in lake.ledger.rows()} == {row["_source_id"] for row in lake.bronze.rows()}


def test_who_asks_for_a_refused_file_is_told_again_and_each_try_is_remembered(lake, run):
    lake.store.put(b"nothing of this is JSON\n", bucket="warehouse", key="staging/parking_2.jsonl")
    for _ in range(2):
        (report,) = run(pattern="staging/parking_2.jsonl")
        assert len(report.failures) == 1
    assert len({row["attempt"] for row in lake.refusals.rows()}) == 2


def test_file_that_the_store_would_not_give_is_not_refused(lake, run, monkeypatch):
    put(lake, 1, 1)

    @contextmanager
    def refuse(_version):
        raise StoreRefusedError(operation="get", message="AccessDenied")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(lake.store, "open_version", refuse)
        (report,) = run()
        assert report.failures[0].is_terminal
    assert lake.refusals.rows() == []
    (report,) = run()
    assert report.rows == 1


@pytest.fixture
def fail_at(monkeypatch):
    """Make a step of the protocol fail while the block runs."""

    @contextmanager
    def fail_at(step: str) -> Iterator[None]:
        def fail(*_arguments):
            raise EngineUnavailableError(message="planted")

        with monkeypatch.context() as patch:
            patch.setattr(LoadProtocol, step, fail)
            with pytest.raises(EngineUnavailableError):
                yield

    return fail_at


def test_attempt_that_fails_before_its_first_row_is_dropped(lake, run, fail_at):
    put(lake, 1, 3)
    with fail_at("merge_rows"):
        list(run())
    assert lake.store.keys_under("_spool/") == []


def test_attempt_that_fails_with_rows_in_bronze_is_kept_until_they_are_recorded(lake, run, fail_at):
    # Its object may be gone by the next run, and nobody else has those records.
    put(lake, 1, 3)
    with fail_at("verify"):
        list(run())
    assert lake.store.keys_under("_spool/") != []
    (report,) = run()
    assert (report.rows, len(lake.bronze.rows())) == (3, 3)


class TestFinishAttempt:
    @pytest.fixture
    def finish(self, lake, tables, names):
        def finish() -> None:
            for attempt in {key.split("/")[1] for key in lake.store.keys_under("_spool/")}:
                finish_attempt(
                    attempt,
                    tables=tables,
                    engine=lake,
                    ledger=Ledger(engine=lake),
                    store=lake.store,
                    names=names,
                )

        return finish

    def test_what_a_dead_worker_began_is_recorded_though_its_object_is_gone(self, lake, run, fail_at, finish):
        put(lake, 1, 3)
        with fail_at("verify"):
            list(run())
        lake.store.delete(bucket="warehouse", key="staging/parking_1.jsonl")
        finish()
        assert len(lake.bronze.rows()) == 3
        (row,) = lake.ledger.rows()
        assert (row["first_position"], row["next_position"], row["end_position"]) == (0, 3, 3)

    def test_what_it_only_staged_is_left_to_the_next_plan(self, lake, run, fail_at, finish, monkeypatch):
        put(lake, 1, 3)
        monkeypatch.setattr(files, "drop_settled", lambda *_arguments, **_names: None)
        with fail_at("merge_rows"):
            list(run())
        finish()
        assert lake.bronze.rows() == []
        assert lake.ledger.rows() == []

    def test_what_others_recorded_since_is_left_alone(self, lake, run, fail_at, finish):
        put(lake, 1, 3)
        with fail_at("verify"):
            list(run())
        list(run())
        finish()
        assert len(lake.ledger.rows()) == 1

    def test_attempt_that_never_ended_staging_has_nothing_to_finish(self, lake, tables, names):
        finish_attempt(
            "20261123_090000_0",
            tables=tables,
            engine=lake,
            ledger=Ledger(engine=lake),
            store=lake.store,
            names=names,
        )


def test_engine_that_breaks_the_guarantee_is_refused_before_anything_is_planned(lake, run, checked):
    put(lake, 1, 1)
    checked.side_effect = UnsafeEngineError(finding="Trino 477 duplicates rows.", remedy="Use Trino 476.")
    with pytest.raises(UnsafeEngineError):
        list(run())
    assert lake.sources.rows() == []


def test_caller_is_told_of_attempts_and_steps(lake, run):
    put(lake, 1, 3)
    staged, steps = [], []
    list(run(on_staged=staged.append, on_step=steps.append))
    assert [manifest.rows_loaded for manifest in staged] == [3]
    assert [done.step for done in steps] == list(Step)


class TestInsertThroughConflicts:
    MANIFEST = manifest_of(unit_of(load("a", 0, 5, rows=5)))

    @pytest.fixture
    def protocol(self):
        return create_autospec(LoadProtocol, instance=True)

    def test_lost_commit_is_looked_at_again_after_a_pause(self, protocol):
        paused = []
        protocol.insert.side_effect = [CONFLICT, CONFLICT, "report"]
        assert insert_through_conflicts(protocol, self.MANIFEST, pause=paused.append) == "report"
        assert paused == [0, 1]

    def test_commit_that_is_lost_each_time_is_raised(self, protocol):
        protocol.insert.side_effect = CONFLICT
        with pytest.raises(CommitConflictError):
            insert_through_conflicts(protocol, self.MANIFEST, pause=lambda _lost: None)
        assert protocol.insert.call_count == 11

    def test_other_errors_are_raised_at_once(self, protocol):
        protocol.insert.side_effect = VerificationError(source_id="a", first=0, next_position=5, detail="x")
        with pytest.raises(VerificationError):
            insert_through_conflicts(protocol, self.MANIFEST)
        assert protocol.insert.call_count == 1
