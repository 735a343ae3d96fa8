from __future__ import annotations

import functools
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator

from lakehouse import sources
from lakehouse.contracts import FilesContract, KafkaContract
from lakehouse.paths import CONTRACTS

# Airflow's own: it asks pathspec for a name that pathspec has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")

DAGS = Path(__file__).parents[2] / "dags"
# One for each contract: adding a source is adding a file.
INGEST = {f"ingest_files__{source.contract.name}" for source in sources.usable_sources(FilesContract)}
DRAINS = {f"ingest_kafka__{source.contract.name}" for source in sources.usable_sources(KafkaContract)}
EXPECTED = INGEST | DRAINS | {"maintain_tables"}
INGEST_GRAPH = """\
wait: all_success > plan
plan: all_success > load.insert load.stage
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


@pytest.mark.parametrize("dag_id", sorted(DRAINS))
def test_the_graph_of_a_kafka_source_is_a_drain_for_each_group_of_partitions(dag_bag: DagBag, dag_id: str):
    assert graph(dag_bag.dags[dag_id]) == DRAIN_GRAPH


def test_maintenance_keeps_every_table_that_loads_write(dag_bag: DagBag):
    [maintain] = [task for task in dag_bag.dags["maintain_tables"].tasks if task.task_id == "maintain"]
    assert sorted(maintain.expand_input.value["table"]) == [
        "iceberg.bronze.ledger",
        "iceberg.bronze.rejects",
        "iceberg.bronze.service_events_raw",
        "iceberg.bronze.sources",
    ]


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
