from __future__ import annotations

import json
from datetime import timedelta

import pytest

from lakehouse.watch.facts import LONGEST_SILENCE, Facts, Loads, OpenRejects
from tests.lakehouse.load.doubles import MOMENT, ScriptedEngine, rows_of
from tests.lakehouse.watch.doubles import naive

LATELY = MOMENT - timedelta(minutes=5)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def facts(engine) -> Facts:
    return Facts(engine=engine, contracts=["visits", "calls"], targets=["iceberg.bronze.visits"], now=MOMENT)


def test_loads_are_those_of_today_and_of_the_last_day(facts, engine):
    engine.answers["watch/loads.sql"] = rows_of(("visits", naive(LATELY), 1, 20, 3))
    assert facts.loads() == {
        "visits": Loads(newest=LATELY, rows_today=1, records_of_day=20, rejects_of_day=3),
    }
    [asked] = engine.asked("watch/loads.sql")
    assert json.loads(asked["contracts"]) == ["calls", "visits"]
    assert asked["today"] == naive(MOMENT.replace(hour=0))
    assert asked["day_ago"] == naive(MOMENT - timedelta(days=1))


def test_open_rejects_are_all_and_those_of_the_last_day(facts, engine):
    engine.answers["watch/open_rejects.sql"] = rows_of(("visits", 70, 7))
    assert facts.open_rejects() == {"visits": OpenRejects(all=70, of_day=7)}


def test_what_was_touched_is_looked_at_again_when_its_load_must_be_over(facts, engine):
    facts.problems(touched_since=LATELY)
    [asked] = engine.asked("watch/touched_sources.sql")
    assert (asked["since"], asked["now"]) == (naive(LATELY), naive(MOMENT))
    assert asked["earlier_since"] == naive(LATELY - LONGEST_SILENCE)
    assert asked["earlier_until"] == naive(MOMENT - LONGEST_SILENCE)


def test_nothing_touched_is_nothing_to_ask(facts, engine):
    assert facts.problems(touched_since=LATELY) == ()
    assert engine.names == ["watch/touched_sources.sql"]


def test_the_certificate_is_pinned_to_what_was_touched(facts, engine):
    engine.answers["watch/touched_sources.sql"] = rows_of(("s2",), ("s1",), ("s3",))
    facts.problems(touched_since=LATELY)
    [asked] = engine.asked("watch/problems_of_touched.sql")
    assert (asked["source_from"], asked["source_to"]) == ("s1", "s3")
    assert sorted(json.loads(asked["source_ids"])) == ["s1", "s2", "s3"]


def test_of_very_many_touched_sources_everything_is_asked(facts, engine):
    engine.answers["watch/touched_sources.sql"] = rows_of(*((f"s{number}",) for number in range(10_001)))
    facts.problems(touched_since=LATELY)
    assert engine.names[-1] == "watch/problems_of_all.sql"


def test_the_newest_sign_of_a_source_is_what_was_recorded_or_written_of_it(facts, engine):
    engine.answers["watch/problems_of_all.sql"] = rows_of(
        ("s1", "s3://warehouse/1", "visits", naive(LATELY), "overlap, rows missing"),
        ("s2", None, "visits", None, "rows or rejects without a ledger row"),
        ("s3", "s3://warehouse/3", "visits", None, "gap"),
        ("s4", "s3://warehouse/4", "somebody_elses", None, "gap"),
    )
    earlier = LATELY - timedelta(hours=1)
    engine.answers["watch/newest_signs.sql"] = rows_of(
        ("s1", naive(earlier), None), ("s2", naive(earlier), naive(LATELY))
    )
    found = facts.problems(touched_since=None)
    assert [(problem.source, problem.newest_sign) for problem in found] == [
        ("s3://warehouse/1", LATELY),
        ("source id s2", earlier),
        ("s3://warehouse/3", None),
    ]
    assert [problem.newest_removal for problem in found] == [None, LATELY, None]
    assert found[0].problems == {"overlap", "rows missing"}
