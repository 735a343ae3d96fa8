from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from lakehouse.arrival.after_load import AfterLoadReport
from lakehouse.contracts.after_load import AfterLoadAction
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.operators import after_load_operator
from lakehouse.operators.after_load_operator import AfterLoadOperator
from tests.lakehouse.load.doubles import MemoryStore


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    acting = mock.Mock()
    acting.return_value.run.return_value = AfterLoadReport(action=AfterLoadAction.ARCHIVE, done=7, held=2, left=3)
    monkeypatch.setattr(after_load_operator, "AfterLoading", acting)
    return acting


def run(**params: Any) -> dict[str, Any]:
    context = {"ti": mock.Mock(map_index=-1), "params": {"dry_run": False, **params}}
    operator = AfterLoadOperator(task_id="after_load", source="pgr_events_csv", is_dry_run="{{ params.dry_run }}")
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.store = MemoryStore()
    operator.render_template_fields(context)
    return operator.execute(context)


def test_what_was_done_is_counted_and_told(acting, capsys):
    assert run() == {
        "action": "archive",
        "done": 7,
        "held": 2,
        "waiting": 0,
        "changed": 0,
        "unnamed": 0,
        "left": 3,
    }
    assert acting.call_args.args[0].name == "pgr_events_csv"
    log = capsys.readouterr().out
    assert "Done with: 7 objects (action archive), 2 kept for their open rejects" in log


def test_a_dry_run_of_the_dag_is_one_of_this_too(acting, capsys):
    run(dry_run=True)
    assert acting.return_value.run.call_args == mock.call(dry_run=True)
    assert "Would be done with: 7 objects" in capsys.readouterr().out


def test_with_nothing_to_do_it_is_skipped(acting):
    acting.return_value.run.return_value = AfterLoadReport(action=AfterLoadAction.ARCHIVE, held=2)
    with pytest.raises(AirflowSkipException):
        run()
