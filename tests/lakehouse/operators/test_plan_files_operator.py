from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.load.ledger import Refusal
from lakehouse.load.period import Period
from lakehouse.load.plan import plan_files
from lakehouse.operators import plan_files_operator
from lakehouse.operators.plan_files_operator import PlanFilesOperator
from tests.lakehouse.load.doubles import MOMENT, MemoryStore
from tests.lakehouse.operators.plans import batch, plan


@pytest.fixture
def planning(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    found = plan(batch("staging/a.csv"), batch("staging/b.csv"))
    planning = mock.create_autospec(plan_files, return_value=found)
    monkeypatch.setattr(plan_files_operator, "plan_files", planning)
    monkeypatch.setattr(plan_files_operator, "preflight", mock.Mock())
    return planning


def context(**params: Any) -> dict[str, Any]:
    task = mock.Mock(spec=["dag_id", "run_id", "task_id", "map_index", "try_number", "xcom_push"], map_index=-1)
    return {"ti": task, "params": {"key": None, "from": None, "to": None, "dry_run": False, **params}}


def run(run_context: dict[str, Any]) -> tuple[list[dict[str, Any]], MemoryStore]:
    operator = PlanFilesOperator(
        task_id="plan",
        source="pgr_events_csv",
        key="{{ params.key or '' }}",
        modified_from="{{ params['from'] or '' }}",
        modified_to="{{ params.to or '' }}",
        is_dry_run="{{ params.dry_run }}",
    )
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.store = MemoryStore()
    operator.render_template_fields(run_context)
    return operator.execute(run_context), operator.store


def test_a_reference_to_each_batch_goes_on_and_the_batch_itself_lies_in_the_store(planning: mock.Mock):
    references, store = run(context())
    assert [reference["label"] for reference in references] == ["1/2: a.csv", "2/2: b.csv"]
    assert [reference["key"] for reference in references] == store.keys_under("_spool/")
    assert planning.call_args.kwargs["pattern"] is None
    assert planning.call_args.kwargs["register"] is True


def test_a_run_may_name_a_key(planning: mock.Mock):
    run(context(key="staging/a.csv"))
    assert planning.call_args.kwargs["pattern"] == "staging/a.csv"


def test_a_run_may_name_a_range_of_dates(planning: mock.Mock):
    run(context())
    assert planning.call_args.kwargs["modified"] is None
    run(context(**{"from": "2026-11-01", "to": "2026-11-02T05:30+05:30"}))
    begin, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    assert planning.call_args.kwargs["modified"] == Period(begin, end)


def test_what_is_no_moment_is_not_tried_again(planning: mock.Mock):
    with pytest.raises(AirflowFailException, match="'soon' is no moment"):
        run(context(to="soon"))


def test_a_dry_run_writes_nothing_and_hands_on_nothing(planning: mock.Mock):
    references, store = run(context(dry_run=True))
    assert references == []
    assert store.keys_under() == []
    assert planning.call_args.kwargs["register"] is False


def test_the_counts_are_on_the_task_page(planning: mock.Mock):
    run_context = context()
    run(run_context)
    run_context["ti"].xcom_push.assert_any_call(
        key="objects", value={"seen": 5, "loaded": 3, "planned": 2, "left": 0, "refused": 0}
    )


def test_what_was_refused_earlier_goes_to_the_report_and_stays_small(planning: mock.Mock):
    refusals = [
        Refusal(f"{number:016d}", f"s3://warehouse/{number}", "DamagedFileError", "Damaged. " * 1_000, MOMENT)
        for number in range(60)
    ]
    planning.return_value = dataclasses.replace(plan(), refused=tuple(refusals))
    run_context = context()
    run(run_context)
    pushed = {call.kwargs["key"]: call.kwargs["value"] for call in run_context["ti"].xcom_push.mock_calls}
    told = pushed["refused_earlier"]
    assert told["objects"] == 60
    assert told["named"][0]["source"] == "s3://warehouse/0"
    assert len(json.dumps(told)) < 48_000
