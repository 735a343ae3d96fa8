"""The contract of Kafka messages: topics of one cluster, whose records are JSON objects.

Messages are always read as committed (``isolation.level=read_committed``): what a transaction took back never
was sent.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lakehouse.contracts.contract import (
    BatchLimits,
    Contract,
    Cron,
    NotEmpty,
    RejectBudget,
    Section,
    one_reading,
)
from lakehouse.contracts.quantities import Duration

#: What a broker allows.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class StartPosition(StrEnum):
    """Where a partition that was never read begins."""

    EARLIEST = "earliest"
    LATEST = "latest"
    GROUP = "group"
    """At the offsets that the group committed elsewhere; the earliest where it has none."""


class OnGap(StrEnum):
    """What happens when the broker no longer holds the next message to read."""

    STOP = "stop"
    RECORD = "record"
    """The gap is written into the ledger, and reading goes on behind it."""


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name) or name in {".", ".."}:
        raise PydanticCustomError("topic", "Not the name of a topic")
    return name


def _pattern(expression: str) -> str:
    try:
        re.compile(expression)
    except re.error as error:
        problem = {"problem": str(error)}
        raise PydanticCustomError("pattern", "Not a regular expression: {problem}", problem) from None
    return expression


def _moment(value: object) -> object:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("moment", "Not a time of ISO 8601") from None


def _not_nothing(duration: timedelta) -> timedelta:
    if not duration:
        raise PydanticCustomError("duration", "No time at all")
    return duration


class TopicsOrigin(Section):
    """A topic of the cluster, or all whose names a pattern matches."""

    topic: Annotated[str, AfterValidator(_topic)] | None = None
    pattern: Annotated[NotEmpty, AfterValidator(_pattern)] | None = None
    """Regular expression that a whole name must match; instead of a topic. A topic that is made later is
    read from its beginning."""
    group: NotEmpty
    """Consumer group. Its offsets are committed for tools that show lag; the ledger decides what is read."""
    start: Annotated[
        StartPosition | Annotated[AwareDatetime, BeforeValidator(_moment)],
        one_reading("Neither earliest, latest, group nor a time with its offset"),
    ] = StartPosition.EARLIEST
    """Of a partition that was never read; a time is that of the first message wanted."""
    on_gap: OnGap = OnGap.STOP
    headers: tuple[NotEmpty, ...] = ()
    """Names of message headers that may be kept; all others are dropped."""
    keep_keys: bool | None = None
    """Whether rejects keep the keys of their messages; unsaid, they do unless the contract scrubs."""

    @model_validator(mode="after")
    def _names_topics_in_one_way(self) -> TopicsOrigin:
        if (self.topic is None) == (self.pattern is None):
            raise PydanticCustomError("topics", "Neither or both of topic and pattern are given")
        return self

    def matches(self, topic: str) -> bool:
        """Whether the messages of a topic are this source's."""
        return topic == self.topic if self.pattern is None else re.fullmatch(self.pattern, topic) is not None


class DrainLimits(BatchLimits):
    """How much one load takes together; what is reached first ends it."""

    records: Annotated[int, Field(gt=0)] = 200_000
    interval: Annotated[
        Duration, AfterValidator(_not_nothing), Field(json_schema_extra={"default": "5s"})
    ] = timedelta(seconds=5)  # fmt: skip
    """How long a message waits for others at most."""


class KafkaContract(Contract):
    """The contract of a source whose records are Kafka messages."""

    kind: Literal["kafka"]
    origin: Annotated[TopicsOrigin, Field(alias="from")]
    reject_budget: RejectBudget = RejectBudget(share=1)
    batch: DrainLimits = DrainLimits()
    schedule: Cron | None = None
    """Cron of runs that drain what is there; unsaid, runs follow each other without a pause."""
    lag: Annotated[int, Field(gt=0)] | None = None
    """How many messages may wait to be read, in all partitions; an alert tells of more. Unsaid, any number."""

    @property
    def keeps_keys(self) -> bool:
        """Whether the keys of messages may be kept: nothing scrubs them, and a key may name a person."""
        return not self.scrubs if self.origin.keep_keys is None else self.origin.keep_keys

    def _judging_of_kind(self) -> dict[str, Any]:
        return super()._judging_of_kind() | {"headers": sorted(self.origin.headers)}

    def overlaps(self, other: Contract) -> bool:
        """Whether some topic may be both contracts', as far as names and equal patterns tell."""
        if not isinstance(other, KafkaContract):
            return False
        mine, theirs = self.origin, other.origin
        return (
            (mine.topic is not None and theirs.matches(mine.topic))
            or (theirs.topic is not None and mine.matches(theirs.topic))
            or (mine.pattern is not None and mine.pattern == theirs.pattern)
        )
