from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.errors import StagingGoneError
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.load.attempt import Failure
from lakehouse.load.ledger import Ledger
from lakehouse.load.protocol import InsertReport
from lakehouse.operators import insert_attempt_operator
from lakehouse.operators.insert_attempt_operator import InsertAttemptOperator

BRONZE = Asset(name="iceberg.bronze.service_events_raw")
TASK = SimpleNamespace(dag_id="dag", run_id="run", task_id="load.insert", map_index=0, try_number=1)


@pytest.fixture
def operator() -> InsertAttemptOperator:
    operator = InsertAttemptOperator(
        task_id="insert", source="pgr_events_csv", batch={"key": "batch"}, attempt="attempt", outlets=[BRONZE]
    )
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.hook.query_page.side_effect = lambda query_id=None: f"page of {query_id or 'the last'}"
    operator.store = mock.sentinel.store
    return operator


@pytest.fixture
def context() -> dict[str, Any]:
    return {"ti": TASK, "outlet_events": {BRONZE: SimpleNamespace(extra={})}}


def report(*, failures: int = 0, passing: int = 0) -> InsertReport:
    return InsertReport(
        attempt="attempt",
        units=1,
        units_already_recorded=0,
        units_taken=0,
        sources=2,
        records=30,
        rows=28,
        rejects=2,
        query_id="q7",
        failures=tuple(
            Failure(source=f"s3://warehouse/{number}", message="damaged", is_terminal=number >= passing)
            for number in range(passing + failures)
        ),
    )


def inserting(monkeypatch: pytest.MonkeyPatch, outcome: InsertReport) -> None:
    monkeypatch.setattr(insert_attempt_operator, "read_manifest", mock.Mock(return_value=mock.Mock(refusals=())))
    monkeypatch.setattr(insert_attempt_operator, "preflight", mock.Mock())
    monkeypatch.setattr(insert_attempt_operator, "insert_through_conflicts", mock.Mock(return_value=outcome))


def gone(monkeypatch: pytest.MonkeyPatch, *, left: tuple[str, ...]) -> None:
    monkeypatch.setattr(
        insert_attempt_operator, "read_manifest", mock.Mock(side_effect=StagingGoneError(attempt="attempt"))
    )
    monkeypatch.setattr(insert_attempt_operator, "read_batch", mock.Mock())
    monkeypatch.setattr(
        insert_attempt_operator, "remaining", mock.Mock(return_value=SimpleNamespace(sources=left))
    )


def test_the_counts_go_to_the_task_page_and_with_the_asset_event(
    operator: InsertAttemptOperator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    inserting(monkeypatch, report())
    summary = operator.execute(context)
    assert (summary["rows"], summary["rejects"], summary["sources"], summary["objects_left_out"]) == (28, 2, 2, 0)
    assert context["outlet_events"][BRONZE].extra == {
        "source": "pgr_events_csv",
        "rows": 28,
        "rejects": 2,
        "records": 30,
        "sources": 2,
    }


def test_the_task_links_the_merge_and_not_what_came_after_it(
    operator: InsertAttemptOperator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    inserting(monkeypatch, report())
    operator.execute(context)
    assert operator.query_page == "page of q7"


def test_objects_that_were_left_out_do_not_fail_the_insert_and_the_report_stays_small(
    operator: InsertAttemptOperator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    inserting(monkeypatch, report(failures=1_000))
    summary = operator.execute(context)
    assert summary["objects_left_out"] == 1_000
    assert len(summary["failures"]) == 50
    assert (
        summary["failures"][0] | {"source": "s3://warehouse/0", "message": "damaged", "is_terminal": True}
        == (summary["failures"][0])
    )


def test_an_attempt_that_is_gone_is_no_error_when_all_it_staged_is_recorded(
    operator: InsertAttemptOperator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    gone(monkeypatch, left=())
    assert operator.execute(context) == {}


def test_an_attempt_that_is_gone_too_early_asks_for_staging_again_without_retries(
    operator: InsertAttemptOperator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    gone(monkeypatch, left=("s3://warehouse/a",))
    with pytest.raises(AirflowFailException, match="clear the stage task"):
        operator.execute(context)


def test_refusals_are_remembered_before_the_run_reports_them(
    operator: InsertAttemptOperator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    inserting(monkeypatch, report(failures=1))
    refuse = mock.create_autospec(Ledger.refuse)
    monkeypatch.setattr(Ledger, "refuse", refuse)
    operator.execute(context)
    refuse.assert_called_once_with(mock.ANY, insert_attempt_operator.read_manifest.return_value)


def test_what_fails_the_run_is_not_lost_among_what_does_not(
    operator: InsertAttemptOperator, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    inserting(monkeypatch, report(passing=100, failures=1))
    summary = operator.execute(context)
    assert [failure["source"] for failure in summary["failures"] if failure["is_terminal"]] == [
        "s3://warehouse/100"
    ]
