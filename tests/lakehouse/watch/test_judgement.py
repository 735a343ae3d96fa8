from __future__ import annotations

from datetime import timedelta

import pytest

from lakehouse.watch import judgement as judge
from lakehouse.watch.condition import PLATFORM, Finding, Judgement, Kind
from lakehouse.watch.facts import LONGEST_SILENCE, LedgerGap, Loads, OpenRejects, Problem, RefusedFile
from lakehouse.watch.judgement import SourceLag
from lakehouse.watch.landing import Landing, Unmatched
from tests.lakehouse.load.doubles import MOMENT
from tests.lakehouse.watch.doubles import contract_of

HOUR = timedelta(hours=1)
FRESH = contract_of("fresh", freshness="2h")
OTHER = contract_of("other", freshness="24h")
ANY_AGE = contract_of("any_age")


def freshness(*contracts, loads=None, watched=None) -> Judgement:
    return judge.judge_freshness(contracts, loads=loads or {}, watched=watched or {}, now=MOMENT)


def of_kind(judgement: Judgement, kind: Kind) -> list[Finding]:
    return [finding for finding in judgement.findings if finding.kind is kind]


def test_a_source_is_stale_from_its_objective_on():
    kept = freshness(FRESH, loads={"fresh": Loads(newest=MOMENT - 2 * HOUR)})
    assert kept.findings == ()
    [missed] = freshness(FRESH, loads={"fresh": Loads(newest=MOMENT - 3 * HOUR)}).findings
    assert (missed.key, missed.since) == ("stale/fresh", MOMENT - HOUR)
    assert missed.detail == "The newest load ended 2026-11-23 06:00 UTC; the objective is one within 2 h."


def test_a_source_that_never_loaded_anything_is_stale_its_objective_after_it_was_first_seen():
    assert freshness(FRESH, watched={}).findings == ()
    assert freshness(FRESH, watched={"fresh": MOMENT - HOUR}).findings == ()
    [never] = freshness(FRESH, watched={"fresh": MOMENT - 3 * HOUR}).findings
    assert never.since == MOMENT - HOUR
    assert never.detail.startswith("Nothing was ever loaded; loads are expected since 2026-11-23 06:00 UTC")


def test_a_source_without_an_objective_is_never_stale_though_it_once_was():
    judged = freshness(ANY_AGE, watched={"any_age": MOMENT - 1000 * HOUR})
    assert judged.findings == ()
    assert "stale/any_age" in judged.judged


def test_that_nothing_arrives_at_all_is_told_beside_the_sources():
    old = {"fresh": Loads(newest=MOMENT - 30 * HOUR), "other": Loads(newest=MOMENT - 25 * HOUR)}
    silent = freshness(FRESH, OTHER, ANY_AGE, loads=old)
    assert [finding.key for finding in silent.findings] == [
        "stale/fresh",
        "stale/other",
        "nothing_arrives/platform",
    ]
    assert silent.findings[-1].since == MOMENT - HOUR
    one_arrives = freshness(FRESH, OTHER, loads=old | {"other": Loads(newest=MOMENT)})
    assert [finding.key for finding in one_arrives.findings] == ["stale/fresh"]
    assert f"nothing_arrives/{PLATFORM}" in one_arrives.judged


def test_a_single_source_that_is_stale_is_not_told_twice():
    assert [each.key for each in freshness(FRESH, watched={"fresh": MOMENT - 9 * HOUR}).findings] == [
        "stale/fresh"
    ]


def rejects(contract, *, records: int, bad: int, still_open: int) -> tuple[Finding, ...]:
    return judge.judge_rejects(
        [contract],
        loads={contract.name: Loads(records_of_day=records, rejects_of_day=bad)},
        rejects={contract.name: OpenRejects(all=still_open, of_day=still_open)},
    ).findings


@pytest.mark.parametrize(
    ("bad", "still_open", "is_over"), [(5, 5, False), (6, 6, True), (6, 5, False), (100, 0, False)]
)
def test_rejects_of_a_day_are_over_budget_while_they_are_open(bad: int, still_open: int, is_over: bool):
    found = rejects(contract_of(), records=100, bad=bad, still_open=still_open)
    assert bool(found) == is_over


def test_the_share_of_a_day_is_the_contracts():
    strict = contract_of(reject_budget={"day_share": 0.01})
    [found] = rejects(strict, records=1000, bad=20, still_open=20)
    assert found.detail == "20 of 1,000 records of the last 24 h are bad (2.0%); the objective is at most 1.0%."
    topic = contract_of(kind="kafka")
    assert rejects(topic, records=100, bad=6, still_open=6)


def test_who_hands_rows_over_is_told_of_bad_ones_by_the_call():
    assert rejects(contract_of(kind="rows"), records=2, bad=2, still_open=2) == ()


def problem(
    *names: str,
    silent_for: timedelta | None = timedelta(),
    removal_silent_for: timedelta | None = None,
    source: str = "s3://warehouse/a",
) -> Problem:
    return Problem(
        source_id=source,
        source=source,
        contract="visits",
        problems=frozenset(names),
        newest_sign=None if silent_for is None else MOMENT - silent_for,
        newest_removal=None if removal_silent_for is None else MOMENT - removal_silent_for,
    )


