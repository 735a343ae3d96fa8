from __future__ import annotations

import threading
from datetime import datetime
from unittest.mock import create_autospec

import pytest
import requests
import trino
from trino import exceptions as trino_exceptions

from lakehouse.engine import (
    GUARD_TEXT,
    Outcome,
    Progress,
    TrinoEngine,
    connect_with,
    session_properties,
    translate,
)
from lakehouse.errors import (
    CommitConflictError,
    EngineUnavailableError,
    PositionsNotDistinctError,
    StatementCancelledError,
    StatementError,
    TransientError,
)
from lakehouse.settings import Settings
from lakehouse.statements import Statement

STATEMENT = Statement(name="load/merge_rows.sql", text="merge into bronze", parameters=("a", 1))
QUERY = "20261123_090000_00001_abcde"


#: What the driver raises when it does not get an answer.
LOST_ANSWERS = [
    trino_exceptions.HttpError("error 500"),
    trino_exceptions.Http503Error("error 503: service unavailable"),
    trino_exceptions.TrinoConnectionError("failed to execute"),
    trino_exceptions.OperationalError("gone"),
    requests.ConnectionError("refused"),
    requests.Timeout("read timed out"),
    ConnectionResetError("reset by peer"),
    TimeoutError(),
]


def query_error(name: str, error_type: str, message: str = "what Trino says") -> trino_exceptions.TrinoQueryError:
    """An error as the driver makes it from the server's answer (trino.client, _process_error)."""
    by_type = {
        "USER_ERROR": trino_exceptions.TrinoUserError,
        "EXTERNAL": trino_exceptions.TrinoExternalError,
    }
    answer = {"errorName": name, "errorType": error_type, "message": message, "errorCode": 1}
    return by_type.get(error_type, trino_exceptions.TrinoQueryError)(answer, QUERY)


@pytest.fixture
def cursor():
    cursor = create_autospec(trino.dbapi.Cursor, instance=True, spec_set=False)
    cursor.query_id = QUERY
    cursor.update_type = None
    cursor.rowcount = -1
    cursor.description = [("source_id", None), ("rows", None)]
    cursor.fetchall.return_value = [["a", 1], ["b", 2]]
    return cursor


@pytest.fixture
def connection(cursor):
    connection = create_autospec(trino.dbapi.Connection, instance=True)
    connection.cursor.return_value = cursor
    return connection


@pytest.fixture
def engine(connection) -> TrinoEngine:
    return TrinoEngine(lambda: connection)


