"""Waits for an object of a source, when a run asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from lakehouse.contracts import FilesContract
from lakehouse.contracts.glob import Glob
from lakehouse.errors import StoreUnavailableError, TerminalError
from lakehouse.load.plan import key_of
from lakehouse.operators.lakehouse_operator import S3_CONNECTION, object_store
from lakehouse.sources import read_source

if TYPE_CHECKING:
    from airflow.sdk import Context

_FNMATCH_SPECIAL = str.maketrans({"[": "[[]"})


class ObjectSensor(BaseSensorOperator):
    """Waits, without holding a worker, until an object that a source may load is in the store.

    A run that names no key passes at once: planning finds what is there. A run whose object does not come in time
    is skipped, not failed.

    :param source: name of the contract.
    :param key: a key, a glob as in contracts, or an ``s3://`` URI; empty to pass at once. (templated)
    :param wait_minutes: how long to wait. (templated)
    :param s3_conn_id: connection of type AWS.
    """

    template_fields: Sequence[str] = ("key", "wait_minutes")

    def __init__(
        self,
        *,
        source: str,
        key: str,
        wait_minutes: int | str,
        s3_conn_id: str = S3_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.key = key
        self.wait_minutes = wait_minutes
        self.s3_conn_id = s3_conn_id

    def execute(self, context: Context) -> None:
        if not self.key:
            self.log.info("No key is asked for: planning finds what is there")
            return
        self._wait(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        if event["status"] == "error":
            raise StoreUnavailableError(operation=f"waiting for {self.key}", message=event["message"])
        self._wait(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            raise AirflowSkipException(self._gave_up) from error

    def poke(self, context: Context) -> bool:  # noqa: ARG002
        bucket, glob = self._sought()
        listing = object_store(self.s3_conn_id).list_objects(bucket=bucket, prefix=glob.literal_prefix)
        return any(glob.matches(version.key) for version in listing)

    def _wait(self, context: Context) -> None:
        """Return when the object is there, else defer for what is left of the time."""
        try:
            if self.poke(context):
                return
            bucket, glob = self._sought()
        except TerminalError as error:
            raise AirflowFailException(str(error)) from error
        is_glob = glob.literal_prefix != glob.pattern
        # Waking up and deferring again does not restart the clock.
        ends = context["ti"].start_date + timedelta(minutes=int(self.wait_minutes))
        left = ends - datetime.now(UTC)
        if left < timedelta(seconds=self.poke_interval):
            # Too short for the triggerer to look even once.
            raise AirflowSkipException(self._gave_up)
        self.defer(
            timeout=left,
            # The trigger's wildcards cross "/" where ours do not: it wakes this task, which looks again, exactly.
            # With should_check_fn it sleeps before it wakes anybody, so a near miss does not spin.
            trigger=S3KeyTrigger(
                bucket_name=bucket,
                bucket_key=glob.pattern.translate(_FNMATCH_SPECIAL) if is_glob else glob.pattern,
                wildcard_match=is_glob,
                should_check_fn=is_glob,
                aws_conn_id=self.s3_conn_id,
                poke_interval=self.poke_interval,
            ),
            method_name="execute_complete",
        )

    @property
    def _gave_up(self) -> str:
        return f"{self.key} did not come within {self.wait_minutes} minutes"

    def _sought(self) -> tuple[str, Glob]:
        contract = read_source(self.source, kind=FilesContract).contract
        return contract.origin.bucket, Glob(key_of(self.key, contract=contract))
