"""The contract of files: objects of a bucket, whose records are lines of CSV or JSON, or rows of Parquet."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from lakehouse.contracts.after_load import AfterLoad
from lakehouse.contracts.contract import (
    Contract,
    Cron,
    EventRule,
    Identifier,
    NotEmpty,
    Section,
    UnknownColumns,
    not_yet,
)
from lakehouse.contracts.glob import Glob
from lakehouse.contracts.quantities import Duration


class Format(StrEnum):
    """How the records of a file are written; compression is found by content."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Overwrite(StrEnum):
    """What happens when an object is put again with other bytes."""

    ADD = "add"
    SUPERSEDE = "supersede"
    """The new version is loaded, then the old one is taken out of bronze."""


class Partial(StrEnum):
    """Whether the first chunks of a file may be merged before its end was read."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"


#: Those that shift between alphabets, or write characters out as escapes.
_NO_ENCODING_OF_FILES = re.compile(r"idna|punycode|utf-7|hz|(?:raw-)?unicode-escape|iso2022.*")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
#: Nobody writes a longer title; a number that was meant for something else must not be counted down line by line.
_MOST_SKIPPED_LINES = 10_000


def _ascii_character(character: str) -> str:
    if not character.isascii() or character in "\r\n\0":
        raise PydanticCustomError("character", "Not one ASCII character other than a line end or NUL")
    return character


def _encoding(name: str) -> str:
    try:
        # Only encodings of text can do this; there are others.
        "".encode(name)
        codecs.getincrementaldecoder(name)
        encoding = codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise PydanticCustomError("encoding", "There is no encoding of this name") from None
    if _NO_ENCODING_OF_FILES.fullmatch(encoding):
        raise PydanticCustomError(
            "encoding", "No encoding of files: what cannot be decoded cannot be kept as sent"
        )
    return encoding


def _bucket(name: str) -> str:
    if not _BUCKET.fullmatch(name):
        raise PydanticCustomError("bucket", "Not the name of a bucket")
    return name


def _key(glob: str) -> str:
    if glob.startswith("/") or "://" in glob:
        raise PydanticCustomError("key", "Not a key of a bucket: keys have neither a scheme nor a leading /")
    return glob


AsciiCharacter = Annotated[str, StringConstraints(min_length=1, max_length=1), AfterValidator(_ascii_character)]


class ObjectsOrigin(Section):
    """Objects of a bucket."""

    bucket: Annotated[NotEmpty, AfterValidator(_bucket)]
    key: Annotated[NotEmpty, AfterValidator(_key)]
    """Glob over keys: `*` and `?` stay within one `/` segment, `**` crosses segments."""
    format: Format


class CsvDialect(Section):
    """How a CSV file is written."""

    delimiter: AsciiCharacter = ","
    quote: AsciiCharacter = '"'
    """Written twice inside a quoted field, it stands for itself."""
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    """Of a file without a byte order mark."""
    skip_lines: Annotated[int, Field(ge=0, le=_MOST_SKIPPED_LINES)] = 0
    """Lines above the header."""

    @model_validator(mode="after")
    def _tells_delimiter_from_quote(self) -> CsvDialect:
        if self.delimiter == self.quote:
            raise PydanticCustomError("dialect", "Delimiter and quote are the same character")
        return self


class Arrival(Section):
    """How objects that come are noticed, which starts a load at once."""

    watched: bool = True
    """Otherwise only the schedule finds them."""
    every: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(seconds=3)
    """Between two looks."""
    pages: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Of 1,000 keys, that one look reads at most; the next one goes on there."""


