"""Trino as the protocol sees it: execute a statement, get rows and a count, or a typed error.

Driver errors are translated here and nowhere else.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests
import trino
from trino import exceptions as trino_exceptions

from lakehouse.errors import (
    CommitConflictError,
    EngineUnavailableError,
    LakehouseError,
    PositionsNotDistinctError,
    StatementCancelledError,
    StatementError,
)
from lakehouse.settings import Settings
from lakehouse.statements import Parameter, Statement

#: The guard of ``load/merge_rows.sql`` fails with this text.
GUARD_TEXT = "staged positions are not distinct"
#: And so do the merges of a load whose range is taken out: whoever looks again finds that in the ledger.
UNLOADED_TEXT = "the range was taken out by an unload"

#: What the driver raises; its HttpError stands outside its own tree.
_DRIVER_ERRORS = (trino_exceptions.Error, trino_exceptions.HttpError, requests.RequestException, OSError)

_CANCELLED = frozenset(
    {
        "USER_CANCELED",
        "ADMINISTRATIVELY_KILLED",
        "ADMINISTRATIVELY_PREEMPTED",
        "ABANDONED_QUERY",
        "ABANDONED_TASK",
        "EXCEEDED_TIME_LIMIT",
        "EXCEEDED_CPU_LIMIT",
        "QUERY_QUEUE_FULL",
    }
)
#: Engine failures that another try may not meet. User errors are terminal whatever their name.
_TRANSIENT_TYPES = frozenset({"INTERNAL_ERROR", "EXTERNAL"})
#: Of these types, yet the same on every try.
_TERMINAL_NAMES = frozenset({"QUERY_EXCEEDED_COMPILER_LIMIT", "COMPILER_ERROR", "CONSTRAINT_VIOLATION"})
#: A statement of a load writes up to 4,000 partitions; Trino's own limit is 100.
_TOO_MANY_PARTITIONS = "ICEBERG_TOO_MANY_OPEN_PARTITIONS"
_MORE_PARTITIONS = (
    "Set iceberg.max-partitions-per-writer=5000 in the properties of the catalog, restart Trino and run again."
)
#: Another writer committed first.
_CONFLICTS = frozenset({"ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"})
#: How the driver tells that the server does not let it in.
_REFUSED = re.compile(r"\berror (401|403)\b")


@dataclass(frozen=True)
class Outcome:
    """What a statement gave.

    :param rows: of a query; empty for a statement that writes.
    :param updated: rows written, as Trino counts them; None for a query or DDL.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    query_id: str | None
    updated: int | None

    @property
    def scalar(self) -> Any:
        """The first value of the first row."""
        return self.rows[0][0]

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Progress:
    """A running statement, as Trino reports it."""

    statement: str
    query_id: str
    state: str
    percentage: float | None
    info_uri: str | None


class Engine(Protocol):
    """What the load room asks of an engine."""

    def execute(self, statement: Statement) -> Outcome:
        """Run a statement to its end.

        :raises LakehouseError: terminal or transient, never a driver's error.
        """
        ...


