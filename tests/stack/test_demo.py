from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date

import pytest
from rich.console import Console

from feed import COLUMNS, Format, Options
from lakehouse.errors import StatementError
from stack.demo import Demonstration
from stack.demo_files import FilesStep
from stack.errors import DemoDiffersError, StackError

pytestmark = pytest.mark.engine

SMALL = Options(
    events=2_000,
    seed=3,
    start=date(2026, 3, 1),
    days=10,
    duplicates=0.02,
    bad=0.02,
    formats=tuple(Format),
    files=6,
)


@pytest.fixture(scope="module")
def demonstration(running_stack) -> Demonstration:
    console = Console(file=io.StringIO(), width=200)
    return Demonstration(stack=replace(running_stack, console=console), steps=[FilesStep(SMALL)])


@pytest.fixture(scope="module")
def told_first(demonstration) -> str:
    demonstration.run()
    return _take(demonstration)


def _take(demonstration: Demonstration) -> str:
    """What was told since it was last taken."""
    output = demonstration.stack.console.file
    told = output.getvalue()
    output.seek(0)
    output.truncate()
    return told


def test_generated_feed_arrives_once(told_first):
    # 2,000 events and 40 second deliveries, generated and found.
    assert re.search(r"rows in bronze +2,040 +2,040 +=", told_first)
    assert "DIFFERS" not in told_first
    assert "Everything that was generated has arrived, once." in told_first


def test_way_to_the_web_interface_is_told_without_the_password(told_first, stack_environment):
    assert stack_environment["AIRFLOW_URL"] in told_first
    assert "AIRFLOW_PASSWORD" in told_first
    assert stack_environment["AIRFLOW_PASSWORD"] not in told_first


def test_running_again_adds_nothing_and_notices_a_row_that_no_load_wrote(told_first, demonstration, query):
    columns = ", ".join(COLUMNS)
    query(
        f"insert into iceberg.bronze.service_events_raw ({columns}, _source_id, _position) "
        f"select {columns}, _source_id, -1 from iceberg.bronze.service_events_raw "
        "where event_date = date '2026-03-02' and _source_id is not null limit 1"
    )
    try:
        with pytest.raises(DemoDiffersError, match="rows in bronze: 2,040 generated, 2,041 found"):
            demonstration.run()
    finally:
        query("delete from iceberg.bronze.service_events_raw where _position = -1")
    told = _take(demonstration)
    assert "New rows in bronze of this run: 0" in told
    assert "Everything that was generated has arrived, once." not in told


def test_engine_that_refuses_is_told_as_any_other_problem_of_the_stack(running_stack, monkeypatch):
    monkeypatch.setattr("stack.demo.create_tables", _refuse)
    with pytest.raises(StackError, match="refused"):
        Demonstration(
            stack=replace(running_stack, console=Console(file=io.StringIO())), steps=[FilesStep(SMALL)]
        ).run()


def _refuse(engine, *, names):
    raise StatementError(error_name="PERMISSION_DENIED", message="refused", query_id=None)
