"""What a reader hands on: rows that were taken and records that were refused, none lost between the two."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from lakehouse.contracts.reason import Reason, Refusal

#: How much of a record that is over ``max_record_bytes`` a reject keeps.
KEPT_OF_TOO_LARGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is not taken.

    :param position: its place in the source.
    :param column: the target's column, or the source's field, that the reason is about.
    :param detail: one sentence for a person.
    :param record: its bytes as they were sent (scrubbed, if the contract scrubs; the first 64 KiB, if it is too
        large); ``None`` if it cannot be scrubbed.
    :param record_bytes: length of the whole original record.
    :param record_sha256: hexadecimal digest of the whole original record.
    :param line: where it begins in its file, counted from 1.
    :param key: of the message that it came in.
    :param timestamp: of that message, in UTC.
    :param headers: of that message, as a JSON object of texts.
    """

    position: int
    reason: Reason
    column: str | None
    detail: str
    record: bytes | None
    record_bytes: int
    record_sha256: str
    line: int | None
    key: bytes | None = None
    timestamp: datetime | None = None
    headers: str | None = None


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """A run of consecutive records, ``[first_position, next_position)``.

    Each position has a row or a reject; or neither, where a record stands for several events and has not this one.

    :param rows: ``_position`` and the target's columns in order, typed, ascending by position.
    :param rejects: ascending by position.
    :param unknown_columns: how many records had each field that no column takes.
    """

    rows: pa.Table
    rejects: tuple[Reject, ...]
    first_position: int
    next_position: int
    unknown_columns: Mapping[str, int]

    @property
    def records(self) -> int:
        return self.next_position - self.first_position


def reject_of(
    refusal: Refusal, *, position: int, original: bytes, record: bytes | None, line: int | None
) -> Reject:
    """The reject for a record that was held in full.

    :param original: as it was sent; only its length and digest are kept.
    :param record: what may be kept of it.
    """
    return Reject(
        position=position,
        reason=refusal.reason,
        column=refusal.column,
        detail=refusal.detail,
        record=record,
        record_bytes=len(original),
        record_sha256=hashlib.sha256(original).hexdigest(),
        line=line,
    )
