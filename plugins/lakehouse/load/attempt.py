"""What one attempt staged: its loads, where they lie, and how they are merged.

The manifest of an attempt is written beside its spool when staging ends, so that the insert may run in another
process, and be run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from lakehouse.identity import SPOOL_PREFIX
from lakehouse.settings import StorageNames

STAGING_SCHEMA = "attempts"


@dataclass(frozen=True)
class Partition:
    """A partition of the target."""

    event_date: date | None
    service: str | None

    @property
    def order(self) -> tuple[str, str]:
        """To sort by; a missing value comes first."""
        return str(self.event_date or ""), self.service or ""


@dataclass(frozen=True)
class Load:
    """One range of one source, read and judged: what its ledger row says.

    :param end_position: where the source ends, once its end was read.
    :param null_counts: nulls among the staged rows, by column.
    """

    source_id: str
    first_position: int
    next_position: int
    end_position: int | None
    load_id: str
    source_kind: str
    source: str
    identity: str
    source_bytes: int | None
    records_read: int
    rows_loaded: int
    rejects: int
    null_counts: Mapping[str, int]
    touched: tuple[Partition, ...]
    unknown_columns: Mapping[str, int]


@dataclass(frozen=True)
class Unit:
    """Loads that one conditional append takes together: whole sources with neighbouring ids, or one range of one.

    :param statements: how many MERGE statements it takes, each over other partitions, because one may not write
        more partitions than the engine allows.
    """

    loads: tuple[Load, ...]
    statements: int

    @property
    def source_from(self) -> str:
        return min(load.source_id for load in self.loads)

    @property
    def source_to(self) -> str:
        return max(load.source_id for load in self.loads)

    @property
    def first_position(self) -> int:
        return min(load.first_position for load in self.loads)

    @property
    def next_position(self) -> int:
        return max(load.next_position for load in self.loads)

    @property
    def rows_loaded(self) -> int:
        return sum(load.rows_loaded for load in self.loads)

    @property
    def rejects(self) -> int:
        return sum(load.rejects for load in self.loads)


@dataclass(frozen=True)
class Failure:
    """A source of the batch that was not staged, and why.

    :param is_terminal: whether somebody must change something before it can load.
    :param refused_as: the kind of error, when the same bytes under the same contract would end in it again.
    """

    source: str
    message: str
    is_terminal: bool
    source_id: str = ""
    refused_as: str = ""


@dataclass(frozen=True)
class Manifest:
    """All that an attempt staged.

    :param terms: of the contract, see :attr:`Contract.terms`; empty in an attempt of an earlier version.
    """

    attempt: str
    contract: str
    contract_fingerprint: str
    framing_mark: str
    target: str
    started_at: datetime
    units: tuple[Unit, ...]
    failures: tuple[Failure, ...]
    terms: str = ""

    @property
    def refusals(self) -> tuple[Failure, ...]:
        """The sources that nobody need read again before they, or the contract, change."""
        return tuple(failure for failure in self.failures if failure.refused_as)

    @property
    def rows_loaded(self) -> int:
        return sum(unit.rows_loaded for unit in self.units)

    @property
    def rejects(self) -> int:
        return sum(unit.rejects for unit in self.units)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        return msgspec.json.decode(content, type=cls)


@dataclass(frozen=True)
class AttemptPlaces:
    """Where the things of one attempt lie; nobody else ever writes there."""

    attempt: str
    names: StorageNames

    @property
    def prefix(self) -> str:
        return f"{SPOOL_PREFIX}{self.attempt}/"

    @property
    def rows_prefix(self) -> str:
        return f"{self.prefix}rows/"

    @property
    def rejects_prefix(self) -> str:
        return f"{self.prefix}rejects/"

    @property
    def manifest_key(self) -> str:
        return f"{self.prefix}manifest.json"

    @property
    def rows_table(self) -> str:
        return f"{self.names.staging_catalog}.{STAGING_SCHEMA}.rows_{self.attempt}"

    @property
    def rejects_table(self) -> str:
        return f"{self.names.staging_catalog}.{STAGING_SCHEMA}.rejects_{self.attempt}"

    def location(self, prefix: str) -> str:
        """A prefix as the location of a staging table."""
        return f"s3://{self.names.bucket}/{prefix}"