class FilesContract(Contract):
    """The contract of a source whose records lie in files."""

    kind: Literal["files"]
    origin: Annotated[ObjectsOrigin, Field(alias="from")]
    csv: CsvDialect = CsvDialect()
    events: Annotated[dict[Identifier, EventRule], Field(max_length=100)] = {}  # noqa: RUF012 (pydantic copies it)
    """The events that one record stands for, by name. The event in place k of n has position record * n + k, so
    another order, or another number, makes other keys."""
    overwrite: Overwrite = Overwrite.ADD
    partial: Annotated[Partial, not_yet(Partial.ALLOWED)] = Partial.FORBIDDEN
    schedule: Cron | None = None
    """Cron of the sweep that finds what no arrival announced. Without one, a run is started by hand only."""
    arrival: Arrival = Arrival()
    after_load: AfterLoad = AfterLoad()

    @model_validator(mode="after")
    def _sweeps_what_it_watches(self) -> FilesContract:
        if self.schedule is None and "arrival" in self.model_fields_set:
            raise PydanticCustomError("arrival", "There is an arrival section, but no schedule")
        return self

    @property
    def is_watched(self) -> bool:
        """Whether a load is started by objects that come, with a sweep behind it for those that nobody noticed."""
        return self.schedule is not None and self.arrival.watched

    @model_validator(mode="after")
    def _archives_where_it_does_not_look(self) -> FilesContract:
        if self.may_take_what_is_archived_by(self):
            raise PydanticCustomError("archive", "It would load again what it archives")
        return self

    @model_validator(mode="after")
    def _has_sections_of_its_format(self) -> FilesContract:
        if self.origin.format is not Format.CSV and "csv" in self.model_fields_set:
            raise PydanticCustomError("section", "There is a csv section, but the format is not csv")
        if self.origin.format is Format.CSV and self.scrubs:
            raise PydanticCustomError("section", "scrub works on JSON records, but the format is csv")
        return self

    @model_validator(mode="after")
    def _composes_nothing_of_csv(self) -> FilesContract:
        of_all = (self.columns, *(event.columns for event in self.events.values()))
        composed = [name for columns in of_all for name, rule in columns.items() if rule.is_made_of_several]
        if composed and self.origin.format is Format.CSV:
            raise PydanticCustomError(
                "section",
                "Column {name} is made of several fields, which works on JSON records, but the format is csv",
                {"name": composed[0]},
            )
        return self

    @model_validator(mode="after")
    def _loses_nothing_between_events(self) -> FilesContract:
        if self.events and all(event.when is not None for event in self.events.values()):
            raise PydanticCustomError(
                "events", "Each event has a when, so a record might stand for none and vanish"
            )
        if self.events and self.unknown_columns is not UnknownColumns.IGNORE:
            raise PydanticCustomError("events", "With events, unknown_columns can only be ignore")
        return self

    def _judging_of_kind(self) -> dict[str, Any]:
        # Rows that exist carry fingerprints of this form, which names no kind.
        return {
            "origin": self.origin.model_dump(mode="json", include={"format"}),
            "csv": self.csv.model_dump(mode="json"),
            "events": {name: event.model_dump(mode="json") for name, event in self.events.items()},
        }

    @property
    def framing(self) -> str:
        """What decides which bytes of a file are record number n, and its events' positions; canonical JSON."""
        dialect = self.csv.model_dump(mode="json") if self.origin.format is Format.CSV else {}
        return json.dumps([self.origin.format, dialect, *self.events], sort_keys=True)

    @property
    def record_events(self) -> Mapping[str, EventRule]:
        return self.events

    def by_event(self) -> tuple[FilesContract, ...]:
        """A contract for each of the events, which has no other; the contract itself if it names none."""
        return tuple(
            self.model_copy(update={"columns": {**self.columns, **event.columns}, "events": {name: event}})
            for name, event in self.events.items()
        ) or (self,)

    @cached_property
    def key_glob(self) -> Glob:
        return Glob(self.origin.key)

    def matches(self, bucket: str, key: str) -> bool:
        """Whether an object is this source's, by name.

        A key that names another format (``.csv``, ``.jsonl``; the last one counts) is not: ``*.csv*`` does not
        take ``events.csv.jsonl``.
        """
        return (
            bucket == self.origin.bucket
            and self.key_glob.matches(key)
            and _format_named_in(key) in {None, self.origin.format}
        )

    def overlaps(self, other: Contract) -> bool:
        """Whether some key may be both contracts'."""
        return (
            isinstance(other, FilesContract)
            and self.origin.bucket == other.origin.bucket
            and self.key_glob.overlaps(other.key_glob)
            and self.may_be_of(other.origin.format)
            and other.may_be_of(self.origin.format)
        )

    def may_take_what_is_archived_by(self, other: FilesContract) -> bool:
        """Whether some key under the archive prefix of a contract may be this one's."""
        prefix = other.after_load.prefix
        return (
            prefix is not None
            and self.origin.bucket == other.origin.bucket
            and self.key_glob.overlaps(Glob(f"{prefix}**"))
        )

    def may_be_of(self, file_format: Format) -> bool:
        """Whether a key that this contract takes may be one of a format."""
        return file_format is self.origin.format or _format_named_in(self.origin.key) is None


def _format_named_in(key: str) -> str | None:
    named = _NAMED_FORMAT.findall(key)
    return named[-1] if named else None


_NAMED_FORMAT = re.compile(rf"\.({'|'.join(Format)})")