class TrinoEngine:
    """Runs statements over one Trino connection at a time; safe to cancel from another thread.

    :param connect: makes a ``trino.dbapi`` connection; called once for each statement, so a broken connection
        never outlives its statement.
    :param on_progress: is told of each change while a statement runs.
    """

    def __init__(
        self,
        connect: Callable[[], trino.dbapi.Connection],
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._connect = connect
        self._on_progress = on_progress
        self._running: trino.dbapi.Cursor | None = None
        # Re-entrant: a signal handler cancels in the very thread that executes.
        self._lock = threading.RLock()
        self._cancelled = False

    def execute(self, statement: Statement) -> Outcome:
        if self._cancelled:
            raise StatementCancelledError(
                error_name="USER_CANCELED",
                message="the engine was cancelled before the statement",
                query_id=None,
            )
        try:
            connection = self._connect()
        except _DRIVER_ERRORS as error:
            raise EngineUnavailableError(message=str(error)) from error
        cursor = connection.cursor(stats_callback=self._callback(statement))
        with self._lock:
            self._running = cursor
        try:
            cursor.execute(statement.text, list(statement.parameters) or None)
            rows = tuple(tuple(row) for row in cursor.fetchall())
            description = cursor.description or ()
            return Outcome(
                columns=tuple(column[0] for column in description),
                rows=rows if cursor.update_type is None else (),
                query_id=cursor.query_id,
                updated=cursor.rowcount if cursor.update_type is not None and cursor.rowcount >= 0 else None,
            )
        except _DRIVER_ERRORS as error:
            raise translate(error, query_id=cursor.query_id, statement=statement) from error
        except BaseException:
            # A time-out or an interrupt: nobody waits for the statement any more.
            _cancel(cursor)
            raise
        finally:
            with self._lock:
                self._running = None
            connection.close()  # type: ignore[no-untyped-call]

    def cancel(self) -> None:
        """Cancel the running statement, if any, and refuse every later one."""
        with self._lock:
            self._cancelled = True
            if self._running is not None:
                _cancel(self._running)

    def _callback(self, statement: Statement) -> Callable[[Mapping[str, Any]], None]:
        seen: list[tuple[str, int]] = []

        def on_stats(stats: Mapping[str, Any]) -> None:
            cursor = self._running
            if cursor is None:
                return
            if self._cancelled:
                # The cancel came before the query had an id, and could not reach it.
                _cancel(cursor)
            if self._on_progress is None:
                return
            percentage = stats.get("progressPercentage")
            state = str(stats.get("state", ""))
            step = (state, int((percentage or 0) // 10))
            if seen and seen[-1] == step:
                return
            seen.append(step)
            self._on_progress(
                Progress(
                    statement=statement.name,
                    query_id=str(stats.get("queryId", "")),
                    state=state,
                    percentage=percentage,
                    info_uri=cursor.info_uri,
                )
            )

        return on_stats


def _cancel(cursor: trino.dbapi.Cursor) -> None:
    """Cancel a query if it runs; nothing depends on an engine that does not answer."""
    with contextlib.suppress(*_DRIVER_ERRORS):
        cursor.cancel()  # type: ignore[no-untyped-call]


def translate(error: Exception, *, query_id: str | None, statement: Statement) -> LakehouseError:
    """A driver's error as one of ours."""
    if isinstance(error, trino_exceptions.TrinoQueryError):
        return _of_query(error, query_id=error.query_id or query_id, statement=statement)
    if refused := _REFUSED.search(str(error)):
        return StatementError(
            error_name=f"HTTP {refused.group(1)}",
            message=str(error),
            query_id=query_id,
            remedy="Check the user and its rights (connection lakehouse_trino, or TRINO_* in .env).",
        )
    return EngineUnavailableError(message=str(error) or type(error).__name__, query_id=query_id)


def _of_query(
    error: trino_exceptions.TrinoQueryError, *, query_id: str | None, statement: Statement
) -> LakehouseError:
    name = error.error_name or "UNKNOWN"
    message = " ".join(error.message.split())
    if GUARD_TEXT in message or name == "MERGE_TARGET_ROW_MULTIPLE_MATCHES":
        return PositionsNotDistinctError(staging_table=f"of query {query_id}", detail=message)
    if name in _CONFLICTS or "is not an ancestor of" in message or UNLOADED_TEXT in message:
        return CommitConflictError(message=message, query_id=query_id)
    if name not in _TERMINAL_NAMES:
        if name in _CANCELLED or error.error_type == "INSUFFICIENT_RESOURCES":
            return StatementCancelledError(error_name=name, message=message, query_id=query_id)
        if error.error_type in _TRANSIENT_TYPES:
            return EngineUnavailableError(message=f"{name}: {message}", query_id=query_id)
    told = f"{message} (in {statement.name})"
    if name == _TOO_MANY_PARTITIONS:
        return StatementError(error_name=name, message=told, query_id=query_id, remedy=_MORE_PARTITIONS)
    return StatementError(error_name=name, message=told, query_id=query_id)


def session_properties(catalog: str) -> dict[str, str]:
    """Session properties of every connection that loads: the first one carries the guarantee, again."""
    return {
        f"{catalog}.file_based_conflict_detection_enabled": "false",
        f"{catalog}.collect_extended_statistics_on_write": "false",
    }


def connect_with(
    settings: Settings, *, session: Mapping[str, str] | None = None, source: str = "lakehouse"
) -> Callable[[], trino.dbapi.Connection]:
    """A factory of connections from settings, for programs outside Airflow.

    :param session: session properties beyond those of every connection that loads.
    """

    def connect() -> trino.dbapi.Connection:
        return trino.dbapi.Connection(
            host=settings.trino_host,
            port=settings.trino_port,
            user=settings.trino_user,
            http_scheme=settings.trino_scheme,
            source=source,
            session_properties=session_properties(settings.names.catalog) | dict(session or {}),
            legacy_prepared_statements=False,
            request_timeout=60,
        )

    return connect


def statement_of(text: str, *parameters: Parameter) -> Statement:
    """A statement that somebody typed."""
    return Statement(name="typed", text=text.strip().rstrip(";").rstrip(), parameters=tuple(parameters))
