"""What the tasks of a load share: connections, failures that say whether to retry, cancelling."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from lakehouse.errors import TerminalError
from lakehouse.hooks.iceberg_trino_hook import IcebergTrinoHook
from lakehouse.load.ledger import Ledger
from lakehouse.operators.trino_query_link import TrinoQueryLink
from lakehouse.settings import StorageNames
from lakehouse.store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow.sdk import BaseOperatorLink, Context

    from lakehouse.engine import TrinoEngine

TRINO_CONNECTION = IcebergTrinoHook.default_conn_name
S3_CONNECTION = "lakehouse_s3"


def triggered_by(context: Context) -> str:
    """Who started the run, as the ledger names people; ``airflow`` where nobody did."""
    return getattr(context["dag_run"], "triggering_user_name", None) or "airflow"


def is_true(value: object) -> bool:
    """Whether a templated flag is set: a template renders to text."""
    return str(value).lower() == "true"


def object_store(s3_conn_id: str) -> ObjectStore:
    """The object store of an Airflow connection of type AWS."""
    return ObjectStore(S3Hook(aws_conn_id=s3_conn_id).get_conn())


class LakehouseOperator(BaseOperator):
    """A task that works on engine and store.

    Trying again cannot mend a terminal error, so the task fails at once, with the remedy; any other error is left
    to the task's retries. Killing the task, or its time-out, cancels its query.

    :param trino_conn_id: connection of type Trino.
    :param s3_conn_id: connection of type AWS.
    """

    ui_color = "#e3f0f5"
    operator_extra_links: Collection[BaseOperatorLink] = (TrinoQueryLink(),)

    def __init__(
        self, *, trino_conn_id: str = TRINO_CONNECTION, s3_conn_id: str = S3_CONNECTION, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.trino_conn_id = trino_conn_id
        self.s3_conn_id = s3_conn_id
        self.query_page = ""

    @abstractmethod
    def perform(self, context: Context) -> Any:
        """Do the work of the task.

        :raises LakehouseError: terminal or transient.
        """

    def execute(self, context: Context) -> Any:
        try:
            return self.perform(context)
        except TerminalError as error:
            raise AirflowFailException(str(error)) from error
        finally:
            self.query_page = self.query_page or self.hook.query_page()

    def on_kill(self) -> None:
        self.hook.cancel()

    @cached_property
    def hook(self) -> IcebergTrinoHook:
        return IcebergTrinoHook(self.trino_conn_id)

    @property
    def engine(self) -> TrinoEngine:
        return self.hook.engine

    @cached_property
    def store(self) -> ObjectStore:
        return object_store(self.s3_conn_id)

    @cached_property
    def names(self) -> StorageNames:
        return StorageNames.from_environment()

    def ledger(self, context: Context) -> Ledger:
        """The ledger, in which this try is named as the one that records."""
        task = context["ti"]
        place = f"[{task.map_index}]" if (task.map_index or 0) >= 0 else ""
        run = f"{task.dag_id}/{task.run_id}/{task.task_id}{place}/try {task.try_number}"
        return Ledger(engine=self.engine, run=run)
