"""What a feed is made from. Two equal `Options` give the same feed, byte for byte before compression."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b

from feed.masters import TENANT_COUNT


class Format(StrEnum):
    """How the records of a file are written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Compression(StrEnum):
    """How a file is compressed: text as a whole, Parquet inside, page by page.

    Text has the same bytes on every machine only for NONE, and Parquet with the same version of its library only.
    """

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"

    def suffix(self, file_format: Format) -> str:
        """Return what the name of a file gets appended."""
        if file_format is Format.PARQUET:
            return ""
        return {Compression.NONE: "", Compression.GZIP: ".gz", Compression.ZSTD: ".zst"}[self]


class InvalidOptionsError(ValueError):
    """An option has a value that no feed can be made with."""

    def __init__(self, option: str, value: object, rule: str) -> None:
        self.option = option
        self.value = value
        self.rule = rule
        super().__init__(f"{option} is {value!r}; give {rule}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything a feed depends on.

    :param events: distinct good events.
    :param seed: another seed is another feed.
    :param start: first UTC day of the feed.
    :param days: length of the feed; no event happens after it.
    :param tenants: how many of the known cities take part.
    :param duplicates: share of the events that are delivered a second time, exactly.
    :param late: share of the events that arrive a day or more after younger ones, if the days leave room.
    :param out_of_order: share of the events that arrive some places after younger ones.
    :param bad: share of the events that also arrive as a damaged copy, exactly; each is one reject.
    :param formats: given to the files in turn, so that every event is in one of them only.
    :param files: number of files, equal in records; one for each format when not given.
    :param compression: of every file.
    :raises InvalidOptionsError: when a value is out of its range.
    """

    events: int = 10_000
    seed: int = 1
    start: date = date(2026, 10, 1)
    days: int = 30
    tenants: int = 4
    duplicates: float = 0.01
    late: float = 0.01
    out_of_order: float = 0.02
    bad: float = 0.002
    formats: tuple[Format, ...] = (Format.JSONL,)
    files: int | None = None
    compression: Compression = Compression.NONE

    def __post_init__(self) -> None:
        shares = ("duplicates", "late", "out_of_order", "bad")
        distinct_formats = len(set(self.formats))
        for option, is_possible, rule in (
            ("events", self.events >= 1, "at least 1"),
            ("days", 1 <= self.days <= 3_660, "1 to 3660"),
            ("start", 1970 <= self.start.year <= 2200, "a date of the years 1970 to 2200"),
            ("tenants", 1 <= self.tenants <= TENANT_COUNT, f"1 to {TENANT_COUNT}"),
            *((share, 0.0 <= getattr(self, share) <= 0.5, "a share from 0 to 0.5") for share in shares),
            ("formats", 1 <= distinct_formats == len(self.formats), "one format or more, each once"),
            (
                "files",
                distinct_formats <= self.file_count <= self.records,
                "at least one for each format, and at most one for each record",
            ),
        ):
            if not is_possible:
                raise InvalidOptionsError(option, getattr(self, option), rule)

    @property
    def file_count(self) -> int:
        """Number of files, the default resolved."""
        return len(self.formats) if self.files is None else self.files

    @property
    def duplicate_count(self) -> int:
        """Second deliveries in the whole feed."""
        return round(self.duplicates * self.events)

    @property
    def bad_count(self) -> int:
        """Damaged records in the whole feed."""
        return round(self.bad * self.events)

    @property
    def records(self) -> int:
        """Records in all files together: good ones, second deliveries and damaged ones."""
        return self.events + self.duplicate_count + self.bad_count

    @property
    def start_ms(self) -> int:
        """First millisecond of the feed, UTC."""
        midnight = datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)
        return (midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    @property
    def end_ms(self) -> int:
        """First millisecond after the feed, UTC; the truth about open cases is told as of it."""
        return self.start_ms + self.days * 86_400_000

    @property
    def life_key(self) -> bytes:
        """Digest of what decides the events, whatever is planted among them and however they are written."""
        identity = f"{self.events}/{self.seed}/{self.start.isoformat()}/{self.days}/{self.tenants}"
        return blake2b(identity.encode(), digest_size=16).digest()
