"""A source's contract: where its records lie, how they are read, what is taken and what is refused.

The docstrings and descriptions here are what an editor shows, through the JSON Schema made from these models.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lakehouse.contracts.glob import Glob
from lakehouse.contracts.quantities import ByteCount, Duration
from lakehouse.contracts.value_types import EPOCH_MILLISECONDS, EPOCH_SECONDS, ISO_8601

#: Changes when the same record under the same contract gets another verdict or another value.
_JUDGING_VERSION = 2
_FINGERPRINT_CHARACTERS = 16
_JUDGING = frozenset(
    {
        "origin",
        "csv",
        "target",
        "nulls",
        "times",
        "columns",
        "events",
        "unknown_columns",
        "scrub",
        "max_record_bytes",
    }
)
_NOT_JUDGING_OF_ORIGIN = frozenset({"bucket", "key"})


class Format(StrEnum):
    """How the records of a file are written; compression is found by content."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class UnknownColumns(StrEnum):
    """What happens to a field that no column takes."""

    IGNORE = "ignore"
    REJECT = "reject"
    FAIL = "fail"


class IdenticalRows(StrEnum):
    """Whether records that are equal in every field are one event or several."""

    SAME_EVENT = "same_event"
    DISTINCT = "distinct"


class Overwrite(StrEnum):
    """What happens when an object is put again with other bytes."""

    ADD = "add"
    SUPERSEDE = "supersede"


class Partial(StrEnum):
    """Whether the first chunks of a file may be merged before its end was read."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _ascii_character(character: str) -> str:
    if not character.isascii() or character in "\r\n\0":
        raise PydanticCustomError("character", "Not one ASCII character other than a line end or NUL")
    return character


def _encoding(name: str) -> str:
    try:
        # Only encodings of text can do this; there are others.
        "".encode(name)
        codecs.getincrementaldecoder(name)
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise PydanticCustomError("encoding", "There is no encoding of this name") from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("zone", "There is no time zone of this name") from None
    return name


def _time_formats(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise PydanticCustomError("time_format", "No format is named")
    return names


def _time_format(name: str) -> str:
    if name not in {ISO_8601, EPOCH_SECONDS, EPOCH_MILLISECONDS} and "%" not in name:
        raise PydanticCustomError("time_format", "Neither iso8601, epoch_s, epoch_ms nor a strptime format")
    return name


def _cron(expression: str) -> str:
    if not croniter.is_valid(expression):
        raise PydanticCustomError("cron", "Not a cron expression")
    return expression


def _scrub_path(path: str) -> str:
    if "" in path.split("."):
        raise PydanticCustomError("scrub_path", "Not field names joined with dots")
    return path


def _one_reading(problem: str) -> WrapValidator:
    """One problem for a value that fits no branch of a union, where pydantic would list one for each branch."""

    def validate(value: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            # What was an array of JSON is a list here, which a strict validator tells from a tuple.
            return handler(tuple(value) if isinstance(value, list) else value)
        except ValidationError:
            raise PydanticCustomError("union", "{problem}", {"problem": problem}) from None

    return WrapValidator(validate)


def _not_yet(coming: StrEnum) -> AfterValidator:
    """Refuses a value that nothing acts on yet: a contract must not promise what does not happen."""

    def validate(value: StrEnum) -> StrEnum:
        if value is coming:
            raise PydanticCustomError("not_yet", "This does not work yet")
        return value

    return AfterValidator(validate)


AsciiCharacter = Annotated[str, StringConstraints(min_length=1, max_length=1), AfterValidator(_ascii_character)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
NotEmpty = Annotated[str, StringConstraints(min_length=1)]
Constant = Annotated[str | int | float | bool, _one_reading("Not a text, a number, true or false")]
AllowedValues = Annotated[
    NotEmpty | Annotated[tuple[str, ...], Field(min_length=1)],
    _one_reading("Neither a glob nor a list of texts"),
]


class ObjectsOrigin(_Model):
    """Objects of a bucket."""

    bucket: NotEmpty
    key: NotEmpty
    """Glob over keys: `*` and `?` stay within one `/` segment, `**` crosses segments."""
    format: Format


class CsvDialect(_Model):
    """How a CSV file is written."""

    delimiter: AsciiCharacter = ","
    quote: AsciiCharacter = '"'
    """Written twice inside a quoted field, it stands for itself."""
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    """Of a file without a byte order mark."""
    skip_lines: Annotated[int, Field(ge=0)] = 0
    """Lines above the header."""

    @model_validator(mode="after")
    def _tells_delimiter_from_quote(self) -> CsvDialect:
        if self.delimiter == self.quote:
            raise PydanticCustomError("dialect", "Delimiter and quote are the same character")
        return self


class TimeReading(_Model):
    """How times are read."""

    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """IANA name of the zone of times that are written without an offset."""
    formats: Annotated[
        tuple[Annotated[str, AfterValidator(_time_format)], ...], AfterValidator(_time_formats)
    ] = (ISO_8601,)  # fmt: skip
    """Tried in this order: `iso8601`, `epoch_s`, `epoch_ms`, or a strptime format."""

    @model_validator(mode="after")
    def _tells_epochs_apart(self) -> TimeReading:
        if {EPOCH_SECONDS, EPOCH_MILLISECONDS} <= set(self.formats):
            raise PydanticCustomError("epochs", "epoch_s and epoch_ms cannot be told apart; name one")
        return self


class ColumnRule(_Model):
    """What differs, for one column of the target, from "same name, same type"."""

    field: Annotated[NotEmpty | None, Field(alias="from")] = None
    """The source's field, or `$record` for the text of the whole record."""
    required: bool = False
    """A record without a value is refused."""
    allowed: AllowedValues | None = None
    """A glob, or the list of values; anything else is refused."""
    default: Constant | None = None
    """Taken where the record has no value."""
    value: Constant | None = None
    """The same for every record; the source is not asked."""
    json_text: Annotated[bool | None, Field(alias="json")] = None
    """Objects and arrays are taken as their text (unasked, in columns named `*_json` and `*_payload`)."""

    @model_validator(mode="after")
    def _is_constant_or_read(self) -> ColumnRule:
        if self.value is not None and self.model_fields_set - {"value"}:
            raise PydanticCustomError("constant", "A column with a value reads nothing, so nothing else applies")
        return self


