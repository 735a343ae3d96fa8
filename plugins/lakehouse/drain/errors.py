"""What can be wrong with a topic that is drained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.errors import TerminalError, TransientError


@dataclass(frozen=True)
class MissingRange:
    """Offsets that were not read and that the broker no longer holds: ``[first, next_position)``."""

    source: str
    first: int
    next_position: int

    def __str__(self) -> str:
        return f"{self.source} offsets [{self.first}, {self.next_position})"


class RetentionGapError(TerminalError):
    """Messages were deleted before they were read."""

    def __init__(self, missing: Sequence[MissingRange]) -> None:
        super().__init__(
            f"Kafka no longer holds {', '.join(map(str, missing))}, which the ledger has not.",
            remedy="If they cannot be had again, accept the loss: `lakehouse drain SOURCE --accept-gap 'why'`, or "
            "on_gap: record in the contract. See docs/runbooks/kafka-gap.md.",
        )
        self.missing = tuple(missing)


class LogTruncatedError(TerminalError):
    """A log ends before the position that is recorded: the cluster lost messages that bronze has."""

    def __init__(self, *, source: str, next_position: int, end: int) -> None:
        super().__init__(
            f"{source} ends at offset {end}, but is recorded up to {next_position}: the cluster went back.",
            remedy="Other messages would come under offsets that are loaded already. Find out what the cluster "
            "lost (an unclean leader election, a restored backup); see docs/runbooks/kafka-gap.md.",
        )
        self.source = source
        self.next_position = next_position
        self.end = end


class TopicReplacedError(TransientError):
    """A topic was deleted, or created again, while it was read; nothing of what was read since is loaded."""

    def __init__(self, *, topic: str) -> None:
        super().__init__(
            f"Topic {topic} is no longer the one that was planned.",
            remedy="The next plan takes the topic that is there now, as a new source.",
        )
        self.topic = topic


class NotOfTopicsError(TerminalError):
    """Somebody asks for offsets of a partition that the contract does not have."""

    def __init__(self, *, source: str, contract: str) -> None:
        super().__init__(
            f"{source} is no partition of the topics of {contract}.",
            remedy=f"`lakehouse lag {contract}` shows those that there are.",
        )
        self.source = source
        self.contract = contract


class BackfillUnclearError(TerminalError):
    """Somebody asks for offsets and for a period at once."""

    def __init__(self) -> None:
        super().__init__(
            "Offsets and a period are named at once.",
            remedy="Name what is to be backfilled by offsets of one partition, or by a period for all of them.",
        )
