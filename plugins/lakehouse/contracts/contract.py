"""What the contracts of every kind of source say: how its records are judged, what is taken and what is refused.

Where the records come from is said by the kinds: :mod:`lakehouse.contracts.files_contract`,
:mod:`lakehouse.contracts.kafka_contract` and :mod:`lakehouse.contracts.rows_contract`. The docstrings and
descriptions there and here are what an editor shows, through the JSON Schema made from these models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self
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

from lakehouse.contracts.quantities import ByteCount, Duration
from lakehouse.contracts.value_types import (
    EPOCH_MILLISECONDS,
    EPOCH_SECONDS,
    ISO_8601,
    time_format_problem,
)

#: What a contract writes for the whole record: a column takes its text, or all of it is scrubbed.
WHOLE_RECORD = "$record"
#: Changes when the same record under the same contract gets another verdict or another value.
_JUDGING_VERSION = 3
_FINGERPRINT_CHARACTERS = 16
_CRON_FIELDS = 5
#: A worker holds it, what is made of it, and the batch it lies in; a column of a batch has less than 2 GiB.
LARGEST_RECORD_BYTES = 10**9
_JUDGING = frozenset({"target", "nulls", "times", "columns", "unknown_columns", "scrub", "max_record_bytes"})
#: Keys that came later: where they say nothing they are no part of the digest, so older contracts keep theirs.
_JUDGING_LATER = frozenset({"scrub_except", "scrub_to_length"})
_LATER_OF_COLUMN = frozenset({"mapping", "unmapped", "members"})


class UnknownColumns(StrEnum):
    """What happens to a field that no column takes."""

    IGNORE = "ignore"
    REJECT = "reject"
    FAIL = "fail"


class Unmapped(StrEnum):
    """What happens to a value that a map does not name."""

    REJECT = "reject"
    KEEP = "keep"


class IdenticalRows(StrEnum):
    """Whether records that are equal in every field are one event or several."""

    SAME_EVENT = "same_event"
    DISTINCT = "distinct"


def not_yet(coming: StrEnum) -> AfterValidator:
    """Refuses a value that nothing acts on yet: a contract must not promise what does not happen."""

    def validate(value: StrEnum) -> StrEnum:
        if value is coming:
            raise PydanticCustomError("not_yet", "This does not work yet")
        return value

    return AfterValidator(validate)


class Section(BaseModel):
    """A part of a contract: cannot be changed, and takes no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


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
    if "%" in name and (problem := time_format_problem(name)) is not None:
        raise PydanticCustomError("time_format", "Not a format for times: {problem}", {"problem": problem})
    return name


def _cron(expression: str) -> str:
    # A sixth and seventh field are seconds and years, which schedules do not have.
    fields = 1 if expression.startswith("@") else _CRON_FIELDS
    if len(expression.split()) != fields or not croniter.is_valid(expression):
        raise PydanticCustomError("cron", "Not a cron expression")
    return expression


def _path(path: str) -> str:
    if "" in path.split(".") or path.startswith("$"):
        raise PydanticCustomError("path", "Not field names joined with dots")
    return path


