"""Trino by an Airflow connection, as the engine of a load: progress in the task's log, cancelled with the task."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
from airflow.providers.trino.hooks.trino import TrinoHook

from lakehouse.engine import Progress, TrinoEngine, session_properties
from lakehouse.settings import StorageNames

if TYPE_CHECKING:
    import trino
    from airflow.sdk import Connection

_SECONDS_TO_ANSWER = 60


class IcebergTrinoHook(TrinoHook):
    """Connects to Trino under the session properties that a load rests on.

    Every query carries the task that sent it in its client info, as with the hook it extends.

    :param trino_conn_id: connection of type Trino.
    """

    default_conn_name = "lakehouse_trino"
    hook_name = "Trino for Iceberg"

    def __init__(self, trino_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(trino_conn_id, **kwargs)  # type: ignore[no-untyped-call]
        self._pages: dict[str, str] = {}

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        """The connection, with the session properties of a load over its own."""
        connection: Connection = super().get_connection(conn_id)
        extra = dict(connection.extra_dejson)
        safe = session_properties(StorageNames.from_environment().catalog)
        extra["session_properties"] = {**(extra.get("session_properties") or {}), **safe}
        return attrs.evolve(connection, extra=json.dumps(extra))

    def get_conn(self) -> trino.dbapi.Connection:  # type: ignore[override]  # the base class names the wrong type
        connection = super().get_conn()
        # Asking the server once a process whether it knows EXECUTE IMMEDIATE is a query too many.
        connection.legacy_prepared_statements = False
        connection.request_timeout = _SECONDS_TO_ANSWER
        return connection

    @cached_property
    def engine(self) -> TrinoEngine:
        """The one engine of this hook, so that cancelling reaches whatever it runs."""
        return TrinoEngine(self.get_conn, on_progress=self._on_progress)

    def cancel(self) -> None:
        """Cancel the running statement, and refuse every later one."""
        self.log.info("Cancelling the running query, if there is one")
        self.engine.cancel()

    @property
    def query_ids(self) -> tuple[str, ...]:
        """Every query of the engine so far, in order."""
        return tuple(self._pages)

    def query_page(self, query_id: str | None = None) -> str:
        """The page of a query in Trino's web interface, by default of the last one; empty when there is none."""
        pages = self._pages
        return pages.get(query_id, "") if query_id else next(reversed(pages.values()), "")

    def _on_progress(self, progress: Progress) -> None:
        if progress.query_id not in self._pages:
            self._pages[progress.query_id] = progress.info_uri or ""
        percentage = "" if progress.percentage is None else f" {progress.percentage:.0f}%"
        self.log.info("Trino %s %s %s%s", progress.query_id, progress.statement, progress.state, percentage)
