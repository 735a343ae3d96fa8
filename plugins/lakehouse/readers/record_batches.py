"""Records as they come out of a file, before any is judged, in runs of bounded size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.judged_batch import KEPT_OF_TOO_LARGE, Reject

BATCH_BYTES = 32 * 10**6


def line_breaks(text: bytes) -> int:
    """How many line ends a text holds: LF, CRLF or CR."""
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


class PassingRecord:
    """A record that is over the limit: measured while it passes by, never held.

    :param original: the bytes that were sent, for a part of it.
    """

    def __init__(self, original: Callable[[bytes], bytes] = bytes) -> None:
        self._line_breaks = 0
        self._ends_with_cr = False
        self._original = original
        self._head = b""
        self._length = 0
        self._digest = hashlib.sha256()

    def pass_by(self, part: bytes) -> None:
        """Take note of the next part of the record, which must end between two characters."""
        self._line_breaks += line_breaks(part) - (self._ends_with_cr and part.startswith(b"\n"))
        self._ends_with_cr = part.endswith(b"\r")
        part = self._original(part)
        self._head += part[: KEPT_OF_TOO_LARGE - len(self._head)]
        self._length += len(part)
        self._digest.update(part)

    def ended(self, refusal: Refusal | None = None) -> OversizedRecord:
        """What is known of it when it has passed.

        :param refusal: why its parts cannot be told apart, if so.
        """
        return OversizedRecord(
            head=self._head,
            length=self._length,
            sha256=self._digest.hexdigest(),
            line_breaks=self._line_breaks,
            refusal=refusal,
        )


@dataclass(frozen=True)
class OversizedRecord:
    """A record that is over the limit, of which only the head is held.

    :param length: of the whole, in bytes as they were sent.
    :param sha256: of the whole.
    :param line_breaks: how many line ends are inside it.
    :param refusal: why its parts cannot be told apart, if so.
    """

    head: bytes
    length: int
    sha256: str
    line_breaks: int
    refusal: Refusal | None = None

    def __len__(self) -> int:
        """How many bytes of it are held."""
        return len(self.head)

    def reject(self, *, position: int, limit: int, line: int | None, keep: bool) -> Reject:
        """:param keep: whether the head may be stored."""
        return Reject(
            position=position,
            reason=Reason.TOO_LARGE,
            column=None,
            detail=f"the record has {self.length} bytes; max_record_bytes is {limit}",
            record=self.head if keep else None,
            record_bytes=self.length,
            record_sha256=self.sha256,
            line=line,
        )


@dataclass(frozen=True)
class BrokenRecord:
    """A record whose end was found, but whose parts cannot be told apart."""

    record: bytes
    refusal: Refusal

    def __len__(self) -> int:
        return len(self.record)

    @property
    def line_breaks(self) -> int:
        """How many line ends are inside it; one that ends it is not."""
        return line_breaks(self.record.rstrip(b"\r\n"))


Record = bytes | OversizedRecord | BrokenRecord


@dataclass(frozen=True)
class RecordBatch:
    """Consecutive records of a file."""

    first_position: int
    records: list[Record]

    @property
    def next_position(self) -> int:
        return self.first_position + len(self.records)

    @property
    def size(self) -> int:
        """How many bytes of the records are held."""
        return sum(map(len, self.records))

    def since(self, position: int) -> RecordBatch | None:
        """What of the batch is at or after a position."""
        if position <= self.first_position:
            return self
        if position >= self.next_position:
            return None
        return RecordBatch(position, self.records[position - self.first_position :])


def batches(runs: Iterable[list[Record]], *, batch_records: int) -> Iterator[RecordBatch]:
    """Runs of records, cut and joined to batches of at most ``batch_records`` and about :data:`BATCH_BYTES`.

    Blank records are handed on only when another record follows: at the end of a file they are padding.
    """
    pending = _Pending(batch_records)
    blanks = 0
    for run in runs:
        padding = _trailing_blanks(run)
        if padding == len(run):
            blanks += padding
            continue
        while blanks:
            taken = min(blanks, batch_records)
            yield from pending.add([b""] * taken)
            blanks -= taken
        yield from pending.add(run[: len(run) - padding])
        blanks = padding
    yield from pending.rest()


def _trailing_blanks(run: list[Record]) -> int:
    blanks = 0
    for record in reversed(run):
        if record != b"":
            break
        blanks += 1
    return blanks


class _Pending:
    """Records that wait for their batch to be full."""

    def __init__(self, batch_records: int) -> None:
        self._batch_records = batch_records
        self._position = 0
        self._records: list[Record] = []
        self._bytes = 0

    def add(self, records: list[Record]) -> Iterator[RecordBatch]:
        self._records += records
        self._bytes += sum(map(len, records))
        while len(self._records) >= self._batch_records:
            yield self._cut(self._batch_records)
        if self._bytes >= BATCH_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[RecordBatch]:
        if self._records:
            yield self._cut(len(self._records))

    def _cut(self, count: int) -> RecordBatch:
        batch = RecordBatch(self._position, self._records[:count])
        self._records = self._records[count:]
        self._bytes = sum(map(len, self._records))
        self._position += count
        return batch