class TestTranslate:
    @pytest.mark.parametrize(
        ("name", "error_type", "message", "expected"),
        [
            ("ICEBERG_COMMIT_ERROR", "EXTERNAL", "Found conflicting files", CommitConflictError),
            ("ICEBERG_COMMIT_ERROR", "EXTERNAL", "Found new conflicting delete files", CommitConflictError),
            ("ICEBERG_COMMIT_ERROR", "EXTERNAL", "branch main has changed", CommitConflictError),
            ("TRANSACTION_CONFLICT", "USER_ERROR", "conflict", CommitConflictError),
            ("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", "1 is not an ancestor of 2", CommitConflictError),
            ("MERGE_TARGET_ROW_MULTIPLE_MATCHES", "USER_ERROR", "one target row", PositionsNotDistinctError),
            ("GENERIC_USER_ERROR", "USER_ERROR", GUARD_TEXT, PositionsNotDistinctError),
            ("CONSTRAINT_VIOLATION", "USER_ERROR", "null", StatementError),
            ("CONSTRAINT_VIOLATION", "EXTERNAL", "null", StatementError),
            ("QUERY_EXCEEDED_COMPILER_LIMIT", "INSUFFICIENT_RESOURCES", "too many terms", StatementError),
            ("QUERY_EXCEEDED_COMPILER_LIMIT", "USER_ERROR", "too many terms", StatementError),
            ("COMPILER_ERROR", "INTERNAL_ERROR", "method too large", StatementError),
            ("SYNTAX_ERROR", "USER_ERROR", "line 1:1: mismatched input ';'", StatementError),
            ("TABLE_NOT_FOUND", "USER_ERROR", "no such table", StatementError),
            ("PERMISSION_DENIED", "USER_ERROR", "Access Denied", StatementError),
            ("USER_CANCELED", "USER_ERROR", "Query was canceled", StatementCancelledError),
            ("ADMINISTRATIVELY_KILLED", "USER_ERROR", "killed", StatementCancelledError),
            ("ABANDONED_QUERY", "INTERNAL_ERROR", "not accessed since", StatementCancelledError),
            ("EXCEEDED_TIME_LIMIT", "INSUFFICIENT_RESOURCES", "maximum time limit of 1h", StatementCancelledError),
            ("QUERY_QUEUE_FULL", "INSUFFICIENT_RESOURCES", "too many queued", StatementCancelledError),
            ("NO_NODES_AVAILABLE", "INTERNAL_ERROR", "No nodes available to run query", EngineUnavailableError),
            ("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", "NullPointerException", EngineUnavailableError),
            ("EXCEEDED_LOCAL_MEMORY_LIMIT", "INSUFFICIENT_RESOURCES", "memory", StatementCancelledError),
            ("ICEBERG_FILESYSTEM_ERROR", "EXTERNAL", "connection refused", EngineUnavailableError),
        ],
    )  # fmt: skip
    def test_error_of_trino_says_whether_to_try_again(self, name, error_type, message, expected):
        translated = translate(query_error(name, error_type, message), query_id=None, statement=STATEMENT)
        assert type(translated) is expected

    @pytest.mark.parametrize("error", LOST_ANSWERS, ids=lambda error: type(error).__name__)
    def test_lost_answer_is_transient_since_running_again_is_harmless(self, error):
        translated = translate(error, query_id=QUERY, statement=STATEMENT)
        assert type(translated) is EngineUnavailableError
        assert isinstance(translated, TransientError)
        assert translated.query_id == QUERY
        assert translated.message

    @pytest.mark.parametrize("status", [401, 403])
    def test_server_that_does_not_let_us_in_is_not_asked_again(self, status):
        error = trino_exceptions.HttpError(f"error {status}: b'Unauthorized'")
        translated = translate(error, query_id=None, statement=STATEMENT)
        assert type(translated) is StatementError
        assert translated.error_name == f"HTTP {status}"
        assert "lakehouse_trino" in translated.remedy

    def test_error_carries_the_query_and_the_message_on_one_line(self):
        error = query_error("ICEBERG_COMMIT_ERROR", "EXTERNAL", "Found conflicting files:\n  a.parquet")
        translated = translate(error, query_id=None, statement=STATEMENT)
        assert translated.query_id == QUERY
        assert translated.message == "Found conflicting files: a.parquet"

    def test_refused_statement_is_named(self):
        translated = translate(query_error("SYNTAX_ERROR", "USER_ERROR"), query_id=None, statement=STATEMENT)
        assert translated.error_name == "SYNTAX_ERROR"
        assert "load/merge_rows.sql" in str(translated)

    def test_error_without_name_or_type_is_terminal(self):
        error = trino_exceptions.TrinoQueryError({}, None)
        translated = translate(error, query_id=QUERY, statement=STATEMENT)
        assert type(translated) is StatementError
        assert (translated.error_name, translated.query_id) == ("UNKNOWN", QUERY)


