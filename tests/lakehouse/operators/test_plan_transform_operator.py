from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import DAG, chain
from airflow.sdk.exceptions import DownstreamTasksSkipped

from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.operators import plan_transform_operator
from lakehouse.operators.dbt_build_operator import DbtBuildOperator
from lakehouse.operators.plan_transform_operator import PlanTransformOperator
from lakehouse.transform.manifest import read_nodes
from lakehouse.transform.pending import Pending, read_pending
from lakehouse.transform.seeds import loaded_seeds
from lakehouse.transform.selection import select_nodes

ZONES = "seed.lakehouse.zones"
SILVER, CASES, KPIS = "model.lakehouse.silver", "model.lakehouse.cases", "model.lakehouse.kpis"


@pytest.fixture
def pending(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    found = mock.create_autospec(read_pending, return_value=Pending(counts={"loads": 2}))
    monkeypatch.setattr(plan_transform_operator, "read_pending", found)
    monkeypatch.setattr(plan_transform_operator, "read_nodes", mock.create_autospec(read_nodes, return_value={}))
    return found


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    found = mock.create_autospec(loaded_seeds, return_value=frozenset())
    monkeypatch.setattr(plan_transform_operator, "loaded_seeds", found)
    return found


def skipped(*, run_type: str = "scheduled", select: str = "", full_refresh: str = "False") -> set[str]:
    """The tasks that a plan skips, of four in a row."""
    with DAG(dag_id="transform", schedule=None):
        plan = PlanTransformOperator(task_id="plan", select=select, full_refresh=full_refresh)
        builds = [
            DbtBuildOperator(task_id=name.split(".")[-1], unique_ids=(name,), project_dir=".", profile_config=None)
            for name in (ZONES, SILVER, CASES, KPIS)
        ]
        chain(plan, *builds)
    plan.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    task = mock.Mock(spec=["xcom_push", "map_index"], map_index=-1)
    context: dict[str, Any] = {"ti": task, "dag_run": SimpleNamespace(run_type=SimpleNamespace(value=run_type))}
    try:
        plan.execute(context)
    except DownstreamTasksSkipped as skips:
        return set(skips.tasks)
    return set()


@pytest.mark.parametrize("run_type", ["scheduled", "asset_triggered", "manual"])
def test_a_run_builds_everything_when_something_is_pending(pending: mock.Mock, run_type: str):
    assert skipped(run_type=run_type) == set()


@pytest.mark.parametrize("run_type", ["scheduled", "asset_triggered"])
def test_a_run_that_started_by_itself_does_nothing_when_nothing_is_pending(pending: mock.Mock, run_type: str):
    pending.return_value = Pending()
    assert skipped(run_type=run_type) == {"zones", "silver", "cases", "kpis"}


def test_whoever_starts_a_run_by_hand_gets_one(pending: mock.Mock):
    pending.return_value = Pending()
    assert skipped(run_type="manual") == set()


def test_a_selection_skips_what_it_leaves_out_and_does_not_ask_what_is_pending(
    pending: mock.Mock, monkeypatch: pytest.MonkeyPatch
):
    selecting = mock.create_autospec(select_nodes, return_value=frozenset({KPIS}))
    monkeypatch.setattr(plan_transform_operator, "select_nodes", selecting)
    assert skipped(run_type="manual", select="kpis") == {"zones", "silver", "cases"}
    selecting.assert_called_once_with("kpis")
    pending.assert_not_called()


@pytest.mark.parametrize("run_type", ["scheduled", "asset_triggered", "manual"])
def test_seeds_that_have_not_changed_are_left_out(pending: mock.Mock, loaded: mock.Mock, run_type: str):
    loaded.return_value = frozenset({ZONES})
    assert skipped(run_type=run_type) == {"zones"}


def test_a_full_refresh_fills_all_seeds_again(pending: mock.Mock, loaded: mock.Mock):
    loaded.return_value = frozenset({ZONES})
    assert skipped(run_type="manual", full_refresh="True") == set()


def test_a_selection_that_names_a_seed_fills_it_again(
    pending: mock.Mock, loaded: mock.Mock, monkeypatch: pytest.MonkeyPatch
):
    loaded.return_value = frozenset({ZONES})
    selecting = mock.create_autospec(select_nodes, return_value=frozenset({ZONES}))
    monkeypatch.setattr(plan_transform_operator, "select_nodes", selecting)
    assert skipped(run_type="manual", select="zones") == {"silver", "cases", "kpis"}
