from __future__ import annotations

import copy
import functools
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import ParamValidationError

from lakehouse import sources
from lakehouse.contracts import Contract, FilesContract, KafkaContract
from lakehouse.paths import CONTRACTS
from lakehouse.transform.manifest import read_nodes
from lakehouse.watch.links import dag_of

# Airflow's own: it asks pathspec for a name that pathspec has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")

DAGS = Path(__file__).parents[2] / "dags"
# One for each contract: adding a source is adding a file.
INGEST = {f"ingest_files__{source.contract.name}" for source in sources.usable_sources(FilesContract)}
DRAINS = {f"ingest_kafka__{source.contract.name}" for source in sources.usable_sources(KafkaContract)}
EXPECTED = (
    INGEST
    | DRAINS
    | {"check_platform", "erase_person", "ingest_rows", "maintain_tables", "replay_rejects"}
    | {"transform_events", "unload"}
)
INGEST_GRAPH = """\
wait: all_success > plan
plan: all_success > load.insert load.stage report
load.stage: all_success > load.drop load.insert (mapped, setup)
load.insert: all_success > load.drop report (mapped)
load.drop: all_done_setup_success > (mapped, teardown)
report: none_failed_min_one_success >"""
DRAIN_GRAPH = """\
list: all_success > drain
drain: all_success > (mapped)"""


def parse(*, directory: Path = DAGS) -> DagBag:
    return DagBag(dag_folder=directory, bundle_path=directory)


@pytest.fixture(scope="module")
def dag_bag() -> DagBag:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AIRFLOW_CONN_LAKEHOUSE_TRINO", raising=False)
        patch.delenv("AIRFLOW_CONN_LAKEHOUSE_S3", raising=False)
        patch.delenv("AIRFLOW_CONN_LAKEHOUSE_KAFKA", raising=False)
        return parse()


def graph(dag: DAG) -> str:
    lines = []
    for task in dag.topological_sort():
        marks = [
            *(["mapped"] if isinstance(task, MappedOperator) or task.get_closest_mapped_task_group() else []),
            *(["setup"] if task.is_setup else []),
            *(["teardown"] if task.is_teardown else []),
        ]
        downstream = " ".join(sorted(task.downstream_task_ids))
        mark = f"({', '.join(marks)})" if marks else ""
        lines.append(" ".join(filter(None, [f"{task.task_id}: {task.trigger_rule.value} >", downstream, mark])))
    return "\n".join(lines)


def test_the_dags_of_every_contract_parse_without_connections(dag_bag: DagBag):
    assert {"ingest_files__pgr_events_csv", "ingest_files__pgr_events_jsonl"} <= INGEST
    assert set(dag_bag.dags) == EXPECTED
    assert dag_bag.import_errors == {}


@pytest.mark.parametrize("dag_id", sorted(INGEST))
def test_the_graph_of_a_file_source_is_the_load_protocol(dag_bag: DagBag, dag_id: str):
    assert graph(dag_bag.dags[dag_id]) == INGEST_GRAPH


def test_a_source_starts_when_objects_come_and_by_the_clock(dag_bag: DagBag):
    dag = dag_bag.dags["ingest_files__pgr_events_csv"]
    assert dag.timetable.timetable.expression == "*/15 * * * *"
    landing = dag.timetable.asset_condition
    [watcher] = landing.watchers
    _, arguments = watcher.trigger.serialize()
    assert (landing.name, arguments["source"]) == ("landing.pgr_events_csv", "pgr_events_csv")
    assert arguments["key"] == "staging/pgr_events_*.csv*"


def test_no_two_sources_are_started_by_one_landing(dag_bag: DagBag):
    # Airflow would start all of them for an object of one.
    landings = [
        dag_bag.dags[dag_id].timetable.asset_condition.name
        for dag_id in INGEST
        if hasattr(dag_bag.dags[dag_id].timetable, "asset_condition")
        and dag_bag.dags[dag_id].timetable.asset_condition
    ]
    assert len(set(landings)) == len(landings) >= 3


def test_a_source_without_a_sweep_is_started_by_hand_only(dag_bag: DagBag):
    assert dag_bag.dags["ingest_files__boston_311_csv"].schedule is None


def test_rows_are_inserted_by_one_task_for_every_contract_of_rows(dag_bag: DagBag):
    dag = dag_bag.dags["ingest_rows"]
    assert graph(dag) == "insert: all_success >"
    assert dag.params.get_param("source").schema["enum"] == ["pgr_events_rows"]
    assert [outlet.name for outlet in dag.get_task("insert").outlets] == ["iceberg.bronze.service_events_raw"]