def one_reading(problem: str) -> WrapValidator:
    """One problem for a value that fits no branch of a union, where pydantic would list one for each branch."""

    def validate(value: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            # What was an array of JSON is a list here, which a strict validator tells from a tuple.
            return handler(tuple(value) if isinstance(value, list) else value)
        except ValidationError:
            raise PydanticCustomError("union", "{problem}", {"problem": problem}) from None

    return WrapValidator(validate)


Cron = Annotated[str, AfterValidator(_cron)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
NotEmpty = Annotated[str, StringConstraints(min_length=1)]
Constant = Annotated[str | int | float | bool, one_reading("Not a text, a number, true or false")]
Path = Annotated[str, AfterValidator(_path)]
ScrubbedPath = Annotated[str, AfterValidator(lambda path: path if path == WHOLE_RECORD else _path(path))]
SourceField = Annotated[
    NotEmpty | Annotated[tuple[Path, ...], Field(min_length=1)],
    one_reading("Neither a field nor a list of fields (names joined with dots)"),
]
AllowedValues = Annotated[
    NotEmpty | Annotated[tuple[str, ...], Field(min_length=1)],
    one_reading("Neither a glob nor a list of texts"),
]


class TimeReading(Section):
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


class ColumnRule(Section):
    """What differs, for one column of the target, from "same name, same type"."""

    field: Annotated[SourceField | None, Field(alias="from")] = None
    """The source's field, or `$record` for the text of the whole record. In JSON and Parquet, `a.b.c` is field `c`
    of the object `b` in the object `a`, unless there is a field of that very name; of a list of fields, the first
    that has a value (with `map`, one that it names) is taken."""
    mapping: Annotated[dict[str, str] | None, Field(alias="map", min_length=1)] = None
    """What is stored for each text of the source."""
    unmapped: Unmapped | None = None
    """What happens to a value that `map` does not name (unsaid: reject)."""
    members: Annotated[dict[NotEmpty, Path] | None, Field(alias="object", min_length=1)] = None
    """Makes a JSON object: its members by name, each the value of a field of the source as it was sent. A member
    without a value is left out. Not for CSV."""
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

    @model_validator(mode="after")
    def _is_composed_or_taken(self) -> ColumnRule:
        if self.members is not None and self.model_fields_set - {"members", "required", "default"}:
            raise PydanticCustomError("object", "With object, only required and default apply")
        if self.unmapped is not None and self.mapping is None:
            raise PydanticCustomError("unmapped", "There is no map, so nothing is unmapped")
        return self

    @property
    def is_made_of_several(self) -> bool:
        """Whether it reads more than one field, which only records of JSON allow."""
        return self.members is not None or isinstance(self.field, tuple)


class EventRule(Section):
    """One of the events that a record may stand for."""

    when: NotEmpty | None = None
    """The field that has a value in a record that stands for this event; unsaid, every record does, as it must for
    one of the events."""
    columns: dict[str, ColumnRule] = {}
    """Columns of this event; they go before those that all events share."""


class RejectBudget(Section):
    """How much may be refused before all of it is."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Of the records that are read together: those of a file, or of a call."""
    day_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Of the records of the last 24 hours. More refuse nothing; an alert tells of them."""


class BatchLimits(Section):
    """How much one load takes together."""

    records: Annotated[int, Field(gt=0)] = 1_000_000
    bytes: ByteCount = 10**9


class Contract(Section):
    """What the contracts of all sources say."""

    name: Identifier
    """As the file is called, without `.yaml`."""
    kind: str
    description: str = ""
    owner: str = ""
    target: NotEmpty
    """A table of include/sql/tables/bronze, as catalog.schema.table."""
    nulls: tuple[str, ...] = ()
    """Texts that stand for "no value"."""
    times: TimeReading = TimeReading()
    columns: dict[str, ColumnRule] = {}
    """What differs from "same name, same type", by column of the target."""
    unknown_columns: UnknownColumns = UnknownColumns.IGNORE
    identical_rows: Annotated[IdenticalRows, not_yet(IdenticalRows.DISTINCT)] = IdenticalRows.SAME_EVENT
    reject_budget: RejectBudget = RejectBudget()
    scrub: tuple[ScrubbedPath, ...] = ()
    """Paths of personal data (field names joined with dots), removed before a record is judged: columns, rejects,
    logs and `$record` have nothing of it. Upper and lower case are the same; `$record` is all there is."""
    scrub_except: tuple[Path, ...] = ()
    """Paths below those of `scrub` whose plain values stay."""
    scrub_to_length: tuple[Path, ...] = ()
    """Paths of personal texts in whose place their length is left: `{"length": 42}`, in characters."""
    max_record_bytes: Annotated[ByteCount, Field(le=LARGEST_RECORD_BYTES)] = 64 * 10**6
    batch: BatchLimits = BatchLimits()
    freshness: Duration | None = None
    """How old the newest load may be; an alert tells of one that is older, or was never there. Unsaid, any age."""

    @model_validator(mode="after")
    def _scrubs_what_it_excepts(self) -> Self:
        for path in self.scrub_except:
            is_below = WHOLE_RECORD in self.scrub or any(path.startswith(f"{above}.") for above in self.scrub)
            if path in self.scrub or not is_below:
                raise PydanticCustomError(
                    "scrub_except", "scrub_except has {path}, which is not below a path of scrub", {"path": path}
                )
        return self

    @property
    def scrubs(self) -> bool:
        """Whether records must not be kept as they were sent."""
        return bool(self.scrub or self.scrub_to_length)

    @cached_property
    def fingerprint(self) -> str:
        """Digest (16 hexadecimal characters) of what decides how a record is judged, and of nothing else."""
        said = self.model_dump(mode="json", include={*_JUDGING, *_JUDGING_LATER}) | self._judging_of_kind()
        judging = _without_unsaid(said, _JUDGING_LATER)
        for section in (judging, *judging.get("events", {}).values()):
            section["columns"] = {name: _judging_of(rule) for name, rule in section["columns"].items()}
        canonical = json.dumps([_JUDGING_VERSION, judging], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]

    @property
    def terms(self) -> str:
        """What decides whether a file is refused: how its records are judged, and how many may be bad."""
        return f"{self.fingerprint}/{self.reject_budget.share:g}"

    def _judging_of_kind(self) -> dict[str, Any]:
        """What else decides, in a contract of this kind."""
        return {"kind": self.kind}

    @property
    def framing(self) -> str:
        """What decides which bytes are the record at a position; canonical JSON.

        Broker and caller hand over single records, so in their contracts nothing does.
        """
        return json.dumps([self.kind])

    @property
    def record_events(self) -> Mapping[str, EventRule]:
        """The events that one record stands for, by name, in the order of their positions; none if it is one."""
        return {}

    def by_event(self) -> tuple[Contract, ...]:
        """A contract for each of the events, which has no other; the contract itself if it names none."""
        return (self,)

    def overlaps(self, other: Contract) -> bool:  # noqa: ARG002
        """Whether some record may be both contracts'."""
        return False

    def rule(self, column: str) -> ColumnRule:
        """What the contract says of a column of the target."""
        return self.columns.get(column, _SAME_NAME_SAME_TYPE)


def _judging_of(rule: dict[str, Any]) -> dict[str, Any]:
    judging = _without_unsaid(rule, _LATER_OF_COLUMN)
    if "members" in judging:
        # Their order is that of the text.
        judging["members"] = list(judging["members"].items())
    return judging


def _without_unsaid(section: dict[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if value or name not in keys}


_SAME_NAME_SAME_TYPE = ColumnRule()
