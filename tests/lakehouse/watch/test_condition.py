from __future__ import annotations

from datetime import timedelta

import pytest

from lakehouse.watch.condition import Finding, Judgement, Kind, in_words


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(seconds=45), "45 s"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=24), "24 h"),
        (timedelta(days=7), "7 d"),
        (timedelta(), "0 s"),
    ],
)
def test_objectives_are_written_as_people_say_them(duration: timedelta, words: str):
    assert in_words(duration) == words


def test_a_finding_is_of_a_kind_and_a_source():
    assert Finding(Kind.LAG, "visits", "").key == "lag/visits"


def test_judgements_add_up():
    late = Finding(Kind.LAG, "visits", "")
    both = Judgement.of(Kind.LAG, ["visits"], [late]) + Judgement.of(Kind.GAP, ["visits"], [])
    assert both == Judgement(findings=(late,), judged=frozenset({"lag/visits", "gap/visits"}))
