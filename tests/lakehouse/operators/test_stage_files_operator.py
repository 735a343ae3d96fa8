from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.load.plan import Batch
from lakehouse.load.plan_store import store_batches
from lakehouse.load.stage import stage_batch
from lakehouse.operators import stage_files_operator
from lakehouse.operators.stage_files_operator import StageFilesOperator
from lakehouse.settings import StorageNames
from tests.lakehouse.load.doubles import MemoryStore
from tests.lakehouse.operators.plans import batch, plan

TASK = SimpleNamespace(dag_id="dag", run_id="run", task_id="load.stage", map_index=0, try_number=1)
PLANNED = batch("staging/a.csv", "staging/b.csv")


@pytest.fixture
def operator() -> StageFilesOperator:
    store = MemoryStore()
    [reference] = store_batches(plan(PLANNED), store=store, names=StorageNames())
    operator = StageFilesOperator(task_id="stage", source="pgr_events_csv", batch={"key": reference.key})
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.store = store
    return operator


@pytest.fixture
def staging(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    manifest = SimpleNamespace(attempt="20261123_090000_0", rows_loaded=3, rejects=0, failures=())
    staging = mock.create_autospec(stage_batch, return_value=manifest)
    monkeypatch.setattr(stage_files_operator, "stage_batch", staging)
    return staging


def left(monkeypatch: pytest.MonkeyPatch, what: Batch) -> None:
    monkeypatch.setattr(stage_files_operator, "remaining", lambda _batch, *, ledger: what)


def test_what_is_left_of_the_planned_batch_is_staged(
    operator: StageFilesOperator, staging: mock.Mock, monkeypatch: pytest.MonkeyPatch
):
    left(monkeypatch, Batch(sources=PLANNED.sources[1:]))
    assert operator.execute({"ti": TASK}) == "20261123_090000_0"
    assert staging.call_args.args == (PLANNED.sources[1:],)


def test_a_batch_that_other_runs_have_loaded_is_skipped(
    operator: StageFilesOperator, staging: mock.Mock, monkeypatch: pytest.MonkeyPatch
):
    left(monkeypatch, Batch(sources=()))
    with pytest.raises(AirflowSkipException):
        operator.execute({"ti": TASK})
    staging.assert_not_called()


def test_a_batch_that_was_swept_asks_for_a_new_run(operator: StageFilesOperator, staging: mock.Mock):
    operator.store = MemoryStore()
    with pytest.raises(AirflowFailException, match="Start a new run"):
        operator.execute({"ti": TASK})
