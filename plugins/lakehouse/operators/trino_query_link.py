"""The link from a task's page to the page of its query in Trino."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class TrinoQueryLink(BaseOperatorLink):
    """Opens the query that did the task's work, or the last one it sent.

    The worker asks for the link when the task has ended, and Airflow keeps it.
    """

    @property
    def name(self) -> str:
        return "Trino query"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """The page that the operator noted; empty when it sent no query."""
        return str(getattr(operator, "query_page", ""))
