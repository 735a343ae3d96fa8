from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.operators import erase_person_operator, retain_rows_operator
from lakehouse.operators.erase_person_operator import ErasePersonOperator
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.operators.retain_rows_operator import RetainRowsOperator
from lakehouse.repair.erasure import ErasureReport
from lakehouse.repair.removal import RemovalCount
from lakehouse.repair.retention import RetentionReport

BRONZE = Asset(name="iceberg.bronze.service_events_raw")
PERSON = "9876543210"


@pytest.fixture
def context() -> dict[str, Any]:
    task = mock.Mock(dag_id="erase_person", run_id="run 1", task_id="erase", map_index=-1, try_number=1)
    return {
        "ti": task,
        "dag_run": SimpleNamespace(triggering_user_name="asha"),
        "outlet_events": {BRONZE: SimpleNamespace(extra={})},
    }


def connected(operator: LakehouseOperator) -> LakehouseOperator:
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.hook.query_page.return_value = "page"
    operator.store = mock.Mock()
    return operator


@pytest.fixture
def erased(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    erasure = mock.Mock()
    erasure.return_value.run.side_effect = lambda *, dry_run: ErasureReport(
        is_dry_run=dry_run,
        sources=(),
        later_rows={},
        removed=RemovalCount() if dry_run else RemovalCount(sources=1, records=4),
        by_hand=0,
        spools_dropped=(),
        spools_kept=(),
        readable_since={},
    )
    monkeypatch.setattr(erase_person_operator, "Erasure", erasure)
    connection = mock.Mock(**{"get.return_value": SimpleNamespace(password=PERSON)})
    monkeypatch.setattr(erase_person_operator, "Connection", connection)
    return erasure


def erase(**asked: Any) -> LakehouseOperator:
    return connected(
        ErasePersonOperator(
            **{"task_id": "erase", "person_conn_id": "erase_person", "reason": "request 7", "outlets": [BRONZE]}
            | asked
        )
    )


def test_a_person_is_named_by_a_connection_and_by_nothing_that_airflow_shows(context, erased, capsys):
    result = erase(is_dry_run="False").execute(context)
    assert erased.call_args.args[0].value == PERSON
    assert erased.call_args.kwargs["actor"] == "asha"
    assert erased.return_value.run.call_args.kwargs == {"dry_run": False}
    assert result["removed"] == {"sources": 1, "records": 4}
    assert context["outlet_events"][BRONZE].extra == {"kind": "erasure", "records": 4}
    log = capsys.readouterr().out
    assert "asha asks to erase whom erase_person names, because: request 7" in log
    assert PERSON not in f"{log}{result}"


def test_a_dry_run_removes_nothing_and_starts_nothing(context, erased):
    erase(is_dry_run="True").execute(context)
    assert erased.return_value.run.call_args.kwargs == {"dry_run": True}
    assert context["outlet_events"][BRONZE].extra == {}


def test_nobody_is_erased_without_a_reason(context, erased):
    with pytest.raises(AirflowFailException, match="There is no reason"):
        erase(reason=" ").execute(context)
    assert not erased.called


def test_rows_are_kept_while_retention_is_off(context, monkeypatch):
    retention = mock.Mock()
    monkeypatch.setattr(retain_rows_operator, "Retention", retention)
    monkeypatch.delenv("LAKEHOUSE_RETENTION", raising=False)
    assert connected(RetainRowsOperator(task_id="retain")).execute(context) == {}
    assert not retention.called


def test_what_retention_removes_is_returned_by_table(context, monkeypatch):
    retention = mock.Mock()
    retention.return_value.run.side_effect = lambda table: RetentionReport(
        table=table, before=date(2016, 11, 29), days=1, rows=3, records=3
    )
    monkeypatch.setattr(retain_rows_operator, "Retention", retention)
    monkeypatch.setenv("LAKEHOUSE_RETENTION", "3650d")
    [told] = connected(RetainRowsOperator(task_id="retain")).execute(context).values()
    assert (told["table"], told["before"], told["records"]) == (BRONZE.name, "2016-11-29", 3)
    assert retention.call_args.kwargs["reason"] == "LAKEHOUSE_RETENTION is 3650d"


def test_a_retention_that_is_a_slip_fails_at_once(context, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_RETENTION", "3d")
    with pytest.raises(AirflowFailException, match="less than 30d is refused"):
        connected(RetainRowsOperator(task_id="retain")).execute(context)
