from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.contracts.reason import Reason
from lakehouse.errors import EngineUnavailableError
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.operators import replay_rejects_operator
from lakehouse.operators.replay_rejects_operator import ReplayRejectsOperator
from lakehouse.repair.errors import NotReplayableError
from lakehouse.repair.replay import ReplayFilter, ReplayReport

BRONZE = Asset(name="iceberg.bronze.service_events_raw")
REPORT = ReplayReport(
    rejects=6, rows=3, failed={"invalid_json": 2}, not_replayable={"their bytes are not kept": 1}
)


@pytest.fixture
def context() -> dict[str, Any]:
    task = mock.Mock(dag_id="replay_rejects", run_id="run 1", task_id="replay", map_index=-1, try_number=1)
    return {
        "ti": task,
        "dag_run": SimpleNamespace(triggering_user_name="asha"),
        "outlet_events": {BRONZE: SimpleNamespace(extra={})},
    }


def replaying(monkeypatch: pytest.MonkeyPatch, *outcomes: object) -> mock.Mock:
    replay = mock.Mock()
    replay.return_value.run.side_effect = outcomes
    monkeypatch.setattr(replay_rejects_operator, "Replay", replay)
    return replay


def operator(**asked: Any) -> ReplayRejectsOperator:
    operator = ReplayRejectsOperator(
        **{"task_id": "replay", "source": "pgr_events_csv", "reason": "ward is optional", "outlets": [BRONZE]}
        | asked
    )
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.hook.query_page.return_value = "page"
    operator.store = mock.sentinel.store
    return operator


def test_all_open_rejects_are_replayed_for_whoever_started_the_run(context, monkeypatch, capsys):
    replay = replaying(monkeypatch, REPORT)

    result = operator().execute(context)

    assert replay.call_args.args[0].name == "pgr_events_csv"
    assert (replay.call_args.kwargs["actor"], replay.call_args.kwargs["why"]) == ("asha", "ward is optional")
    assert replay.return_value.run.call_args == mock.call(ReplayFilter(), dry_run=False)
    assert (result["rejects"], result["rows"], result["failed"]) == (6, 3, {"invalid_json": 2})
    assert context["outlet_events"][BRONZE].extra == {"kind": "replay", **result}
    # Where Airflow sends what a task logs, in a test.
    log = capsys.readouterr().out
    assert "asha replays rejects of pgr_events_csv, because: ward is optional" in log
    assert "6 open rejects: 3 are rows in bronze" in log
    assert "2 fail again: invalid_json" in log
    assert "1 cannot be replayed: their bytes are not kept" in log


def test_the_form_narrows_what_is_replayed(context, monkeypatch, capsys):
    replay = replaying(monkeypatch, REPORT)

    operator(
        load_id="7",
        rejected_for="missing_field",
        rejected_from="2026-11-27T09:30:00+05:30",
        rejected_to="2026-11-28",
        is_dry_run="True",
    ).execute(context)

    wanted = ReplayFilter(
        load_id="7",
        reason=Reason.MISSING_FIELD,
        rejected_from=datetime(2026, 11, 27, 4, tzinfo=UTC),
        rejected_to=datetime(2026, 11, 28, tzinfo=UTC),
    )
    assert replay.return_value.run.call_args == mock.call(wanted, dry_run=True)
    assert "3 would be rows in bronze" in capsys.readouterr().out


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_is_replayed_without_a_reason(context, monkeypatch, reason):
    replay = replaying(monkeypatch)
    with pytest.raises(AirflowFailException, match="There is no reason"):
        operator(reason=reason).execute(context)
    assert not replay.called


def test_what_cannot_succeed_is_not_tried_again_and_the_rest_is(context, monkeypatch):
    error = NotReplayableError(contract="pgr_events_rows", why="…", remedy="Hand them over again.")
    replaying(monkeypatch, error, EngineUnavailableError(message="refused"))
    with pytest.raises(AirflowFailException, match="cannot be replayed"):
        operator().execute(context)
    with pytest.raises(EngineUnavailableError):
        operator().execute(context)
