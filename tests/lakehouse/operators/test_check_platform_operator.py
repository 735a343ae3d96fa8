from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from lakehouse.broker import BrokerRefusedError
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.operators import check_platform_operator
from lakehouse.operators.check_platform_operator import CheckPlatformOperator, tell_of_failed_check
from lakehouse.watch.platform_check import CheckReport, PlatformCheck
from tests.lakehouse.watch.doubles import Told

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """The check that the operator makes."""
    check = mock.create_autospec(PlatformCheck, instance=True)
    check.run.return_value = CheckReport(opened=(), cleared=(), open=(), told=2)
    monkeypatch.setattr(PlatformCheck, "of_all_sources", mock.Mock(return_value=check))
    monkeypatch.setattr(check_platform_operator, "system_clock", lambda: NOW)
    return check


def run(previous: datetime | None, **options: Any) -> dict[str, int]:
    operator = CheckPlatformOperator(task_id="check", **options)
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.store = mock.sentinel.store
    task = mock.Mock(dag_id="check_platform", run_id="run", task_id="check", map_index=-1, try_number=1)
    return operator.perform({"ti": task, "prev_start_date_success": previous})


def test_a_check_looks_back_to_the_run_that_succeeded_last(checked: mock.Mock):
    assert run(NOW - timedelta(minutes=5)) == {"open": 0, "opened": 0, "cleared": 0, "told": 2}
    checked.run.assert_called_once_with(touched_since=NOW - timedelta(minutes=6), is_full=False)


@pytest.mark.parametrize(
    ("previous", "options"),
    [
        (None, {}),
        (NOW - timedelta(hours=10), {}),
        (NOW - timedelta(days=3), {}),
        (NOW - timedelta(minutes=5), {"is_full": "True"}),
    ],
    ids=["the first of all", "the first of a day", "after days without one", "asked for"],
)
def test_some_checks_look_at_everything(checked: mock.Mock, previous: datetime | None, options: dict[str, str]):
    run(previous, **options)
    assert checked.run.call_args.kwargs["is_full"]


def test_a_kafka_connection_that_is_not_there_is_brokers_that_cannot_be_asked(
    checked: mock.Mock, monkeypatch: pytest.MonkeyPatch
):
    run(NOW)
    hook = mock.Mock(side_effect=AirflowNotFoundException("no lakehouse_kafka"))
    monkeypatch.setattr(check_platform_operator, "KafkaBrokerHook", hook)
    with pytest.raises(BrokerRefusedError):
        PlatformCheck.of_all_sources.call_args.kwargs["broker"]()


def test_a_failed_check_is_told(monkeypatch: pytest.MonkeyPatch):
    told = Told()
    monkeypatch.setattr(check_platform_operator, "AirflowAlerts", lambda: told)
    tell_of_failed_check({})
    assert told.subjects == ["OPEN: engine: the platform could not be checked"]
