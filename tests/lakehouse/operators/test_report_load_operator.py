from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.operators.report_load_operator import ReportLoadOperator


def insert(*failures: dict[str, Any], rows: int = 10) -> dict[str, Any]:
    return {
        "sources": 1,
        "records": rows + 1,
        "rows": rows,
        "rejects": 1,
        "objects_left_out": len(failures),
        "failures": list(failures),
    }


def failure(name: str, *, is_terminal: bool) -> dict[str, Any]:
    return {"source": f"s3://warehouse/{name}", "message": f"{name} is damaged", "is_terminal": is_terminal}


def report(reports: Any, refused_earlier: Any = None) -> dict[str, int]:
    return ReportLoadOperator(
        task_id="report", source="pgr_events_csv", reports=reports, refused_earlier=refused_earlier
    ).execute({})


def test_the_counts_of_all_batches_are_added_up():
    assert report([insert(rows=10), insert(rows=5), {}]) == {
        "sources": 2,
        "records": 17,
        "rows": 15,
        "rejects": 2,
        "objects_left_out": 0,
        "objects_refused_earlier": 0,
    }


def test_the_report_of_a_single_batch_comes_alone():
    assert report(insert(rows=10))["rows"] == 10


def test_objects_that_somebody_must_look_at_fail_the_run_each_with_its_reason():
    reports = [insert(failure("a", is_terminal=True)), insert(failure("b", is_terminal=True), rows=5)]
    with pytest.raises(AirflowFailException) as raised:
        report(reports)
    message = str(raised.value)
    assert "2 objects were not loaded; the other 2 were (15 rows, 2 rejects)" in message
    assert "s3://warehouse/a: a is damaged" in message
    assert "s3://warehouse/b: b is damaged" in message


def test_objects_that_the_next_run_takes_do_not_fail_this_one():
    assert report([insert(failure("a", is_terminal=False))])["objects_left_out"] == 1


@pytest.mark.parametrize("reports", [[], None], ids=["no batch", "no task"])
def test_what_an_earlier_run_failed_for_is_named_and_does_not_fail_this_one(
    reports: Any, monkeypatch: pytest.MonkeyPatch
):
    log = mock.Mock()
    monkeypatch.setattr(ReportLoadOperator, "log", log)
    named = {"source": "s3://warehouse/a", "message": "The file is damaged.", "refused_at": "2026-11-27"}
    assert report(reports, {"objects": 60, "named": [named]})["objects_refused_earlier"] == 60
    told = [call.args[0] % call.args[1:] for call in log.warning.mock_calls]
    assert "60 objects were refused earlier and are passed over until they, or the contract, change" in told
    assert "Refused earlier (2026-11-27): s3://warehouse/a: The file is damaged." in told
