from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.errors import EngineUnavailableError, LakehouseError, ObjectNotFoundError
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.operators.trino_query_link import TrinoQueryLink


class Failing(LakehouseOperator):
    def __init__(self, *, error: LakehouseError | None = None, **kwargs: Any) -> None:
        super().__init__(task_id="failing", **kwargs)
        self.error = error

    def perform(self, context: Any) -> str:
        if self.error is not None:
            raise self.error
        return "done"


def with_hook(operator: LakehouseOperator) -> mock.Mock:
    hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    hook.query_page.return_value = "http://trino/ui/query.html?q1"
    operator.hook = hook
    return hook


def test_an_error_that_no_retry_can_mend_fails_the_task_at_once_with_its_remedy():
    operator = Failing(error=ObjectNotFoundError(bucket="warehouse", key="staging/a.csv"))
    with_hook(operator)
    with pytest.raises(AirflowFailException, match=r"no object s3://warehouse/staging/a\.csv.*`lakehouse put`"):
        operator.execute({})


def test_an_error_that_a_retry_may_mend_is_left_to_the_retries():
    error = EngineUnavailableError(message="connection refused")
    operator = Failing(error=error)
    with_hook(operator)
    with pytest.raises(EngineUnavailableError) as raised:
        operator.execute({})
    assert raised.value is error


def test_killing_the_task_cancels_its_query():
    operator = Failing()
    hook = with_hook(operator)
    operator.on_kill()
    hook.cancel.assert_called_once_with()


@pytest.mark.parametrize("error", [None, EngineUnavailableError(message="connection refused")])
def test_the_task_links_its_last_query_whether_it_fails_or_not(error: LakehouseError | None):
    operator = Failing(error=error)
    with_hook(operator)
    try:
        operator.execute({})
    except EngineUnavailableError:
        assert error is not None
    assert TrinoQueryLink().get_link(operator, ti_key=mock.sentinel.key) == "http://trino/ui/query.html?q1"


@pytest.mark.parametrize(
    ("map_index", "place"), [(-1, "dag/run/load.insert/try 2"), (3, "dag/run/load.insert[3]/try 2")]
)
def test_the_ledger_names_the_try_that_records(map_index: int, place: str):
    operator = Failing()
    with_hook(operator)
    task = SimpleNamespace(dag_id="dag", run_id="run", task_id="load.insert", map_index=map_index, try_number=2)
    assert operator.ledger({"ti": task})._run == place