class EventRule(_Model):
    """One of the events that a record may stand for."""

    when: NotEmpty | None = None
    """The field that has a value in a record that stands for this event; unsaid, every record does, as it must for
    one of the events."""
    columns: dict[str, ColumnRule] = {}
    """Columns of this event; they go before those that all events share."""


class RejectBudget(_Model):
    """How much may be refused before a file is."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Of the records of a file."""


class BatchLimits(_Model):
    """How much one load takes together."""

    records: Annotated[int, Field(gt=0)] = 1_000_000
    bytes: ByteCount = 10**9


class Contract(_Model):
    """The contract of one source."""

    name: Identifier
    """As the file is called, without `.yaml`."""
    kind: Literal["files"]
    description: str = ""
    owner: str = ""
    origin: Annotated[ObjectsOrigin, Field(alias="from")]
    csv: CsvDialect = CsvDialect()
    target: NotEmpty
    """A table of include/sql/tables/bronze, as catalog.schema.table."""
    nulls: tuple[str, ...] = ()
    """Texts that stand for "no value"."""
    times: TimeReading = TimeReading()
    columns: dict[str, ColumnRule] = {}
    """What differs from "same name, same type", by column of the target."""
    events: Annotated[dict[Identifier, EventRule], Field(max_length=100)] = {}
    """The events that one record stands for, by name. The event in place k of n has position record * n + k, so
    another order, or another number, makes other keys."""
    unknown_columns: UnknownColumns = UnknownColumns.IGNORE
    identical_rows: IdenticalRows = IdenticalRows.SAME_EVENT
    reject_budget: RejectBudget = RejectBudget()
    overwrite: Annotated[Overwrite, _not_yet(Overwrite.SUPERSEDE)] = Overwrite.ADD
    partial: Annotated[Partial, _not_yet(Partial.ALLOWED)] = Partial.FORBIDDEN
    scrub: tuple[Annotated[str, AfterValidator(_scrub_path)], ...] = ()
    """Paths of personal data (field names joined with dots), removed before anything is stored."""
    max_record_bytes: ByteCount = 64 * 10**6
    batch: BatchLimits = BatchLimits()
    schedule: Annotated[str, AfterValidator(_cron)] | None = None
    """Cron of the sweep that finds what no arrival announced."""
    freshness: Duration | None = None
    """How old the newest load may be."""

    @model_validator(mode="after")
    def _has_sections_of_its_format(self) -> Contract:
        if self.origin.format is not Format.CSV and "csv" in self.model_fields_set:
            raise PydanticCustomError("section", "There is a csv section, but the format is not csv")
        if self.origin.format is Format.CSV and self.scrub:
            raise PydanticCustomError("section", "scrub works on JSON records, but the format is csv")
        return self

    @model_validator(mode="after")
    def _loses_nothing_between_events(self) -> Contract:
        if self.events and all(event.when is not None for event in self.events.values()):
            raise PydanticCustomError(
                "events", "Each event has a when, so a record might stand for none and vanish"
            )
        if self.events and self.unknown_columns is not UnknownColumns.IGNORE:
            raise PydanticCustomError("events", "With events, unknown_columns can only be ignore")
        return self

    @cached_property
    def fingerprint(self) -> str:
        """Digest (16 hexadecimal characters) of what decides how a record is judged, and of nothing else."""
        judging = self.model_dump(mode="json", include=set(_JUDGING))
        judging["origin"] = {
            name: value for name, value in judging["origin"].items() if name not in _NOT_JUDGING_OF_ORIGIN
        }
        canonical = json.dumps([_JUDGING_VERSION, judging], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]

    @cached_property
    def framing(self) -> str:
        """What decides which bytes of a file are record number n, and its events' positions; canonical JSON."""
        dialect = self.csv.model_dump(mode="json") if self.origin.format is Format.CSV else {}
        return json.dumps([self.origin.format, dialect, *self.events], sort_keys=True)

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
            self.origin.bucket == other.origin.bucket
            and self.key_glob.overlaps(other.key_glob)
            and self._may_be_of(other.origin.format)
            and other._may_be_of(self.origin.format)
        )

    def _may_be_of(self, file_format: Format) -> bool:
        """Whether a key that this contract takes may be one of a format."""
        return file_format is self.origin.format or _format_named_in(self.origin.key) is None

    def by_event(self) -> tuple[Contract, ...]:
        """A contract for each of the events, which has no other; the contract itself if it names none."""
        return tuple(
            self.model_copy(update={"columns": {**self.columns, **event.columns}, "events": {name: event}})
            for name, event in self.events.items()
        ) or (self,)

    def rule(self, column: str) -> ColumnRule:
        """What the contract says of a column of the target."""
        return self.columns.get(column, _SAME_NAME_SAME_TYPE)


def _format_named_in(key: str) -> str | None:
    named = _NAMED_FORMAT.findall(key)
    return named[-1] if named else None


_NAMED_FORMAT = re.compile(rf"\.({'|'.join(Format)})")
_SAME_NAME_SAME_TYPE = ColumnRule()
