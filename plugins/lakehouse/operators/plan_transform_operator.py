"""Decides what a run of ``transform_events`` builds, and skips the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.utils.skipmixin import SkipMixin

from lakehouse.operators.dbt_build_operator import DbtBuildOperator
from lakehouse.operators.lakehouse_operator import LakehouseOperator, is_true
from lakehouse.transform.manifest import read_nodes
from lakehouse.transform.pending import read_pending
from lakehouse.transform.seeds import loaded_seeds
from lakehouse.transform.selection import select_nodes

if TYPE_CHECKING:
    from airflow.sdk import Context


class PlanTransformOperator(LakehouseOperator, SkipMixin):
    """Leaves every model that there is work for, and skips the others.

    A run that a person started builds what the selection takes, or everything; one that started by itself builds
    everything when bronze has something that silver or gold have not taken, and nothing otherwise. Seeds that have
    not changed are left out, unless a selection names them or everything is built anew.

    :param select: models in dbt's syntax; empty for all. (templated)
    :param full_refresh: whether everything is built anew. (templated)
    """

    template_fields: Sequence[str] = ("select", "full_refresh")

    def __init__(self, *, select: str = "", full_refresh: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.select = select
        self.full_refresh = full_refresh

    def perform(self, context: Context) -> None:
        builds = [task for task in self.get_flat_relatives(upstream=False) if isinstance(task, DbtBuildOperator)]
        wanted = self._wanted(
            frozenset(name for task in builds for name in task.unique_ids),
            by_hand=context["dag_run"].run_type.value == "manual",
        )
        left_out = [task for task in builds if wanted.isdisjoint(task.unique_ids)]
        self.log.info("Building %d of %d", len(builds) - len(left_out), len(builds))
        self.skip(context["ti"], left_out)

    def _wanted(self, everything: frozenset[str], *, by_hand: bool) -> frozenset[str]:
        """What to build, by unique id."""
        if self.select:
            return select_nodes(self.select)
        nodes = read_nodes()
        pending = read_pending(self.engine, nodes=nodes, names=self.names)
        self.log.info("Pending: %s", pending)
        if not (pending or by_hand):
            return frozenset()
        if is_true(self.full_refresh):
            return everything
        return everything - loaded_seeds(self.engine, nodes=nodes, names=self.names)
