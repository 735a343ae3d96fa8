"""Builds a model of the dbt project, and runs its data tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException
from cosmos.operators.local import DbtBuildLocalOperator

from lakehouse.errors import TerminalError
from lakehouse.transform.outcome import Failure, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbt.cli.main import dbtRunnerResult

#: Of dbt's results, what is not one of these has gone well.
_FAILED = frozenset({"error", "fail", "runtime error"})


class DbtBuildOperator(DbtBuildLocalOperator):  # type: ignore[misc]  # Cosmos ships no types
    """Cosmos's task, with failures that say whether to retry, and queries that are cancelled with it.

    :param unique_ids: the model, or the seeds, by dbt's names.
    """

    def __init__(self, *, unique_ids: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.unique_ids = unique_ids

    def handle_exception_dbt_runner(self, result: dbtRunnerResult) -> None:
        """Tell apart what trying again can mend.

        :raises AirflowFailException: a model or a data test is wrong.
        :raises ModelInterruptedError: the engine is down, or another writer committed first.
        """
        if result.success:
            return
        error = judge(list(_failures(result)))
        if isinstance(error, TerminalError):
            raise AirflowFailException(str(error)) from error
        raise error

    def calculate_openlineage_events_completes(self, *_args: Any, **_kwargs: Any) -> bool:
        """Not: lineage is in the assets, and reading dbt's artefacts would take longer than building a view."""
        return False

    def on_kill(self) -> None:
        """Cancel the queries that dbt has open in this process."""
        from dbt.adapters.factory import FACTORY  # noqa: PLC0415  (importing dbt takes seconds, parsing has none)

        adapters: list[Any] = list(FACTORY.adapters.values())
        for adapter in adapters:
            self.log.info("Cancelling %s", ", ".join(adapter.cancel_open_connections()) or "nothing")


def _failures(result: dbtRunnerResult) -> Iterator[Failure]:
    if result.exception:
        # It ended before or beside any model: the engine did not answer, or the project cannot be read.
        name = type(result.exception).__name__
        yield Failure(name=name, status="error", message=str(result.exception))
        return
    results: Any = result.result
    for node in results.results:
        if node.status in _FAILED:
            yield Failure(name=node.node.name, status=str(node.status), message=str(node.message))
