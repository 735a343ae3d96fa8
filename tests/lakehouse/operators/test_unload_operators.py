from __future__ import annotations

import json
from datetime import date
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.load.attempt import Partition
from lakehouse.operators import find_loaded_operator, take_out_operator
from lakehouse.operators.find_loaded_operator import FindLoadedOperator
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.operators.take_out_operator import TakeOutOperator
from lakehouse.repair.errors import LoadCutError, RangeNotEmptyError
from lakehouse.repair.unload import WHOLE, UnloadRange, UnloadReport, UnloadStep
from tests.lakehouse.load.doubles import MemoryStore

BRONZE = Asset(name="iceberg.bronze.service_events_raw")
SOURCE = "s3://warehouse/staging/wrong.csv"
FOUND = UnloadRange(
    source_id="0k9c000000000000",
    source_kind="object",
    source=SOURCE,
    identity="{}",
    target=BRONZE.name,
    contract="pgr_events_csv",
    first_position=0,
    next_position=WHOLE,
    loads=1,
    records_read=12,
    rows=10,
    rejects=2,
    touched=(Partition(date(2026, 10, 1), "PGR"), Partition(None, None)),
    is_begun=False,
    is_ended=False,
)


@pytest.fixture
def context() -> dict[str, Any]:
    task = mock.Mock(dag_id="unload", run_id="run 1", task_id="find", map_index=-1, try_number=2)
    return {
        "ti": task,
        "dag_run": SimpleNamespace(triggering_user_name="asha"),
        "outlet_events": {BRONZE: SimpleNamespace(extra={})},
    }


def connected(operator: LakehouseOperator) -> LakehouseOperator:
    operator.hook = mock.create_autospec(IcebergTrinoHook, instance=True)
    operator.hook.query_page.return_value = "page"
    operator.store = MemoryStore()
    return operator


def finding(monkeypatch: pytest.MonkeyPatch, *outcomes: object) -> mock.Mock:
    asked = mock.Mock(side_effect=outcomes)
    monkeypatch.setattr(find_loaded_operator, "asked_ranges", asked)
    return asked


def find(**asked: Any) -> LakehouseOperator:
    return connected(
        FindLoadedOperator(
            **{"task_id": "find", "source": "pgr_events_csv", "reason": "wrong month", "is_dry_run": "False"}
            | asked
        )
    )


def test_what_is_found_is_handed_on_as_json_and_comes_back_the_same(context, monkeypatch):
    asked = finding(monkeypatch, (FOUND,))
    [handed_on] = find(key="staging/wrong.csv", reload="True").execute(context)
    assert handed_on["label"] == f"{SOURCE} all"
    assert asked.call_args.kwargs["key"] == "staging/wrong.csv"
    assert (asked.call_args.kwargs["load_id"], asked.call_args.kwargs["offsets"]) == (None, None)
    assert asked.call_args.kwargs["reload"] is True

    unload = taking_out(monkeypatch, UnloadReport(range=FOUND, rows=10, rejects=2, reloads_as=None))
    take_out(json.loads(json.dumps(handed_on))).execute(context)
    assert unload.return_value.run.call_args.args == (FOUND,)


def test_who_when_and_why_are_in_the_log_with_what_would_go(context, monkeypatch, capsys):
    finding(monkeypatch, (FOUND,))
    assert find(key="staging/wrong.csv", is_dry_run="True").execute(context) == []
    # Where Airflow sends what a task logs, in a test.
    log = capsys.readouterr().out
    assert "asha asks to take this out of pgr_events_csv, because: wrong month" in log
    assert f"{SOURCE}, all (a file or a call is taken out as a whole): 1 loads, 10 rows in bronze" in log
    assert "Dry run: nothing is taken out" in log


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_is_looked_for_or_taken_out_without_a_reason(context, monkeypatch, reason):
    asked = finding(monkeypatch)
    unload = taking_out(monkeypatch)
    with pytest.raises(AirflowFailException, match="There is no reason"):
        find(key="staging/wrong.csv", reason=reason).execute(context)
    with pytest.raises(AirflowFailException, match="There is no reason"):
        take_out({}, reason=reason).execute(context)
    assert (asked.called, unload.called) == (False, False)


def test_what_cannot_be_taken_out_is_not_tried_again(context, monkeypatch):
    finding(monkeypatch, LoadCutError(source="kafka://t/0", first=1, next_position=5, loaded=(0, 10)))
    with pytest.raises(AirflowFailException, match="no run of whole loads"):
        find(offsets="t/0:1-5").execute(context)


def taking_out(monkeypatch: pytest.MonkeyPatch, *outcomes: object) -> mock.Mock:
    unload = mock.Mock()
    unload.return_value.run.side_effect = outcomes
    monkeypatch.setattr(take_out_operator, "Unload", unload)
    return unload


def take_out(unload_range: dict[str, Any], **asked: Any) -> LakehouseOperator:
    return connected(
        TakeOutOperator(
            **{"task_id": "take_out", "unload_range": unload_range, "reason": "wrong month", "outlets": [BRONZE]}
            | asked
        )
    )


def test_what_is_taken_out_is_counted_where_silver_and_the_log_look(context, monkeypatch, capsys):
    finding(monkeypatch, (FOUND,))
    [handed_on] = find(key="staging/wrong.csv").execute(context)
    unload = taking_out(monkeypatch, UnloadReport(range=FOUND, rows=10, rejects=2, reloads_as="1k9c000000000000"))
    # The contract had the object archived since.
    missing = mock.Mock(return_value="It was archived. Copy it back.")
    monkeypatch.setattr(take_out_operator, "missing_original", missing)

    result = take_out(handed_on, reload="True").execute(context)

    unload.call_args.kwargs["on_step"](UnloadStep.FENCE)
    assert unload.call_args.kwargs["actor"] == "asha"
    assert unload.call_args.kwargs["reason"] == "wrong month"
    assert unload.call_args.kwargs["ledger"].run == "unload/run 1/find/try 2"
    assert unload.return_value.run.call_args.kwargs == {"reload": True}
    assert (result["rows"], result["rejects"], result["reloads_as"]) == (10, 2, "1k9c000000000000")
    assert context["outlet_events"][BRONZE].extra == {"kind": "unload", **result}
    log = capsys.readouterr().out
    assert f"asha takes out {SOURCE} all, because: wrong month" in log
    assert "10 rows and 2 judgements of bad records are taken out; the next load takes it again" in log
    assert "fence done" in log
    assert missing.call_args.args == (FOUND,)
    assert "It was archived. Copy it back." in log


def test_a_range_that_is_not_empty_yet_is_tried_again(context, monkeypatch):
    finding(monkeypatch, (FOUND,))
    [handed_on] = find(key="staging/wrong.csv").execute(context)
    taking_out(monkeypatch, RangeNotEmptyError(source=SOURCE, rows=1))
    with pytest.raises(RangeNotEmptyError):
        take_out(handed_on).execute(context)


def test_a_run_that_nobody_started_names_airflow(context, monkeypatch, capsys):
    context["dag_run"].triggering_user_name = None
    finding(monkeypatch, (FOUND,))
    find(key="staging/wrong.csv").execute(context)
    assert "airflow asks to take this out" in capsys.readouterr().out
