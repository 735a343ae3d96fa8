"""Sums up the batches of a run, and fails it when objects were left out that somebody must look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

_COUNTS = ("sources", "records", "rows", "rejects", "objects_left_out")


class ReportLoadOperator(BaseOperator):
    """Adds up what the inserts report.

    A task of its own, so that what was loaded is announced although the run fails for what was not. What an
    earlier run failed for is named, and does not fail this one.

    :param source: name of the contract.
    :param reports: what the inserts returned. (templated)
    :param refused_earlier: what the plan passed over. (templated)
    """

    template_fields: Sequence[str] = ("reports", "refused_earlier")

    def __init__(
        self,
        *,
        source: str,
        reports: Iterable[Mapping[str, Any]] | XComArg,
        refused_earlier: Mapping[str, Any] | XComArg | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        # Both are rendered before they are used.
        self.reports: Iterable[Mapping[str, Any]] = reports  # type: ignore[assignment]
        self.refused_earlier: Mapping[str, Any] | None = refused_earlier  # type: ignore[assignment]

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002
        # What one mapped task returned comes alone, not as a list of one.
        reports = [self.reports] if isinstance(self.reports, Mapping) else list(self.reports or ())
        earlier = self.refused_earlier or {"objects": 0, "named": []}
        totals = {count: sum(report.get(count, 0) for report in reports) for count in _COUNTS}
        self.log.info("%s: %s", self.source, ", ".join(f"{count} {total}" for count, total in totals.items()))
        if earlier["objects"]:
            self.log.warning(
                "%d objects were refused earlier and are passed over until they, or the contract, change",
                earlier["objects"],
            )
        for refusal in earlier["named"]:
            self.log.warning(
                "Refused earlier (%s): %s: %s", refusal["refused_at"], refusal["source"], refusal["message"]
            )
        failures = [failure for report in reports for failure in report.get("failures", ())]
        terminal = [f"{failure['source']}: {failure['message']}" for failure in failures if failure["is_terminal"]]
        for failure in failures:
            if not failure["is_terminal"]:
                self.log.warning("Left for the next run: %s: %s", failure["source"], failure["message"])
        if terminal:
            raise AirflowFailException(
                f"{totals['objects_left_out']} objects were not loaded; the other {totals['sources']} were "
                f"({totals['rows']} rows, {totals['rejects']} rejects):\n" + "\n".join(terminal)
            )
        return {**totals, "objects_refused_earlier": earlier["objects"]}
