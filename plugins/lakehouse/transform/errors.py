"""Errors of the dbt project and its runs."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.errors import TerminalError, TransientError


class DbtProjectError(TerminalError):
    """dbt cannot read the project."""

    def __init__(self, *, output: str) -> None:
        super().__init__(
            f"dbt cannot read the project: {output}.",
            remedy="Correct the file that dbt names; `dbt parse` says the same in an activated shell.",
        )
        self.output = output


class ManifestMissingError(TerminalError):
    """The graph that Airflow draws has not been built, or cannot be read."""

    def __init__(self, *, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}.", remedy="Build it with `make dbt-manifest`.")
        self.path = path


class BronzeMissingError(TerminalError):
    """There is nothing that silver could be made from: nobody has created the tables."""

    def __init__(self, *, table: str) -> None:
        super().__init__(f"{table} does not exist.", remedy="Run `lakehouse tables` once.")
        self.table = table


class NothingSelectedError(TerminalError):
    """A selection names no model."""

    def __init__(self, *, select: str) -> None:
        super().__init__(
            f"The selection {select!r} takes no model.",
            remedy="It is dbt's own syntax, such as `gold_pgr_kpis`, `silver_pgr_events+` or `tag:daily`; "
            "`dbt ls --select …` shows what it takes.",
        )
        self.select = select


class ModelFailedError(TerminalError):
    """A model or a data test failed, and would fail again."""

    def __init__(self, *, failures: Sequence[str]) -> None:
        super().__init__(
            f"dbt failed: {'; '.join(failures)}.",
            remedy="Correct the model or the rows, then clear this task with its downstream tasks: "
            "docs/runbooks/transform-failed.md.",
        )
        self.failures = tuple(failures)


class ModelInterruptedError(TransientError):
    """A model failed for a reason that may pass: the engine is down, or another writer committed first."""

    def __init__(self, *, failures: Sequence[str]) -> None:
        super().__init__(
            f"dbt was interrupted: {'; '.join(failures)}.",
            remedy="Running again is harmless: a model takes what is pending, and commits once.",
        )
        self.failures = tuple(failures)
