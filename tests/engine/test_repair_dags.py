"""The DAGs that put right what was loaded, run by a running Airflow."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from lakehouse.certificate import read_certificate
from lakehouse.contracts import FilesContract
from lakehouse.load.files import load_files
from lakehouse.sources import read_source
from stack.dag_runs import DagRuns
from tests.engine.conftest import BRONZE, Platform, event, lines

pytestmark = pytest.mark.engine

SOURCE = "pgr_events_jsonl"
GOOD = 30


@pytest.fixture
def person() -> str:
    """A complaint that only one test knows."""
    return f"PB-PGR-{uuid.uuid4().hex}"


@pytest.fixture
def key(platform: Platform, person: str) -> Iterator[str]:
    """The key of an object that is loaded: good records, one of them a person's, and a bad one."""
    bucket = platform.settings.names.bucket
    key = f"staging/pgr_events_test_{uuid.uuid4().hex[:12]}.jsonl"
    events = [event(0, entity_id=person), *(event(number) for number in range(1, GOOD))]
    content = lines(events) + "{bad\n"
    platform.store.put(content.encode(), bucket=bucket, key=key)
    source = read_source(SOURCE, kind=FilesContract)
    loading = load_files(
        source.contract,
        table=source.table,
        engine=platform.engine,
        store=platform.store,
        names=platform.settings.names,
        pattern=key,
    )
    assert [report.failures for report in loading] == [()]
    yield key
    platform.store.delete(bucket=bucket, key=key)


def put_right(dag_runs: DagRuns, dag_id: str, **params: object) -> dict[str, str]:
    """The log of each task of a run."""
    run = dag_runs.start(dag_id, params={"reason": "a trial", **params}, note="tests")
    tasks = dag_runs.follow([run])[run]
    assert {task.state for task in tasks} == {"success"}
    return {task.task_id: dag_runs.log(run, task).read_text() for task in tasks}


def ledger_of(platform: Platform, key: str) -> list[tuple[object, ...]]:
    """What people did to an object: the kind, who, why."""
    return platform.rows(
        "select kind, actor, reason from iceberg.bronze.ledger where source = ? and actor is not null "
        "order by started_at, finished_at nulls first",
        f"s3://{platform.settings.names.bucket}/{key}",
    )


def test_a_load_is_taken_out_by_a_run_that_says_who_and_why(
    dag_runs: DagRuns, platform: Platform, stack_environment: dict[str, str], key: str
):
    who = stack_environment["AIRFLOW_USER"]
    logs = put_right(dag_runs, "unload", source=SOURCE, key=key, dry_run=False)
    assert f"{who} asks to take this out of {SOURCE}, because: a trial" in logs["find"]
    assert f"{GOOD} rows and 1 judgements of bad records are taken out; it stays out" in logs["take_out"]
    assert ledger_of(platform, key) == [("unload_intent", who, "a trial"), ("unload", who, "a trial")]
    left = platform.rows(
        f"select count(*) from {BRONZE} join iceberg.bronze.sources as s on _source_id = s.source_id "
        "where s.source = ?",
        f"s3://{platform.settings.names.bucket}/{key}",
    )
    assert left == [(0,)]


def test_rejects_are_judged_again_by_a_run_that_says_who_and_why(
    dag_runs: DagRuns, platform: Platform, stack_environment: dict[str, str], key: str
):
    who = stack_environment["AIRFLOW_USER"]
    [(load_id,)] = platform.rows(
        "select load_id from iceberg.bronze.open_rejects where source = ?",
        f"s3://{platform.settings.names.bucket}/{key}",
    )
    logs = put_right(dag_runs, "replay_rejects", source=SOURCE, load=load_id, rejected_for="invalid_json")
    assert f"{who} replays rejects of {SOURCE}, because: a trial" in logs["replay"]
    assert "1 open rejects: 0 are rows in bronze" in logs["replay"]
    assert "1 fail again: invalid_json" in logs["replay"]
    assert ledger_of(platform, key) == [("replay", who, "a trial")]


def test_a_person_is_erased_by_a_run_that_says_who_and_why_and_never_whom(
    dag_runs: DagRuns, platform: Platform, stack_environment: dict[str, str], key: str, person: str
):
    connection = f"erase_{uuid.uuid4().hex[:8]}"
    dag_runs.api.add_connection(connection, password=person)
    try:
        found = put_right(dag_runs, "erase_person", connection=connection, dry_run=True)["erase"]
        erased = put_right(dag_runs, "erase_person", connection=connection, dry_run=False)["erase"]
    finally:
        dag_runs.api.delete_connection(connection)
    assert person not in found + erased
    assert f"{stack_environment['AIRFLOW_USER']} asks to erase whom {connection} names" in erased
    assert platform.rows(f"select count(*) from {BRONZE} where entity_id = ?", person) == [(0,)]
    kinds = [kind for kind, _, reason in ledger_of(platform, key) if reason == "a trial"]
    assert kinds
    account = next(
        each for each in read_certificate(platform.engine).accounts if (each.source or "").endswith(key)
    )
    assert account.problems == ""
