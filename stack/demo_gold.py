"""The last step of the demonstration: silver and gold, beside what the generator knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import feed
from lakehouse.engine import Engine
from lakehouse.statements import render
from stack.demo_account import Comparison, Figure, disagreements
from stack.demo_files import LANDING_PREFIX, comparison_table, source_ids_of
from stack.demo_scene import DemoOutcome, DemoScene

DAG = "transform_events"
_STEPS = ("submitted", "assigned", "resolved", "closed", "reopened", "rejected")
_CASES = ("cases", "open", "assigned", "resolved", "rejected", "reopened", "reassigned", "escalated")
_SLA = ("resolved_late", "finally_resolved_late", "open_overdue", "breached")


@dataclass(frozen=True)
class GoldStep:
    """Brings silver and gold up to date through Airflow, and puts cases and funnel beside the truth.

    The feed is that of :class:`~stack.demo_files.FilesStep`, which must have been loaded.
    """

    def run(self, scene: DemoScene) -> DemoOutcome:
        truth = feed.read_truth(scene.directory / feed.TRUTH_FILE_NAME)
        bucket = scene.settings.names.bucket
        versions = {
            file.name: scene.store.head(bucket=bucket, key=f"{LANDING_PREFIX}{file.name}") for file in truth.files
        }
        with scene.clock.part("Bring silver and gold up to date through Airflow"):
            scene.runs.follow([scene.runs.start(DAG, params={}, note="make demo")])
        comparisons = compare_gold(scene.engine, truth, source_ids=source_ids_of(scene, versions))
        return DemoOutcome(
            shown=[comparison_table(comparison) for comparison in comparisons],
            differences=disagreements(comparisons),
        )


def compare_gold(engine: Engine, truth: feed.Truth, *, source_ids: Mapping[str, str]) -> tuple[Comparison, ...]:
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


def _case_figures(truth: feed.Truth, found: Mapping[str, int], names: tuple[str, ...]) -> Iterator[Figure]:
    for name in names:
        yield Figure(name.replace("_", " "), getattr(truth.cases, name), found[name])


def _funnel_figures(truth: feed.Truth, found: Mapping[str, Mapping[str, int]]) -> Iterator[Figure]:
    for tenant in truth.tenants:
        days = [day for day in truth.funnel if day.tenant_id == tenant]
        for step in _STEPS:
            generated = sum(getattr(day, f"{step}_events") for day in days)
            yield Figure(f"{tenant} {step}", generated, found.get(tenant, {}).get(step, 0))
