"""Decides what a run of ``transform_events`` builds, and skips the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.utils.skipmixin import SkipMixin

from lakehouse.operators.dbt_build_operator import DbtBuildOperator
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from lakehouse.transform.manifest import read_nodes
from lakehouse.transform.pending import read_pending
from lakehouse.transform.selection import select_nodes

if TYPE_CHECKING:
    from airflow.sdk import Context


class PlanTransformOperator(LakehouseOperator, SkipMixin):
    """Leaves every model that there is work for, and skips the others.

    A run that a person started builds what the selection takes, or everything; one that started by itself builds
    everything when bronze has something that silver or gold have not taken, and nothing otherwise.

    :param select: models in dbt's syntax; empty for all. (templated)
    """

    template_fields: Sequence[str] = ("select",)

    def __init__(self, *, select: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.select = select

    def perform(self, context: Context) -> None:
        builds = [task for task in self.get_flat_relatives(upstream=False) if isinstance(task, DbtBuildOperator)]
        wanted = self._wanted(by_hand=context["dag_run"].run_type.value == "manual")
        left_out = [task for task in builds if wanted is not None and wanted.isdisjoint(task.unique_ids)]
        self.log.info("Building %d of %d", len(builds) - len(left_out), len(builds))
        self.skip(context["ti"], left_out)

    def _wanted(self, *, by_hand: bool) -> frozenset[str] | None:
        """What to build, by unique id; None is everything."""
        if self.select:
            return select_nodes(self.select)
        pending = read_pending(self.engine, nodes=read_nodes(), names=self.names)
        self.log.info("Pending: %s", pending)
        return None if pending or by_hand else frozenset()