class TestExecute:
    def test_query_gives_columns_and_rows(self, engine):
        outcome = engine.execute(STATEMENT)
        assert outcome == Outcome(
            columns=("source_id", "rows"), rows=(("a", 1), ("b", 2)), query_id=QUERY, updated=None
        )
        assert outcome.scalar == "a"
        assert outcome.records() == [{"source_id": "a", "rows": 1}, {"source_id": "b", "rows": 2}]

    @pytest.mark.parametrize("count", [0, 7])
    def test_write_gives_its_count_and_no_rows(self, engine, cursor, count):
        cursor.update_type = "MERGE"
        cursor.rowcount = count
        cursor.fetchall.return_value = [[count]]
        outcome = engine.execute(STATEMENT)
        assert (outcome.updated, outcome.rows) == (count, ())

    def test_ddl_gives_no_count(self, engine, cursor):
        cursor.update_type = "CREATE TABLE"
        cursor.fetchall.return_value = []
        cursor.description = None
        assert engine.execute(STATEMENT) == Outcome(columns=(), rows=(), query_id=QUERY, updated=None)

    def test_parameters_are_bound(self, engine, cursor):
        engine.execute(STATEMENT)
        cursor.execute.assert_called_once_with("merge into bronze", ["a", 1])

    def test_statement_without_parameters_is_not_prepared(self, engine, cursor):
        engine.execute(Statement(name="typed", text="select 1"))
        cursor.execute.assert_called_once_with("select 1", None)

    def test_connection_is_closed_after_success(self, engine, connection):
        engine.execute(STATEMENT)
        connection.close.assert_called_once_with()

    @pytest.mark.parametrize("step", ["execute", "fetchall"])
    @pytest.mark.parametrize(
        "error",
        [query_error("SYNTAX_ERROR", "USER_ERROR"), requests.ConnectionError(), KeyboardInterrupt()],
        ids=repr,
    )
    def test_connection_is_closed_after_a_failure(self, engine, connection, cursor, step, error):
        getattr(cursor, step).side_effect = error
        with pytest.raises((StatementError, EngineUnavailableError, KeyboardInterrupt)):
            engine.execute(STATEMENT)
        connection.close.assert_called_once_with()

    def test_statements_do_not_share_a_connection(self, cursor):
        made = []

        def connect():
            made.append(create_autospec(trino.dbapi.Connection, instance=True))
            made[-1].cursor.return_value = cursor
            return made[-1]

        engine = TrinoEngine(connect)
        engine.execute(STATEMENT)
        engine.execute(STATEMENT)
        assert len(made) == 2

    def test_error_of_the_driver_becomes_ours_with_its_cause(self, engine, cursor):
        conflict = query_error("ICEBERG_COMMIT_ERROR", "EXTERNAL")
        cursor.execute.side_effect = conflict
        with pytest.raises(CommitConflictError) as caught:
            engine.execute(STATEMENT)
        assert caught.value.__cause__ is conflict

    @pytest.mark.parametrize("error", [OSError("no route"), requests.ConnectionError("refused")], ids=repr)
    def test_connection_that_cannot_be_made_is_an_unavailable_engine(self, error):
        def connect():
            raise error

        with pytest.raises(EngineUnavailableError):
            TrinoEngine(connect).execute(STATEMENT)

    @pytest.mark.parametrize("error", LOST_ANSWERS, ids=lambda error: type(error).__name__)
    @pytest.mark.parametrize("step", ["execute", "fetchall"])
    def test_lost_answer_leaves_as_our_error(self, engine, cursor, step, error):
        getattr(cursor, step).side_effect = error
        with pytest.raises(EngineUnavailableError):
            engine.execute(STATEMENT)

    def test_error_that_is_not_the_drivers_is_not_swallowed(self, engine, cursor):
        cursor.execute.side_effect = ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            engine.execute(STATEMENT)


class TestCancel:
    def test_statement_whose_caller_is_interrupted_is_cancelled(self, engine, cursor):
        cursor.fetchall.side_effect = KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            engine.execute(STATEMENT)
        cursor.cancel.assert_called_once_with()

    def test_statement_that_failed_by_itself_is_not_cancelled(self, engine, cursor):
        cursor.fetchall.side_effect = query_error("SYNTAX_ERROR", "USER_ERROR")
        with pytest.raises(StatementError):
            engine.execute(STATEMENT)
        cursor.cancel.assert_not_called()

    def test_running_statement_is_cancelled_from_another_thread(self, engine, cursor):
        running, cancelled = threading.Event(), threading.Event()
        cursor.cancel.side_effect = cancelled.set

        def wait_for_cancel(*_arguments):
            running.set()
            assert cancelled.wait(timeout=30)
            raise query_error("USER_CANCELED", "USER_ERROR")

        cursor.execute.side_effect = wait_for_cancel
        caught: list[BaseException] = []

        def run():
            try:
                engine.execute(STATEMENT)
            except StatementCancelledError as error:
                caught.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert running.wait(timeout=30)
        engine.cancel()
        thread.join(timeout=30)
        assert [error.error_name for error in caught] == ["USER_CANCELED"]

    def test_signal_handler_cancels_in_the_thread_that_executes(self, engine, cursor):
        cursor.fetchall.side_effect = lambda: engine.cancel() or []
        engine.execute(STATEMENT)
        cursor.cancel.assert_called_once_with()

    def test_second_signal_during_a_cancel_does_not_wait_for_the_first(self, engine, cursor):
        cursor.fetchall.side_effect = lambda: engine.cancel() or []

        def second_signal():
            cursor.cancel.side_effect = None
            engine.cancel()

        cursor.cancel.side_effect = second_signal
        thread = threading.Thread(target=engine.execute, args=(STATEMENT,), daemon=True)
        thread.start()
        thread.join(timeout=30)
        assert not thread.is_alive()

    def test_statements_after_a_cancel_are_refused_without_a_connection(self, cursor):
        connect = create_autospec(lambda: None)
        engine = TrinoEngine(connect)
        engine.cancel()
        with pytest.raises(StatementCancelledError):
            engine.execute(STATEMENT)
        connect.assert_not_called()

    def test_finished_statement_is_not_cancelled(self, engine, cursor):
        engine.execute(STATEMENT)
        engine.cancel()
        cursor.cancel.assert_not_called()

    def test_cancel_that_came_before_the_query_had_an_id_reaches_it_with_the_first_report(
        self, engine, connection, cursor
    ):
        def report(*_arguments):
            engine.cancel()
            cursor.cancel.reset_mock()
            on_stats = connection.cursor.call_args.kwargs["stats_callback"]
            on_stats({"queryId": QUERY, "state": "QUEUED"})

        cursor.execute.side_effect = report
        engine.execute(STATEMENT)
        cursor.cancel.assert_called_once_with()

    @pytest.mark.parametrize("error", [trino_exceptions.TrinoConnectionError("gone"), OSError("gone")], ids=repr)
    def test_engine_that_does_not_answer_the_cancel_hides_no_error(self, engine, cursor, error):
        cursor.fetchall.side_effect = KeyboardInterrupt
        cursor.cancel.side_effect = error
        with pytest.raises(KeyboardInterrupt):
            engine.execute(STATEMENT)


