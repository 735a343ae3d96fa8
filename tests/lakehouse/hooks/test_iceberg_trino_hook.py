from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lakehouse.engine import Progress
from lakehouse.errors import StatementCancelledError
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.statements import Statement


@pytest.fixture
def make_hook(monkeypatch: pytest.MonkeyPatch) -> Callable[..., IcebergTrinoHook]:
    """A hook whose connection has this in its extra; nothing listens where it leads."""

    def make(**extra: object) -> IcebergTrinoHook:
        connection = {"conn_type": "trino", "host": "127.0.0.1", "port": 1, "login": "ana", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LAKEHOUSE_TRINO", json.dumps(connection))
        return IcebergTrinoHook()

    return make


def progress(query_id: str, state: str = "RUNNING", percentage: float | None = None) -> Progress:
    return Progress(
        statement="load/merge_rows.sql",
        query_id=query_id,
        state=state,
        percentage=percentage,
        info_uri=f"http://trino/ui/query.html?{query_id}",
    )


def test_every_connection_carries_what_the_guarantee_rests_on(make_hook: Callable[..., IcebergTrinoHook]):
    connection = make_hook(catalog="iceberg").get_conn()
    assert connection.session_properties == {
        "iceberg.file_based_conflict_detection_enabled": "false",
        "iceberg.collect_extended_statistics_on_write": "false",
    }
    assert connection.legacy_prepared_statements is False


def test_a_connection_may_add_session_properties_but_not_change_those(make_hook: Callable[..., IcebergTrinoHook]):
    properties = {"iceberg.file_based_conflict_detection_enabled": "true", "query_max_run_time": "1h"}
    connection = make_hook(session_properties=properties).get_conn()
    assert connection.session_properties["iceberg.file_based_conflict_detection_enabled"] == "false"
    assert connection.session_properties["query_max_run_time"] == "1h"


def test_the_properties_are_those_of_the_catalog_that_is_set(
    make_hook: Callable[..., IcebergTrinoHook], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TRINO_CATALOG", "lake")
    assert "lake.file_based_conflict_detection_enabled" in make_hook().get_conn().session_properties


def test_a_query_names_the_task_that_sent_it(
    make_hook: Callable[..., IcebergTrinoHook], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "ingest_files__pgr_events_csv")
    info = json.loads(make_hook().get_conn().http_headers["X-Trino-Client-Info"])
    assert info["dag_id"] == "ingest_files__pgr_events_csv"


def test_a_hook_has_one_engine(make_hook: Callable[..., IcebergTrinoHook]):
    hook = make_hook()
    assert hook.engine is hook.engine


def test_after_a_cancel_no_statement_is_sent(make_hook: Callable[..., IcebergTrinoHook]):
    hook = make_hook()
    hook.cancel()
    with pytest.raises(StatementCancelledError):
        hook.engine.execute(Statement(name="typed", text="select 1"))


def test_queries_are_remembered_with_their_pages(make_hook: Callable[..., IcebergTrinoHook]):
    hook = make_hook()
    assert hook.query_page() == ""
    hook._on_progress(progress("q1", "QUEUED"))
    hook._on_progress(progress("q1", "FINISHED", 100.0))
    hook._on_progress(progress("q2"))
    assert hook.query_ids == ("q1", "q2")
    assert hook.query_page() == "http://trino/ui/query.html?q2"
    assert hook.query_page("q1") == "http://trino/ui/query.html?q1"
    assert hook.query_page("q3") == ""