def test_rows_are_never_rendered_where_airflow_shows_and_keeps_them(dag_bag: DagBag):
    assert "rows" not in dag_bag.dags["ingest_rows"].get_task("insert").template_fields


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", []),
        ("rows", [{}] * 10_001),
        ("rows", "[]"),
        ("rows", ["a row"]),
        ("source", "pgr_events_csv"),
        ("idempotency_key", ""),
    ],
    ids=["no rows", "too many rows", "a text", "a row that is none", "a source of files", "an empty key"],
)
def test_a_run_is_refused_before_it_starts_when_its_params_cannot_be_right(
    dag_bag: DagBag, name: str, value: object
):
    param = dag_bag.dags["ingest_rows"].params.get_param(name)
    with pytest.raises(ParamValidationError):
        param.resolve(value)


def test_a_run_of_ingest_rows_needs_nothing_but_its_rows(dag_bag: DagBag):
    params = dag_bag.dags["ingest_rows"].params
    assert len(params.get_param("rows").resolve([{"entity_id": "PB-PGR-1"}] * 10_000)) == 10_000
    assert {name: params.get_param(name).resolve() for name in params if name != "rows"} == {
        "source": "pgr_events_rows",
        "idempotency_key": None,
        "fail_on_rejects": False,
    }


@pytest.mark.parametrize("dag_id", sorted(DRAINS))
def test_the_graph_of_a_kafka_source_is_a_drain_for_each_group_of_partitions(dag_bag: DagBag, dag_id: str):
    assert graph(dag_bag.dags[dag_id]) == DRAIN_GRAPH


REPAIRS = ("erase_person", "replay_rejects", "unload")
ANY_REPAIR = pytest.mark.parametrize("dag_id", REPAIRS)


def test_what_is_taken_out_is_found_first_and_each_range_is_a_task(dag_bag: DagBag):
    assert graph(dag_bag.dags["unload"]) == "find: all_success > take_out\ntake_out: all_success > (mapped)"
    assert graph(dag_bag.dags["replay_rejects"]) == "replay: all_success >"


@ANY_REPAIR
def test_silver_and_gold_follow_a_repair(dag_bag: DagBag, dag_id: str):
    outlets = [asset.name for task in dag_bag.dags[dag_id].tasks for asset in task.outlets]
    assert outlets == ["iceberg.bronze.service_events_raw"]
    assert dag_bag.dags["transform_events"].timetable.asset_condition.name in outlets


@ANY_REPAIR
@pytest.mark.parametrize("reason", ["", "  ", None])
def test_a_repair_without_a_reason_is_refused_before_it_starts(dag_bag: DagBag, dag_id: str, reason: object):
    # What is resolved is kept in the param.
    param = copy.deepcopy(dag_bag.dags[dag_id].params.get_param("reason"))
    with pytest.raises(ParamValidationError):
        param.resolve(reason)
    with pytest.raises(ParamValidationError):
        param.resolve()
    assert param.resolve("wrong month") == "wrong month"


@pytest.mark.parametrize("dag_id", ["replay_rejects", "unload"])
def test_a_repair_is_of_a_source_that_is_named(dag_bag: DagBag, dag_id: str):
    param = dag_bag.dags[dag_id].params.get_param("source")
    assert {f"ingest_files__{name}" for name in param.schema["enum"]} >= INGEST
    assert {f"ingest_kafka__{name}" for name in param.schema["enum"]} >= DRAINS
    for source in ("no_such_source", None):
        with pytest.raises(ParamValidationError):
            param.resolve(source)


def test_an_unload_only_says_what_would_go_unless_it_is_asked_to_do_it(dag_bag: DagBag):
    params = dag_bag.dags["unload"].params
    assert {name: params.get_param(name).resolve() for name in params if name not in {"source", "reason"}} == {
        "load": None,
        "key": None,
        "range": None,
        "reload": False,
        "dry_run": True,
    }


def test_an_erasure_only_looks_unless_it_is_asked_to_do_it_and_no_param_says_who(dag_bag: DagBag):
    params = dag_bag.dags["erase_person"].params
    assert {name: params.get_param(name).resolve() for name in params if name != "reason"} == {
        "connection": "erase_person",
        "dry_run": True,
    }


def test_a_replay_takes_every_open_reject_of_its_source_unless_it_is_narrowed(dag_bag: DagBag):
    params = copy.deepcopy(dag_bag.dags["replay_rejects"].params)
    assert {name: params.get_param(name).resolve() for name in params if name not in {"source", "reason"}} == {
        "load": None,
        "rejected_for": None,
        "from": None,
        "to": None,
        "dry_run": False,
    }
    assert params.get_param("rejected_for").resolve("missing_field") == "missing_field"
    assert params.get_param("from").resolve("2026-11-27T09:30:00+05:30")
    with pytest.raises(ParamValidationError):
        params.get_param("rejected_for").resolve("because")


