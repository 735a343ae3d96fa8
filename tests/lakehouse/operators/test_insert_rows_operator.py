from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.contracts.reason import Reason
from lakehouse.errors import EngineUnavailableError, OtherRowsError
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.load.rows import RowReject, RowsReport
from lakehouse.operators import insert_rows_operator
from lakehouse.operators.insert_rows_operator import InsertRowsOperator

BRONZE = Asset(name="iceberg.bronze.service_events_raw")
PHONE = "9876543210"


@pytest.fixture
def operator() -> InsertRowsOperator:
    operator = InsertRowsOperator(
        task_id="insert", source="pgr_events_rows", idempotency_key="run 1", outlets=[BRONZE]
    )
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.hook.query_page.return_value = "page"
    operator.store = mock.sentinel.store
    return operator


@pytest.fixture
def context() -> dict[str, Any]:
    task = mock.Mock(dag_id="ingest_rows", run_id="run 1", task_id="insert", map_index=-1, try_number=1)
    return {
        "ti": task,
        "outlet_events": {BRONZE: SimpleNamespace(extra={})},
        "params": {"rows": [{"phone": PHONE}, {}], "fail_on_rejects": False},
    }


def loading(monkeypatch: pytest.MonkeyPatch, outcome: RowsReport | Exception) -> mock.Mock:
    load = mock.Mock(side_effect=[outcome])
    monkeypatch.setattr(insert_rows_operator, "load_rows", load)
    return load


def report(*, rows: int, rejects: int) -> RowsReport:
    return RowsReport(
        source="pgr_events_rows",
        idempotency_key="run 1",
        source_id="0k9en4u18tvfbfk8",
        rows=rows,
        rejects=tuple(
            RowReject(index=index, reason=Reason.WRONG_TYPE, column="channel", detail=f"'{PHONE}' is not one")
            for index in range(rejects)
        ),
        already_loaded=False,
    )


def test_the_rows_of_the_run_are_loaded_under_its_key(operator, context, monkeypatch):
    load = loading(monkeypatch, report(rows=2, rejects=0))

    result = operator.execute(context)

    (lines,) = load.call_args.args
    assert list(lines.lines) == [b'{"phone": "%b"}' % PHONE.encode(), b"{}"]
    assert load.call_args.kwargs["idempotency_key"] == "run 1"
    assert load.call_args.kwargs["contract"].name == "pgr_events_rows"
    assert (result["rows"], result["rejects"], result["rejected"]) == (2, 0, [])
    assert context["outlet_events"][BRONZE].extra["rows"] == 2


def test_rejects_are_told_by_index_and_reason_and_nothing_of_a_row_is(operator, context, monkeypatch, capsys):
    loading(monkeypatch, report(rows=1, rejects=1))

    result = operator.execute(context)

    # Where Airflow sends what a task logs, in a test.
    log = capsys.readouterr().out
    assert result["rejected"] == [{"index": 0, "reason": "wrong_type", "column": "channel"}]
    assert "Row 0 is rejected: wrong_type channel" in log
    assert PHONE not in log
    assert PHONE not in str(result)


@pytest.mark.parametrize(("rows", "fail_on_rejects"), [(0, False), (1, True)])
def test_a_run_fails_when_no_row_is_good_or_it_was_asked_to(
    operator, context, monkeypatch, rows: int, fail_on_rejects: bool
):
    loading(monkeypatch, report(rows=rows, rejects=1))
    context["params"]["fail_on_rejects"] = fail_on_rejects

    with pytest.raises(AirflowFailException, match=f"1 rows were rejected .*, {rows} are loaded"):
        operator.execute(context)

    (pushed,) = context["ti"].xcom_push.call_args_list
    assert pushed.kwargs["value"]["rejected"] == [{"index": 0, "reason": "wrong_type", "column": "channel"}]


def test_what_cannot_succeed_is_not_tried_again_and_the_rest_is(operator, context, monkeypatch):
    loading(monkeypatch, OtherRowsError(source="pgr_events_rows", idempotency_key="run 1"))
    with pytest.raises(AirflowFailException, match="Other rows"):
        operator.execute(context)

    loading(monkeypatch, EngineUnavailableError(message="refused"))
    with pytest.raises(EngineUnavailableError):
        operator.execute(context)


def test_killing_the_task_cancels_its_query(operator):
    operator.on_kill()

    operator.hook.cancel.assert_called_once_with()
