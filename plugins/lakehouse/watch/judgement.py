"""What is the matter, judged from facts: no engine, no store, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.kafka_contract import KafkaContract, OnGap
from lakehouse.watch.condition import PLATFORM, Finding, Judgement, Kind, in_words, moment_in_words
from lakehouse.watch.facts import LONGEST_SILENCE, LedgerGap, Loads, OpenRejects, Problem, RefusedFile
from lakehouse.watch.landing import Unmatched

_MOST_EXAMPLES = 3
_MOST_NAME_CHARACTERS = 200
#: What a load that runs leaves half done; only later is it a problem.
_HALF_DONE = frozenset(
    {
        "rows or rejects without a ledger row",
        "not read to its end",
        "more rows than records",
    }
)
#: And what an unload, an erasure or a retention does.
_HALF_REMOVED = frozenset({"unload not finished", "removal not finished"})
#: Judged from the ledger alone, at every check.
_GAP = "gap"


@dataclass(frozen=True)
class SourceLag:
    """How far a Kafka source is behind.

    :param messages: still to be read.
    :param missing: that were deleted before they were read.
    """

    messages: int
    missing: int


def judge_freshness(
    contracts: Collection[Contract],
    *,
    loads: Mapping[str, Loads],
    watched: Mapping[str, datetime],
    now: datetime,
) -> Judgement:
    """Whether each source had a load within its objective.

    It is the clock that makes a source stale, so this is asked whether or not anything arrives.

    :param watched: since when each source is expected to have loads; a new one, from now on.
    """
    findings = []
    with_objective = 0
    for contract in contracts:
        if contract.freshness is None:
            continue
        with_objective += 1
        newest = loads.get(contract.name, Loads()).newest
        begun = watched.get(contract.name, now)
        due = (newest or begun) + contract.freshness
        if now <= due:
            continue
        told = (
            f"The newest load ended {moment_in_words(newest)}"
            if newest
            else f"Nothing was ever loaded; loads are expected since {moment_in_words(begun)}"
        )
        objective = f"the objective is one within {in_words(contract.freshness)}."
        findings.append(Finding(Kind.STALE, contract.name, f"{told}; {objective}", since=due))
    # One whose objective was taken away is as well as one that keeps it.
    judged = Judgement.of(Kind.STALE, [contract.name for contract in contracts], findings)
    return judged + _judge_silence(findings, sources=with_objective)


def _judge_silence(stale: Sequence[Finding], *, sources: int) -> Judgement:
    """Every source at once has one cause more often than many."""
    silent = []
    if len(stale) == sources > 1:
        detail = f"None of the {sources} sources with an objective had a load within it."
        silent.append(
            Finding(Kind.NOTHING_ARRIVES, PLATFORM, detail, since=max(each.since for each in stale if each.since))
        )
    return Judgement.of(Kind.NOTHING_ARRIVES, [PLATFORM], silent)


def over_budget(contracts: Iterable[Contract], loads: Mapping[str, Loads]) -> list[Contract]:
    """The sources of which too many records of the last day were bad when they were loaded."""
    return [
        contract
        for contract in contracts
        if (of := loads.get(contract.name)) is not None
        and of.rejects_of_day > of.records_of_day * contract.reject_budget.day_share
    ]


def judge_rejects(
    contracts: Collection[Contract], *, loads: Mapping[str, Loads], rejects: Mapping[str, OpenRejects]
) -> Judgement:
    """Whether too many records of the last day are bad, and still are: what was replayed counts no more.

    :param rejects: those that are open, at least of the sources that are over their budget.
    """
    findings = []
    for contract in over_budget(contracts, loads):
        records = loads[contract.name].records_of_day
        bad = rejects.get(contract.name, OpenRejects()).of_day
        if bad > records * contract.reject_budget.day_share:
            findings.append(
                Finding(
                    Kind.REJECTS,
                    contract.name,
                    f"{bad:,} of {records:,} records of the last 24 h are bad ({bad / max(records, 1):.1%}); "
                    f"the objective is at most {contract.reject_budget.day_share:.1%}.",
                )
            )
    return Judgement.of(Kind.REJECTS, [contract.name for contract in contracts], findings)


def judge_certificate(
    contracts: Collection[Contract], *, problems: Iterable[Problem], is_full: bool, now: datetime
) -> Judgement:
    """Whether what was read is there, once.

    :param is_full: whether the problems are those of all sources: only then is one without any known to be well.
    """
    by_contract: dict[str, list[Problem]] = {}
    doubted = set()
    for problem in problems:
        if _is_believed(problem, now=now):
            by_contract.setdefault(problem.contract, []).append(problem)
        elif problem.problems != {_GAP}:
            doubted.add(problem.contract)
    findings = [
        Finding(
            Kind.CERTIFICATE,
            name,
            f"{_count(len(of), 'source')} with problems ({', '.join(_named(of))}): "
            f"{_examples([problem.source for problem in of])}.",
        )
        for name, of in sorted(by_contract.items())
    ]
    # What may pass is no reason to tell anybody, nor one to say that it has passed.
    well = {contract.name for contract in contracts} - doubted if is_full else set()
    judged = sorted(well.union(by_contract))
    return Judgement.of(Kind.CERTIFICATE, judged, findings)


def _is_believed(problem: Problem, *, now: datetime) -> bool:
    problems = problem.problems - {_GAP}
    if not _is_silent(problem.newest_sign, now=now):
        problems -= _HALF_DONE
    if not _is_silent(problem.newest_removal, now=now):
        problems -= _HALF_REMOVED
    return bool(problems)


def _is_silent(newest: datetime | None, *, now: datetime) -> bool:
    return newest is None or newest <= now - LONGEST_SILENCE


def _named(problems: Iterable[Problem]) -> list[str]:
    return sorted({name for problem in problems for name in problem.problems - {_GAP}})


def judge_gaps(contracts: Collection[Contract], *, gaps: Mapping[str, LedgerGap]) -> Judgement:
    """Whether the ledger has what was read without a hole."""
    findings = [
        Finding(
            Kind.GAP,
            name,
            f"{gap.positions:,} positions of {_count(gap.sources, 'source')} have no ledger row, before some that "
            f"do: {_examples([gap.example])}.",
            since=gap.since,
        )
        for name, gap in sorted(gaps.items())
    ]
    return Judgement.of(Kind.GAP, [contract.name for contract in contracts], findings)


def judge_refusals(contracts: Collection[Contract], *, refused: Iterable[RefusedFile]) -> Judgement:
    """Whether files wait for somebody to correct them.

    :param refused: those that are still in the store.
    """
    by_contract: dict[str, list[RefusedFile]] = {}
    for file in refused:
        by_contract.setdefault(file.contract, []).append(file)
    findings = [
        Finding(
            Kind.REFUSED,
            name,
            f"{_count(len(files), 'file')} refused ({', '.join(sorted({file.refused_as for file in files}))}): "
            f"{_examples([file.source for file in files])}.",
            since=min(file.since for file in files),
        )
        for name, files in sorted(by_contract.items())
    ]
    return Judgement.of(Kind.REFUSED, [contract.name for contract in contracts], findings)


def judge_landings(unmatched: Iterable[Unmatched]) -> Judgement:
    """Whether objects lie where no contract looks."""
    judged = list(unmatched)
    findings = [
        Finding(
            Kind.UNMATCHED,
            found.landing.uri,
            f"{_count(found.objects, 'object')} of no contract: {_examples(found.examples, of=found.objects)}.",
            since=found.since,
        )
        for found in judged
        if found.objects
    ]
    return Judgement.of(Kind.UNMATCHED, [found.landing.uri for found in judged], findings)


def judge_lag(contracts: Iterable[KafkaContract], *, lags: Mapping[str, SourceLag]) -> Judgement:
    """Whether drains keep up, and have what they are to read.

    :param lags: of the sources that the brokers told of.
    """
    told = [contract for contract in contracts if contract.name in lags]
    behind = [
        Finding(
            Kind.LAG,
            contract.name,
            f"{lags[contract.name].messages:,} messages are still to be read; the objective is at most "
            f"{contract.lag:,}.",
        )
        for contract in told
        if contract.lag is not None and lags[contract.name].messages > contract.lag
    ]
    missing = [
        Finding(
            Kind.MISSING,
            contract.name,
            f"{lags[contract.name].missing:,} messages were deleted before they were read.",
        )
        for contract in told
        if lags[contract.name].missing and contract.origin.on_gap is not OnGap.RECORD
    ]
    names = [contract.name for contract in told]
    return Judgement.of(Kind.LAG, names, behind) + Judgement.of(Kind.MISSING, names, missing)


def judge_reach(engine: str, *, error: str | None) -> Judgement:
    """Whether something outside of the tables answered.

    :param error: the kind of error with which it did not. What it said may name how it is reached, and is logged.
    """
    findings = [] if error is None else [Finding(Kind.UNREACHABLE, engine, f"Asking it ended with {error}.")]
    return Judgement.of(Kind.UNREACHABLE, [engine], findings)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _examples(names: Sequence[str], *, of: int | None = None) -> str:
    """Some of the names, on one line whatever characters they have."""
    shown = [_one_line(name) for name in names[:_MOST_EXAMPLES]]
    left = (len(names) if of is None else of) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left > 0 else "")


def _one_line(name: str) -> str:
    printable = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)
    cut = printable[:_MOST_NAME_CHARACTERS]
    return cut if cut == printable else f"{cut}…"
