"""Names for sources, loads and attempts: pure functions.

Iceberg keeps the first 16 characters of a string's bounds (metrics mode ``truncate(16)``), and pruning and
conflict detection work on those bounds. So every key that a statement pins is exactly 16 characters: four that
grow with time (compacted files keep narrow bounds) and twelve that carry 60 bits of SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

#: Base 32 in an alphabet whose order is the order of its digits, and that a Hive table name may hold.
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_DIGEST_CHARACTERS = 12
_DAY_CHARACTERS = 4
_FRAMING_CHARACTERS = 3
_EPOCH = date(1970, 1, 1)
#: Of the store. Everything below is ours, by attempt: the sweep may delete it.
SPOOL_PREFIX = "_spool/"


def _base32(value: int, *, characters: int) -> str:
    digits = []
    for _ in range(characters):
        value, digit = divmod(value, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def digest(*parts: str | int) -> str:
    """Twelve characters (60 bits) of SHA-256 over the parts, in an unambiguous encoding."""
    canonical = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    head = int.from_bytes(hashlib.sha256(canonical).digest()[:8])
    return _base32(head >> 4, characters=_DIGEST_CHARACTERS)


def day_prefix(day: date) -> str:
    """Four characters that sort like the day (from 1970-01-01 on)."""
    return _base32((day - _EPOCH).days, characters=_DAY_CHARACTERS)


class SourceIdentity(Protocol):
    """What makes one immutable, ordered source that source and no other."""

    @property
    def kind(self) -> str:
        """``object``, ``partition`` or ``request``."""
        ...

    @property
    def uri(self) -> str:
        """The source for people."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def digest(self) -> str:
        """What the registry of sources is keyed by; at most one source id has it."""
        ...

    @property
    def proposed_source_id(self) -> str:
        """The id this source gets if the registry does not know it yet."""
        ...

    @property
    def identity(self) -> str:
        """The full identity, as the canonical JSON that registry and ledger keep."""
        ...


@dataclass(frozen=True, order=True)
class ObjectVersion:
    """One version of one object: the identity of a file source.

    :param etag: the store's entity tag, without quotes.
    :param size: in bytes.
    :param last_modified: UTC; not a part of the identity (the same bytes put again are the same source).
    """

    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime

    @property
    def kind(self) -> str:
        return "object"

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def digest(self) -> str:
        return digest("object", self.bucket, self.key, self.etag, self.size)

    @property
    def proposed_source_id(self) -> str:
        return day_prefix(self.last_modified.astimezone(UTC).date()) + self.digest

    @property
    def identity(self) -> str:
        fields = {"bucket": self.bucket, "etag": self.etag, "key": self.key, "size": self.size}
        return json.dumps(fields, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True)
class PartitionIdentity:
    """One partition of one incarnation of a topic: the identity of a Kafka source.

    A topic that is deleted and created again has another topic id (KIP-516), and starts again at offset 0.

    :param cluster_id: as the brokers tell it.
    :param topic_id: as the brokers tell it; empty where they have none, and then the topic's name stands for it.
    :param first_seen: UTC; not a part of the identity.
    """

    cluster_id: str
    topic: str
    topic_id: str
    partition: int
    first_seen: datetime

    @property
    def kind(self) -> str:
        return "partition"

    @property
    def uri(self) -> str:
        return f"kafka://{self.topic}/{self.partition}"

    @property
    def size(self) -> int:
        """Zero: a partition never ends, so it has no size."""
        return 0

    @property
    def digest(self) -> str:
        named = ("topic", self.topic) if not self.topic_id else ("topic_id", self.topic_id)
        return digest("partition", self.cluster_id, *named, self.partition)

    @property
    def proposed_source_id(self) -> str:
        return day_prefix(self.first_seen.astimezone(UTC).date()) + self.digest

    @property
    def identity(self) -> str:
        fields = {
            "cluster_id": self.cluster_id,
            "partition": self.partition,
            "topic": self.topic,
            "topic_id": self.topic_id,
        }
        return json.dumps(fields, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True)
class RowsRequest:
    """The identity of rows that were handed over: the caller's key, and what was handed over under it.

    :param source: the contract's name; keys of two sources are two requests.
    :param idempotency_key: the caller's, else a digest of the rows.
    :param rows_sha256: of the rows as JSON lines; the same key with other rows is another identity, and refused.
    :param size: of the rows as JSON lines, in bytes.
    :param received_at: UTC; not a part of the identity.
    """

    source: str
    idempotency_key: str
    rows_sha256: str
    size: int
    received_at: datetime

    @property
    def kind(self) -> str:
        return "request"

    @property
    def uri(self) -> str:
        return f"rows://{self.source}/{self.idempotency_key}"

    @property
    def digest(self) -> str:
        return digest("request", self.source, self.idempotency_key)

    @property
    def proposed_source_id(self) -> str:
        return day_prefix(self.received_at.astimezone(UTC).date()) + self.digest

    @property
    def identity(self) -> str:
        fields = {"key": self.idempotency_key, "rows_sha256": self.rows_sha256, "source": self.source}
        return json.dumps(fields, ensure_ascii=False, sort_keys=True)


def framing_mark(framing: str) -> str:
    """Three characters (15 bits) that tell how a source was cut into records."""
    return digest("framing", framing)[:_FRAMING_CHARACTERS]


def load_id(
    *, source_id: str, first: int, next_position: int, fingerprint: str, framing: str, columns: str
) -> str:
    """The 16 characters that name a load; every attempt at the same range under the same contract has the same.

    Nothing pins it, so it carries 45 bits of digest, and ends in the framing: positions of a source that was cut
    into records in another way mean other records.

    :param columns: the target's columns; with others, the same range is stored in another way.
    """
    of_load = digest("load", source_id, first, next_position, fingerprint, columns)
    return source_id[:_DAY_CHARACTERS] + of_load[:-_FRAMING_CHARACTERS] + framing_mark(framing)


def replay_load_id(*, source_id: str, attempt: str, framing_mark: str) -> str:
    """The 16 characters that name what one attempt of a replay writes of a source.

    The fifth is one that no digest has, so that rows which a replay wrote can be told from all others.

    :param framing_mark: of the load whose rejects they were.
    """
    return source_id[:_DAY_CHARACTERS] + "z" + digest("replay", attempt, source_id)[:8] + framing_mark


def source_id_again(source_id: str) -> str:
    """The id of a source after it was taken out, for being loaded again: the old one stays out for ever."""
    return source_id[:_DAY_CHARACTERS] + digest("again", source_id)


def new_attempt(*, now: datetime) -> str:
    """A name no other attempt has, for a spool prefix and a staging table: UTC time, then 64 random bits."""
    return f"{now.astimezone(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(8)}"