def certificate(*problems: Problem, is_full: bool = False) -> Judgement:
    return judge.judge_certificate([contract_of()], problems=problems, is_full=is_full, now=MOMENT)


def test_what_a_running_load_leaves_half_done_is_no_problem_before_it_is_silent():
    half_done = ("more rows than records", "not read to its end")
    assert certificate(problem(*half_done, silent_for=LONGEST_SILENCE - timedelta(seconds=1))).findings == ()
    [found] = certificate(problem(*half_done, silent_for=LONGEST_SILENCE)).findings
    assert found.detail == (
        "1 source with problems (more rows than records, not read to its end): s3://warehouse/a."
    )
    assert certificate(problem(*half_done, silent_for=None)).findings


@pytest.mark.parametrize("name", ["unload not finished", "removal not finished"])
def test_a_removal_that_died_is_a_problem_although_loads_go_on(name: str):
    assert certificate(problem(name, removal_silent_for=LONGEST_SILENCE - timedelta(seconds=1))).findings == ()
    assert certificate(problem(name, removal_silent_for=LONGEST_SILENCE)).findings


def test_what_may_still_pass_is_neither_told_nor_taken_for_well():
    half_done = problem("more rows than records")
    assert certificate(half_done, is_full=True).judged == frozenset()
    assert certificate(problem("gap"), is_full=True).judged == {"certificate/visits"}


@pytest.mark.parametrize("name", ["rows missing", "doubled rows", "overlap", "a problem of another version"])
def test_what_no_load_leaves_is_a_problem_at_once(name: str):
    assert certificate(problem(name)).findings


def test_a_source_is_only_known_to_be_well_when_all_of_it_was_looked_at():
    assert certificate().judged == frozenset()
    assert certificate(is_full=True).judged == {"certificate/visits"}


def test_gaps_are_told_as_such_and_not_as_a_problem_of_the_certificate():
    assert certificate(problem("gap", silent_for=None)).findings == ()
    gap = LedgerGap(sources=2, positions=70, example="s3://warehouse/a", since=MOMENT)
    [found] = judge.judge_gaps([contract_of()], gaps={"visits": gap}).findings
    assert found.detail.startswith("70 positions of 2 sources have no ledger row")


def test_refused_files_of_a_source_are_one_condition_that_names_some():
    files = [
        RefusedFile("visits", f"s3://warehouse/staging/{n}.csv", "DamagedFileError", MOMENT - n * HOUR)
        for n in range(5)
    ]
    [found] = judge.judge_refusals([contract_of()], refused=files).findings
    assert found.since == MOMENT - 4 * HOUR
    assert found.detail == (
        "5 files refused (DamagedFileError): s3://warehouse/staging/0.csv, s3://warehouse/staging/1.csv, "
        "s3://warehouse/staging/2.csv and 2 more."
    )


def test_names_of_objects_stay_on_one_line_and_short():
    landing = Landing("warehouse", "staging/")
    hostile = "staging/a\r\nBcc: everybody\x1b[31m\ud800" + "b" * 1000
    [found] = judge.judge_landings([Unmatched(landing, objects=1, examples=(hostile,), since=MOMENT)]).findings
    assert found.key == "unmatched/s3://warehouse/staging/"
    assert "\n" not in found.detail
    assert "\x1b" not in found.detail
    assert len(found.detail) < 300
    found.detail.encode()


def test_a_landing_without_strays_is_judged_well():
    judged = judge.judge_landings([Unmatched(Landing("warehouse", "staging/"))])
    assert (judged.findings, judged.judged) == ((), {"unmatched/s3://warehouse/staging/"})


def test_lag_has_the_objective_that_the_contract_gives_it():
    behind = {"visits": SourceLag(messages=1001, missing=0)}
    assert judge.judge_lag([contract_of(kind="kafka")], lags=behind).findings == ()
    [found] = judge.judge_lag([contract_of(kind="kafka", lag=1000)], lags=behind).findings
    assert found.key == "lag/visits"
    assert judge.judge_lag([contract_of(kind="kafka", lag=1001)], lags=behind).findings == ()


def test_messages_that_were_deleted_unread_need_no_objective():
    [found] = judge.judge_lag([contract_of(kind="kafka")], lags={"visits": SourceLag(0, missing=7)}).findings
    assert (found.kind, found.detail) == (Kind.MISSING, "7 messages were deleted before they were read.")


def test_messages_whose_loss_the_contract_accepts_are_not_told():
    cache = contract_of(kind="kafka", **{"from": {"topic": "visits", "group": "bronze", "on_gap": "record"}})
    assert judge.judge_lag([cache], lags={"visits": SourceLag(0, missing=7)}).findings == ()


def test_a_source_that_the_brokers_did_not_tell_of_is_not_judged():
    assert judge.judge_lag([contract_of(kind="kafka", lag=1)], lags={}) == Judgement()