class TestProgress:
    @pytest.fixture
    def report(self, connection, cursor):
        """Execute a statement during which the driver reports these; returns what is told of it."""

        def report(*stats: dict) -> list[Progress]:
            told: list[Progress] = []
            cursor.info_uri = f"http://127.0.0.1:8090/ui/query.html?{QUERY}"

            def run(*_arguments):
                for entry in stats:
                    connection.cursor.call_args.kwargs["stats_callback"]({"queryId": QUERY, **entry})

            cursor.execute.side_effect = run
            TrinoEngine(lambda: connection, on_progress=told.append).execute(STATEMENT)
            return told

        return report

    def test_report_names_statement_query_and_page(self, report):
        assert report({"state": "RUNNING", "progressPercentage": 12.5}) == [
            Progress(
                statement="load/merge_rows.sql",
                query_id=QUERY,
                state="RUNNING",
                percentage=12.5,
                info_uri=f"http://127.0.0.1:8090/ui/query.html?{QUERY}",
            )
        ]

    def test_every_state_and_every_tenth_is_told_once(self, report):
        told = report(
            {"state": "QUEUED"},
            {"state": "QUEUED"},
            {"state": "RUNNING", "progressPercentage": 1.0},
            {"state": "RUNNING", "progressPercentage": 9.9},
            {"state": "RUNNING", "progressPercentage": 10.0},
            {"state": "FINISHED", "progressPercentage": 100.0},
        )
        assert [(progress.state, progress.percentage) for progress in told] == [
            ("QUEUED", None),
            ("RUNNING", 1.0),
            ("RUNNING", 10.0),
            ("FINISHED", 100.0),
        ]


class TestConnections:
    SETTINGS = Settings.from_environment(
        {"TRINO_HOST": "127.0.0.1", "TRINO_PORT": "8099", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    )

    def test_every_connection_looks_for_conflicts_in_the_whole_table(self):
        connection = connect_with(self.SETTINGS)()
        assert connection.session_properties == {
            "iceberg.file_based_conflict_detection_enabled": "false",
            "iceberg.collect_extended_statistics_on_write": "false",
        }
        assert session_properties("lake")["lake.file_based_conflict_detection_enabled"] == "false"

    def test_further_session_properties_are_added(self):
        connection = connect_with(self.SETTINGS, session={"query_max_run_time": "1h"})()
        assert connection.session_properties["query_max_run_time"] == "1h"
        assert connection.session_properties["iceberg.file_based_conflict_detection_enabled"] == "false"

    def test_parameters_travel_within_the_statement(self):
        # Prepared statements travel in headers, which are too small for the ids of a batch.
        assert connect_with(self.SETTINGS)().legacy_prepared_statements is False

    def test_driver_writes_a_time_as_the_tables_hold_it(self, connection):
        cursor = trino.dbapi.Cursor(connect_with(self.SETTINGS)(), request=None)
        moment = datetime(2026, 11, 23, 9, 0, 0, 123456)  # noqa: DTZ001 (a timestamp column has no zone)
        assert cursor._format_prepared_param(moment) == "TIMESTAMP '2026-11-23 09:00:00.123456'"
