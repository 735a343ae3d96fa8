from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.exceptions import ParamValidationError

from lakehouse.contracts import load_contract
from lakehouse.dag_factory import ingest_files_dag, table_asset
from lakehouse.maintenance import ATTEMPT_RETENTION
from lakehouse.paths import CONTRACTS
from lakehouse.sources import Source, read_source


@pytest.fixture(scope="module")
def source() -> Source:
    return read_source("pgr_events_csv")


@pytest.fixture(scope="module")
def dag(source: Source) -> DAG:
    return ingest_files_dag(source)


def test_the_asset_of_a_table_is_named_as_in_sql():
    asset = table_asset("iceberg.bronze.service_events_raw")
    assert (asset.name, asset.uri) == (
        "iceberg.bronze.service_events_raw",
        "iceberg://iceberg/bronze/service_events_raw",
    )


def test_inserting_announces_the_target_of_the_contract(dag: DAG, source: Source):
    assert dag.task_dict["load.insert"].outlets == [table_asset(source.contract.target)]


def test_schedule_and_owner_are_the_contracts(source: Source):
    contract = source.contract.model_copy(update={"schedule": None, "owner": "city"})
    dag = ingest_files_dag(Source(contract=contract, table=source.table))
    assert dag.timetable.can_be_scheduled is False
    assert {task.owner for task in dag.tasks} == {"city"}


def test_a_run_without_params_loads_everything_at_once(dag: DAG):
    assert dag.params.dump() == {"key": None, "from": None, "to": None, "wait_minutes": 60, "dry_run": False}


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("", set()),
        ("overwrite: supersede\n", {"supersede"}),
        ("after_load: {action: archive, prefix: archive/}\n", {"after_load"}),
        ("overwrite: supersede\nafter_load: {action: tag}\n", {"supersede", "after_load"}),
    ],
)
def test_what_comes_after_loads_is_the_contracts_and_hides_no_failure_of_the_report(
    source: Source, tmp_path: Path, text: str, tasks: set[str]
):
    path = tmp_path / "pgr_events_csv.yaml"
    shipped = (CONTRACTS / path.name).read_text(encoding="utf-8").replace("overwrite: add\n", "")
    path.write_text(shipped + text, encoding="utf-8")
    contract = load_contract(path, {source.table.name: source.table}, environment={})
    dag = ingest_files_dag(Source(contract=contract, table=source.table))
    assert {task.task_id for task in dag.tasks} - {
        "wait",
        "plan",
        "load.stage",
        "load.insert",
        "load.drop",
        "report",
    } == tasks | ({"loads_ended"} if tasks else set())
    if tasks:
        # One batch that fails, run after run, does not keep what was loaded from what comes after it.
        assert dag.task_dict["loads_ended"].trigger_rule == TriggerRule.ALL_DONE
        assert dag.task_dict["loads_ended"].upstream_task_ids == {"load.insert"}
    for task_id in tasks:
        task = dag.task_dict[task_id]
        # No older version goes from the store before it is taken out: put once more, it is loaded again.
        earlier = tasks & {"supersede"} if task_id == "after_load" else set()
        assert task.upstream_task_ids == {"plan", "loads_ended"} | earlier
        assert "report" not in task.upstream_task_ids | task.downstream_task_ids
        assert task.trigger_rule == dag.task_dict["report"].trigger_rule


@pytest.mark.parametrize(
    ("name", "value"),
    [("key", 7), ("from", 7), ("wait_minutes", -1), ("wait_minutes", "soon"), ("dry_run", "maybe")],
)
def test_a_param_of_another_kind_is_refused(dag: DAG, name: str, value: object):
    with pytest.raises(ParamValidationError, match=name):
        copy.deepcopy(dag.params)[name] = value


def test_no_attempt_outlives_the_sweep(dag: DAG):
    stage, insert = dag.task_dict["load.stage"], dag.task_dict["load.insert"]
    tries = insert.retries + 1
    waits = insert.retries * (insert.max_retry_delay or timedelta())
    assert stage.execution_timeout + tries * insert.execution_timeout + waits < ATTEMPT_RETENTION


def test_no_source_takes_all_workers(dag: DAG):
    for task_id in ("load.stage", "load.insert"):
        assert dag.task_dict[task_id].max_active_tis_per_dag == 4