def test_maintenance_takes_the_tables_that_are_there_when_it_runs(dag_bag: DagBag):
    tasks = {task.task_id: task for task in dag_bag.dags["maintain_tables"].tasks}
    assert tasks.keys() == {"retain", "tables", "maintain", "sweep"}
    assert tasks["maintain"].upstream_task_ids == {"tables"}
    assert tasks["tables"].table == "{{ params.table or '' }}"
    # What is old goes, and what dead workers left is swept, whatever becomes of a table.
    assert tasks["retain"].upstream_task_ids == tasks["sweep"].upstream_task_ids == set()


def test_the_platform_is_checked_every_five_minutes_by_one_run_at_a_time(dag_bag: DagBag):
    dag = dag_bag.dags["check_platform"]
    assert (dag.timetable.expression, dag.max_active_runs) == ("*/5 * * * *", 1)
    assert graph(dag) == "check: all_success >"
    assert dag.get_task("check").on_failure_callback


@pytest.mark.parametrize("source", list(sources.usable_sources(Contract)), ids=lambda source: source.contract.name)
def test_an_alert_links_the_dag_that_loads_its_source(dag_bag: DagBag, source: sources.Source[Contract]):
    assert dag_of(source.contract) in dag_bag.dags


def test_every_model_is_a_task_after_those_it_reads(dag_bag: DagBag):
    dag = dag_bag.dags["transform_events"]
    nodes = read_nodes()
    task_of = {unique_id: task for task in dag.tasks for unique_id in getattr(task, "unique_ids", ())}
    assert task_of.keys() == nodes.keys()
    for node in nodes.values():
        earlier = task_of[node.unique_id].get_flat_relative_ids(upstream=True)
        needed = {task_of[parent].task_id for parent in node.parents}
        assert needed <= earlier | {task_of[node.unique_id].task_id}
        assert "plan" in earlier
    assert {task.task_id.split(".")[0] for task in dag.tasks} == {"plan", "silver", "gold"}


def test_every_data_test_of_the_models_runs_in_one_task_and_nothing_else_does(dag_bag: DagBag):
    builds = [task for task in dag_bag.dags["transform_events"].tasks if task.task_id != "plan"]
    ran = sorted(name for task in builds for name in task.select.split())
    assert ran == sorted(name for node in read_nodes().values() for name in (node.name, *node.data_tests))
    assert {task.indirect_selection for task in builds} == {"empty"}


def test_silver_and_gold_stand_behind_bronze_in_the_asset_graph(dag_bag: DagBag):
    dag = dag_bag.dags["transform_events"]
    bronze = dag.timetable.asset_condition
    assert bronze.name == "iceberg.bronze.service_events_raw"
    insert = dag_bag.dags["ingest_files__pgr_events_csv"].get_task("load.insert")
    assert [asset.name for asset in insert.outlets] == [bronze.name]
    outlets = {asset.name for task in dag.tasks for asset in task.outlets}
    assert {"iceberg.silver.silver_pgr_events", "iceberg.gold.gold_pgr_case_lifecycle"} <= outlets


def test_a_burst_of_loads_is_one_run_at_a_time_and_what_it_misses_is_found_by_the_clock(dag_bag: DagBag):
    dag = dag_bag.dags["transform_events"]
    assert dag.max_active_runs == 1
    assert dag.timetable.timetable.expression == "*/15 * * * *"


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_every_dag_says_what_it_does_whose_it_is_and_what_to_do_when_it_fails(dag_bag: DagBag, dag_id: str):
    dag = dag_bag.dags[dag_id]
    assert dag.description
    assert dag.tags
    assert not dag.catchup
    assert "Triage notes" in (dag.doc_md or "")
    assert {task.owner for task in dag.tasks} == {"data-platform"}
    assert all(task.execution_timeout and task.retries for task in dag.tasks)


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda path: path.name)
def test_a_dag_file_is_thin_and_airflow_finds_it(path: Path):
    text = path.read_text().lower()
    assert text.count("\n") < 80
    # Airflow passes over files without these words.
    assert "airflow" in text
    assert "dag" in text


def test_a_broken_contract_is_an_import_error_and_leaves_the_other_sources_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for contract in CONTRACTS.glob("*.yaml"):
        text = contract.read_text()
        (tmp_path / contract.name).write_text(
            text.replace("kind: files", "kind: fils") if contract.stem == "pgr_events_csv" else text
        )
    for reader in (sources.check_contracts, sources.usable_sources):
        monkeypatch.setattr(sources, reader.__name__, functools.partial(reader, directory=tmp_path))
    bag = parse()
    assert set(bag.dags) == EXPECTED - {"ingest_files__pgr_events_csv"}
    [(file, error)] = bag.import_errors.items()
    assert file.endswith("contract_errors.py")
    assert "pgr_events_csv.yaml:3: kind: 'fils' is not one of 'files', 'kafka', 'rows'" in error
