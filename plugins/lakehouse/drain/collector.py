"""What was read since the last flush, partition by partition."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lakehouse.broker import Message, Polled, TopicPartition
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.assignment import AssignedPartition
from lakehouse.drain.limits import FlushLimits
from lakehouse.readers.json_block import JsonBlock
from lakehouse.readers.judged_batch import JudgedBatch
from lakehouse.readers.kafka_records import block_of, with_messages

#: Messages of one poll: enough to be judged together, few enough to look around in between.
_POLLED_MESSAGES = 10_000
#: What the messages of one poll should have together at most: it comes on top of what is collected.
_POLLED_BYTES = 32 * 1024 * 1024
#: Until their size is known.
_FIRST_MESSAGES = 500


@dataclass(frozen=True)
class CollectedRange:
    """Offsets ``[first, next_position)`` of one partition, judged.

    :param source_bytes: of the values.
    """

    partition: AssignedPartition
    first: int
    next_position: int
    batches: tuple[JudgedBatch, ...]
    source_bytes: int


@dataclass
class _Reading:
    """How far one partition is read, and what of it is not handed over yet."""

    partition: AssignedPartition
    first: int
    position: int
    batches: list[JudgedBatch] = field(default_factory=list)
    source_bytes: int = 0


class Collector:
    """Makes blocks of what is polled, takes what becomes of them, and says when it is enough for a flush.

    :param monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        partitions: Iterable[AssignedPartition],
        *,
        contract: KafkaContract,
        limits: FlushLimits,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._readings = {
            partition.key: _Reading(partition, first=partition.position, position=partition.position)
            for partition in partitions
        }
        self._contract = contract
        self._limits = limits
        self._monotonic = monotonic
        self._waiting: deque[tuple[_Reading, Sequence[Message]]] = deque()
        self._messages = 0
        self._bytes = 0
        self._oldest: float | None = None
        self._message_bytes = _POLLED_BYTES // _FIRST_MESSAGES

    @property
    def messages_wanted(self) -> int:
        """How many messages the next poll should give, by the size of the last ones."""
        return max(1, min(_POLLED_MESSAGES, _POLLED_BYTES // max(1, self._message_bytes)))

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """The next offset to read of each partition."""
        return {key: reading.position for key, reading in self._readings.items()}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read since the last flush, not even what is no message."""
        return self._oldest is None

    @property
    def is_full(self) -> bool:
        return self._messages >= self._limits.records or self._bytes >= self._limits.bytes

    @property
    def is_due(self) -> bool:
        """Whether something waits long enough, or there is as much as one flush takes."""
        return self.is_full or (
            self._oldest is not None and self._monotonic() - self._oldest >= self._limits.seconds
        )

    @property
    def has_met_recorded(self) -> bool:
        """Whether a partition is read up to a range that is recorded already."""
        return any(
            reading.partition.until is not None and reading.position >= reading.partition.until
            for reading in self._readings.values()
        )

    def blocks(self, polled: Polled) -> Iterator[JsonBlock]:
        """What was polled, as blocks to be judged; each is answered by :meth:`accept`, in this order."""
        for key, messages in polled.messages.items():
            if (reading := self._readings.get(key)) is not None:
                yield from self._block(reading, messages)
        for key, end in polled.ends.items():
            if (reading := self._readings.get(key)) is not None:
                self._move(reading, end)

    def accept(self, batch: JudgedBatch) -> None:
        """Take what became of the oldest block that is not answered yet."""
        reading, messages = self._waiting.popleft()
        reading.batches.append(with_messages(batch, messages, contract=self._contract))

    def take(self) -> tuple[CollectedRange, ...]:
        """Hand over all that was read since the last time; every block must be answered."""
        if self._waiting:
            raise RuntimeError(f"{len(self._waiting)} blocks are not judged yet")
        collected = []
        for reading in self._readings.values():
            if reading.position > reading.first:
                collected.append(
                    CollectedRange(
                        partition=reading.partition,
                        first=reading.first,
                        next_position=reading.position,
                        batches=tuple(reading.batches),
                        source_bytes=reading.source_bytes,
                    )
                )
                reading.first = reading.position
                reading.batches = []
                reading.source_bytes = 0
        self._messages = self._bytes = 0
        self._oldest = None
        return tuple(collected)

    def _block(self, reading: _Reading, messages: Sequence[Message]) -> Iterator[JsonBlock]:
        until = reading.partition.until
        wanted = [
            message
            for message in messages
            if message.offset() >= reading.position and (until is None or message.offset() < until)
        ]
        if wanted:
            block = block_of(wanted, contract=self._contract)
            self._message_bytes = block.size // len(wanted)
            self._messages += len(wanted)
            self._bytes += block.size
            reading.source_bytes += block.size
            self._move(reading, wanted[-1].offset() + 1)
            self._waiting.append((reading, wanted))
            yield block
        if until is not None and messages[-1].offset() >= until:
            self._move(reading, until)

    def _move(self, reading: _Reading, position: int) -> None:
        until = reading.partition.until
        position = position if until is None else min(position, until)
        if position > reading.position:
            reading.position = position
            if self._oldest is None:
                self._oldest = self._monotonic()
