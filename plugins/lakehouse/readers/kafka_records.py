"""Kafka messages as JSON records: an offset is a position, a value is a record.

What a message has beside its value (time, key and headers if the contract allows them) is kept with its reject.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.json_block import JsonBlock
from lakehouse.readers.judged_batch import JudgedBatch, Reject, reject_of
from lakehouse.readers.record_batches import PassingRecord

_TOMBSTONE = Refusal(Reason.EMPTY_RECORD, "the message has no value (a tombstone)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The message has no time.
_NO_TIME = 0


class KafkaMessage(Protocol):
    """What of a message is read."""

    def offset(self) -> int: ...

    def key(self) -> bytes | None: ...

    def value(self) -> bytes | None: ...

    def headers(self) -> list[tuple[str, bytes | None]] | None: ...

    def timestamp(self) -> tuple[int, int]:
        """Its kind (0: there is none), and milliseconds since 1970."""
        ...


def block_of(messages: Sequence[KafkaMessage], *, contract: KafkaContract) -> JsonBlock:
    """Messages of one partition, not none of them and ascending by offset, as records to be judged."""
    values = [message.value() for message in messages]
    offsets = [message.offset() for message in messages]
    limit = contract.max_record_bytes
    rejected = {
        index: _refused(value, offset=offsets[index], limit=limit, keep=not contract.scrubs)
        for index, value in enumerate(values)
        if value is None or len(value) > limit
    }
    records = [b"" if value is None or index in rejected else value for index, value in enumerate(values)]
    return JsonBlock(records=records, positions=offsets, rejected=rejected)


def with_messages(batch: JudgedBatch, messages: Sequence[KafkaMessage], *, contract: KafkaContract) -> JudgedBatch:
    """The same, each reject with what its message had beside its value."""
    if not batch.rejects:
        return batch
    by_offset = {message.offset(): message for message in messages}
    headers, keeps_key = frozenset(contract.origin.headers), contract.keeps_keys
    rejects = tuple(
        _of_message(reject, by_offset[reject.position], headers=headers, keeps_key=keeps_key)
        for reject in batch.rejects
    )
    return replace(batch, rejects=rejects)


def _refused(value: bytes | None, *, offset: int, limit: int, keep: bool) -> Reject:
    if value is None:
        return reject_of(_TOMBSTONE, position=offset, original=b"", record=None, line=None)
    passing = PassingRecord()
    passing.pass_by(value)
    return passing.ended().reject(position=offset, limit=limit, line=None, keep=keep)


def _of_message(reject: Reject, message: KafkaMessage, *, headers: frozenset[str], keeps_key: bool) -> Reject:
    kind, milliseconds = message.timestamp()
    return replace(
        reject,
        key=message.key() if keeps_key else None,
        timestamp=None if kind == _NO_TIME else _moment(milliseconds),
        headers=_kept(message.headers() or (), headers),
    )


def _moment(milliseconds: int) -> datetime | None:
    """Since 1970; None for what is no time, such as the microseconds that some producers send."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def _kept(headers: Sequence[tuple[str, bytes | None]], names: frozenset[str]) -> str | None:
    """The allowed headers, as a JSON object of texts; of one that is there twice, the last."""
    texts = {
        name: None if value is None else value.decode("utf-8", "backslashreplace")
        for name, value in headers
        if name in names
    }
    return json.dumps(texts, ensure_ascii=False) if texts else None
