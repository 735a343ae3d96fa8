from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import feed
from lakehouse.engine import Outcome
from lakehouse.statements import Statement
from stack.demo_account import Comparison
from stack.demo_gold import compare_gold

CASES = [
    "cases",
    "open",
    "assigned",
    "resolved",
    "rejected",
    "reopened",
    "reassigned",
    "escalated",
    "resolved_late",
    "finally_resolved_late",
    "open_overdue",
    "breached",
]
STEPS = ("submitted", "assigned", "resolved", "closed", "reopened", "rejected")


class GoldOf:
    """An engine whose gold is a truth."""

    def __init__(self, truth: feed.Truth) -> None:
        self._truth = truth

    def execute(self, statement: Statement) -> Outcome:
        rows = self._cases() if statement.name == "demo/gold_cases.sql" else self._funnel()
        columns = tuple(rows[0])
        return Outcome(
            columns=columns, rows=tuple(tuple(row.values()) for row in rows), query_id=None, updated=None
        )

    def _cases(self) -> list[dict[str, Any]]:
        return [{name: getattr(self._truth.cases, name) for name in CASES}]

    def _funnel(self) -> list[dict[str, Any]]:
        return [
            {
                "tenant_id": tenant,
                **{
                    step: sum(
                        getattr(day, f"{step}_events") for day in self._truth.funnel if day.tenant_id == tenant
                    )
                    for step in STEPS
                },
            }
            for tenant in self._truth.tenants
        ]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> feed.Truth:
    return feed.write(feed.Options(events=500), tmp_path_factory.mktemp("feed"))


def wrong(comparisons: tuple[Comparison, ...]) -> list[str]:
    return [figure.name for comparison in comparisons for figure in comparison.figures if not figure.agrees]


def test_gold_that_is_the_truth_agrees_in_every_figure(truth: feed.Truth):
    comparisons = compare_gold(GoldOf(truth), truth, source_ids={"a.jsonl": "id"})
    assert wrong(comparisons) == []
    assert {figure.generated for comparison in comparisons for figure in comparison.figures} != {0}


@pytest.mark.parametrize("name", CASES)
def test_one_case_too_many_is_told(truth: feed.Truth, name: str):
    other = replace(truth, cases=replace(truth.cases, **{name: getattr(truth.cases, name) + 1}))
    assert wrong(compare_gold(GoldOf(other), truth, source_ids={})) == [name.replace("_", " ")]


def test_a_day_that_is_not_in_gold_is_told_by_city(truth: feed.Truth):
    day = next(day for day in truth.funnel if day.submitted_events)
    other = replace(truth, funnel=tuple(each for each in truth.funnel if each is not day))
    assert f"{day.tenant_id} submitted" in wrong(compare_gold(GoldOf(other), truth, source_ids={}))
