"""What was refused is read once, and neither forgotten nor called loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.contracts.contract import RejectBudget
from lakehouse.load.plan import Plan
from tests.engine.conftest import Source, event, lines

pytestmark = pytest.mark.engine

GOOD = lines(event(number) for number in range(10))
BAD = GOOD + "nothing of this is JSON\n" * 5


def refusals(source: Source, columns: str) -> list[tuple[Any, ...]]:
    return source.platform.rows(
        f"select {columns} from iceberg.bronze.open_refusals where contract = ? order by source",
        source.contract.name,
    )


def planned(source: Source, **options: Any) -> Plan:
    plans: list[Plan] = []
    source.load(on_planned=plans.append, **options)
    return plans[0]


def test_a_refused_file_is_passed_over_by_name_until_it_is_put_again(make_source: Callable[..., Source]):
    source = make_source()
    source.put("good.jsonl", GOOD)
    bad = source.put("bad #1.jsonl", BAD)
    (report,) = source.load()
    assert [failure.source for failure in report.failures] == [bad]
    assert refusals(source, "source, refused_as, times_refused") == [(bad, "RejectBudgetError", 1)]
    later = planned(source)
    assert [(refusal.source, refusal.refused_as) for refusal in later.refused] == [(bad, "RejectBudgetError")]
    assert later.batches == ()
    assert {account.source for account in source.accounts()} == {bad.replace("bad #1", "good")}
    source.put("bad #1.jsonl", GOOD)
    (report,) = source.load()
    assert (report.rows, report.failures) == (10, ())
    assert refusals(source, "source") == []


def test_a_refused_file_is_tried_again_when_asked_for_and_under_another_contract(
    make_source: Callable[..., Source],
):
    source = make_source()
    bad = source.put("bad.jsonl", BAD)
    source.load()
    key = bad.partition("/")[2].partition("/")[2].partition("/")[2]
    (asked,) = source.load(pattern=key)
    assert [failure.source for failure in asked.failures] == [bad]
    assert refusals(source, "times_refused") == [(2,)]
    lenient = replace(
        source, contract=source.contract.model_copy(update={"reject_budget": RejectBudget(share=0.5)})
    )
    (report,) = lenient.load()
    assert (report.rows, report.rejects, report.failures) == (10, 5, ())
    assert refusals(source, "source") == []
    assert [account.problems for account in source.accounts()] == [""]
