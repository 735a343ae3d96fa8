"""What can be the matter, and what a check found of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: What a condition is about when it is about no single source.
PLATFORM = "platform"
KAFKA = "kafka"
STORE = "store"
ENGINE = "engine"


class Kind(StrEnum):
    """What can be the matter."""

    STALE = "stale"
    NOTHING_ARRIVES = "nothing_arrives"
    REJECTS = "rejects"
    CERTIFICATE = "certificate"
    GAP = "gap"
    REFUSED = "refused"
    UNMATCHED = "unmatched"
    LAG = "lag"
    MISSING = "missing"
    UNREACHABLE = "unreachable"

    @property
    def headline(self) -> str:
        """A few words for the head of an alert."""
        return _TITLES[self]

    @property
    def runbook(self) -> str:
        """The page that says what to do, as a path from the project's root."""
        return f"docs/runbooks/{_RUNBOOKS[self]}.md"


_TITLES = {
    Kind.STALE: "no load within the objective",
    Kind.NOTHING_ARRIVES: "nothing arrives at all",
    Kind.REJECTS: "too many rejects",
    Kind.CERTIFICATE: "the certificate has problems",
    Kind.GAP: "a gap in the ledger",
    Kind.REFUSED: "files were refused",
    Kind.UNMATCHED: "objects that no contract matches",
    Kind.LAG: "the drain is behind",
    Kind.MISSING: "messages were deleted before they were read",
    Kind.UNREACHABLE: "does not answer",
}
_RUNBOOKS = {
    Kind.STALE: "source-stale",
    Kind.NOTHING_ARRIVES: "nothing-arrives",
    Kind.REJECTS: "too-many-rejects",
    Kind.CERTIFICATE: "certificate-has-problems",
    Kind.GAP: "ledger-gap",
    Kind.REFUSED: "file-refused",
    Kind.UNMATCHED: "object-unmatched",
    Kind.LAG: "drain-behind",
    Kind.MISSING: "kafka-gap",
    Kind.UNREACHABLE: "engine-unreachable",
}


def key_of(kind: Kind, source: str) -> str:
    """What names a condition: one of a kind for each source."""
    return f"{kind}/{source}"


@dataclass(frozen=True)
class Finding:
    """Something that is the matter now.

    :param detail: for people: names, counts and times; never what a record says, or how something is reached.
    :param since: since when, as far as the tables tell; None where they do not.
    """

    kind: Kind
    source: str
    detail: str
    since: datetime | None = None

    @property
    def key(self) -> str:
        return key_of(self.kind, self.source)


@dataclass(frozen=True)
class Judgement:
    """What a check came to.

    :param judged: keys of the conditions that were looked at. What was not stays as it is, open or not.
    """

    findings: tuple[Finding, ...] = ()
    judged: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kind: Kind, sources: Iterable[str], findings: Iterable[Finding]) -> Judgement:
        """Of one kind, in sources that were all looked at."""
        return cls(findings=tuple(findings), judged=frozenset(key_of(kind, source) for source in sources))

    def __add__(self, other: Judgement) -> Judgement:
        return Judgement(findings=self.findings + other.findings, judged=self.judged | other.judged)


def in_words(duration: timedelta) -> str:
    """``90 min``, ``24 h``, ``7 d``: the largest unit that leaves a number without a fraction."""
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        # A day is an hour's matter: "24 h" is how objectives are written.
        if seconds and seconds % size == 0 and (unit != "d" or seconds > size):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment_in_words(moment: datetime) -> str:
    """A moment as alerts and tables show it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
