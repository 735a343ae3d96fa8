"""What the generator knows of a feed, beside what the lakehouse holds of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from feed import Counts, Truth
from lakehouse.certificate import Account, read_certificate
from lakehouse.engine import Engine
from lakehouse.statements import render


@dataclass(frozen=True)
class Found:
    """What the lakehouse holds of a feed.

    :param accounts: the certificate's lines, by file name.
    :param rejects: open rejects by reason.
    :param events_by_type: distinct events.
    """

    accounts: Mapping[str, Account]
    rejects: Mapping[str, int]
    events_by_type: Mapping[str, int]
    duplicates: int
    late: int
    out_of_order: int

    @property
    def records_read(self) -> int:
        return sum(account.records_read for account in self.accounts.values())

    @property
    def bronze_rows(self) -> int:
        return sum(account.bronze_rows for account in self.accounts.values())

    @property
    def problems(self) -> dict[str, str]:
        """What the certificate finds wrong, by file name."""
        return {name: account.problems for name, account in self.accounts.items() if account.problems}


def read_found(engine: Engine, *, source_ids: Mapping[str, str]) -> Found:
    """Ask the lakehouse for what it holds of some files, and of nothing else.

    :param source_ids: by file name, in the order of arrival; a file that was never planned has none.
    :raises LakehouseError: the engine does not answer, or the tables are not there.
    """
    accounts = {account.source_id: account for account in read_certificate(engine).sources}
    ids = json.dumps(list(source_ids.values()))
    arrivals = engine.execute(render("demo/feed_arrivals.sql", source_ids=ids)).records()
    rejects = engine.execute(render("demo/feed_rejects.sql", source_ids=ids)).records()
    return Found(
        accounts={name: accounts[source_id] for name, source_id in source_ids.items() if source_id in accounts},
        rejects={line["reason"]: line["reject_count"] for line in rejects},
        events_by_type={line["event_type"]: line["distinct_events"] for line in arrivals},
        duplicates=sum(line["duplicates"] for line in arrivals),
        late=sum(line["late"] for line in arrivals),
        out_of_order=sum(line["out_of_order"] for line in arrivals),
    )


@dataclass(frozen=True)
class Figure:
    """One number, as it was generated and as it was found."""

    name: str
    generated: int
    found: int

    @property
    def agrees(self) -> bool:
        return self.generated == self.found


@dataclass(frozen=True)
class Comparison:
    """Figures of one kind."""

    title: str
    figures: tuple[Figure, ...]


def compare(truth: Truth, found: Found) -> tuple[Comparison, ...]:
    """Put every figure of a feed beside what was found of it."""
    total = truth.total
    return (
        Comparison(
            "The feed",
            (
                Figure("records read", total.records, found.records_read),
                Figure("rows in bronze", total.good_rows, found.bronze_rows),
                Figure("distinct events", total.distinct_events, sum(found.events_by_type.values())),
                Figure("planted duplicates", total.duplicates, found.duplicates),
                Figure("arrived late (a day or more)", total.late, found.late),
                Figure("arrived out of order", total.out_of_order, found.out_of_order),
                Figure("rejects", sum(total.rejects.values()), sum(found.rejects.values())),
            ),
        ),
        Comparison("Rejects by reason", _figures(total.rejects, found.rejects)),
        Comparison("Distinct events by type", _figures(truth.events_by_type, found.events_by_type)),
        Comparison("Rows by file", tuple(_by_file(truth, found, rows=True))),
        Comparison("Rejects by file", tuple(_by_file(truth, found, rows=False))),
    )


def differences(comparisons: Sequence[Comparison], found: Found) -> list[str]:
    """Return everything that does not agree, and every problem of the certificate; nothing when all is well."""
    return [
        *disagreements(comparisons),
        *(f"certificate of {name}: {problems}" for name, problems in found.problems.items()),
    ]


def disagreements(comparisons: Sequence[Comparison]) -> list[str]:
    """Return every figure that does not agree."""
    return [
        f"{comparison.title}: {figure.name}: {figure.generated:,} generated, {figure.found:,} found"
        for comparison in comparisons
        for figure in comparison.figures
        if not figure.agrees
    ]


def _figures(generated: Mapping[str, int], found: Mapping[str, int]) -> tuple[Figure, ...]:
    names = sorted({*generated, *found})
    return tuple(Figure(name, generated.get(name, 0), found.get(name, 0)) for name in names)


def _by_file(truth: Truth, found: Found, *, rows: bool) -> Iterator[Figure]:
    for file in truth.files:
        account = found.accounts.get(file.name)
        if rows:
            yield Figure(file.name, file.counts.good_rows, account.bronze_rows if account else 0)
        else:
            yield Figure(file.name, _rejects(file.counts), account.open_rejects if account else 0)


def _rejects(counts: Counts) -> int:
    return sum(counts.rejects.values())
