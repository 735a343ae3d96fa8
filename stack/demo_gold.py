"""The last step of the demonstration: silver and gold, beside what the generator knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lakehouse.statements import render
from stack.demo_account import Comparison, Figure

if TYPE_CHECKING:
    from feed import Truth
    from lakehouse.engine import Engine
    from stack.dag_runs import DagRuns

DAG = "transform_events"
_STEPS = ("submitted", "assigned", "resolved", "closed", "reopened", "rejected")
_CASES = ("cases", "open", "assigned", "resolved", "rejected", "reopened", "reassigned", "escalated")
_SLA = ("resolved_late", "finally_resolved_late", "open_overdue", "breached")


def bring_to_gold(
    runs: DagRuns, engine: Engine, truth: Truth, *, source_ids: Mapping[str, str]
) -> tuple[Comparison, ...]:
    """Run ``transform_events``, and put the funnel and the service levels of a feed beside its truth.

    :param source_ids: of the feed's files, by name.
    :raises RunFailedError: the DAG failed, or did not end in time.
    :raises LakehouseError: the engine does not answer, or gold is not there.
    """
    runs.follow([runs.start(DAG, params={}, note="make demo")])
    return compare_gold(engine, truth, source_ids=source_ids)


def compare_gold(engine: Engine, truth: Truth, *, source_ids: Mapping[str, str]) -> tuple[Comparison, ...]:
    """What gold says of a feed's cases and days, beside its truth.

    What the clock decides is told as of the end of the feed, as the truth is.
    """
    ids = json.dumps(list(source_ids.values()))
    as_of = f"{truth.as_of:%Y-%m-%d %H:%M:%S.%f}"
    [found] = engine.execute(render("demo/gold_cases.sql", source_ids=ids, as_of=as_of)).records()
    days = [day.date for day in truth.funnel]
    funnel = engine.execute(render("demo/gold_funnel.sql", first_day=min(days), last_day=max(days))).records()
    by_tenant = {row["tenant_id"]: row for row in funnel}
    return (
        Comparison("Cases in gold", tuple(_case_figures(truth, found, _CASES))),
        Comparison("Service levels, as of the feed's end", tuple(_case_figures(truth, found, _SLA))),
        Comparison("Funnel: events by city", tuple(_funnel_figures(truth, by_tenant))),
    )


def _case_figures(truth: Truth, found: Mapping[str, int], names: tuple[str, ...]) -> Iterator[Figure]:
    for name in names:
        yield Figure(name.replace("_", " "), getattr(truth.cases, name), found[name])


def _funnel_figures(truth: Truth, found: Mapping[str, Mapping[str, int]]) -> Iterator[Figure]:
    for tenant in truth.tenants:
        days = [day for day in truth.funnel if day.tenant_id == tenant]
        for step in _STEPS:
            generated = sum(getattr(day, f"{step}_events") for day in days)
            yield Figure(f"{tenant} {step}", generated, found.get(tenant, {}).get(step, 0))
