"""What the text of a value means in a column of the target: the one definition of each typed verdict.

A value is judged by its text, whether it came quoted or bare, from CSV or JSON. Typed values are held the way
Arrow holds them: dates and times are integers, days and microseconds since 1970-01-01 UTC.

Times are ISO 8601 with ``T`` or a space, with or without an offset, down to a bare date (midnight), with up to
nine digits of a second (what is beyond the microsecond is cut); epochs and ``strptime`` formats where declared. A
local time that its zone has twice is the first of the two; one that its zone skips has the offset before the gap.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal
from zoneinfo import ZoneInfo

from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.tables.definition import ColumnType

Value = str | int | float | bool
ValueParser = Callable[[str], Value | Refusal]

ISO_8601 = "iso8601"
EPOCH_SECONDS = "epoch_s"
EPOCH_MILLISECONDS = "epoch_ms"

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from times whose zone is UTC but not written
_UTC_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: The times that can be stored are those of the years 1 to 9999.
FIRST_MICROSECOND = (datetime.min.replace(tzinfo=UTC) - _UTC_EPOCH) // _MICROSECOND
LAST_MICROSECOND = (datetime.max.replace(tzinfo=UTC) - _UTC_EPOCH) // _MICROSECOND

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: What ``datetime.fromisoformat`` is trusted with: it also reads week dates, basic forms and any separator.
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?"
)
#: The same shape with spellings that are rarer, and with digits that name no time of day.
_ISO_SHAPE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)"
    r"(?: ?(Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
#: Before the year 1 or after the year 9999, as ISO 8601 and others write it.
_FAR_YEAR = re.compile(r"(?:-[0-9]+|\+?[0-9]{5,})-[0-9]{2}-[0-9]{2}(?:[Tt ].*)?")
#: With an exponent, as Java and others write a number that has a fraction.
_EPOCH = re.compile(r"[+-]?[0-9]{1,32}(?:\.[0-9]{1,32})?(?:[eE][+-]?[0-9]{1,2})?")
_LONG_EPOCH = re.compile(r"[+-]?[0-9]{33,}(?:\.[0-9]+)?")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
#: More digits than any 64-bit integer or representable epoch has; also keeps ``int`` from refusing long texts.
_MOST_DIGITS = 32
_SHOWN_CHARACTERS = 80
#: More digits than the product of an epoch of that shape has.
_EXACTLY = Context(prec=200)

_YEAR_DIRECTIVES = frozenset("YyGcx")
#: A time no part of which can be taken for another, nor for midnight.
_FORMAT_SAMPLE = datetime(2023, 11, 22, 21, 43, 54, 123_456, tzinfo=UTC)

_WHOLE_NUMBER_BITS = {ColumnType.BIGINT: 64, ColumnType.INTEGER: 32}


def parser_of(column_type: ColumnType, *, zone: str, time_formats: Sequence[str]) -> ValueParser | None:
    """The function that reads a value's text for a column type; ``None`` where the text itself is the value.

    :param zone: IANA name of the zone of times that are written without an offset.
    :param time_formats: tried in this order: ``iso8601``, ``epoch_s``, ``epoch_ms`` or a ``strptime`` format.
    """
    match column_type:
        case ColumnType.VARCHAR:
            return None
        case ColumnType.DATE:
            return _parser_of_dates(time_formats)
        case ColumnType.TIMESTAMP:
            return _parser_of_times(zone, time_formats)
        case ColumnType.BIGINT | ColumnType.INTEGER:
            return _parser_of_whole_numbers(_WHOLE_NUMBER_BITS[column_type])
        case ColumnType.DOUBLE:
            return _double
        case ColumnType.BOOLEAN:
            return _boolean


def time_format_problem(format_: str) -> str | None:
    """Why a ``strptime`` format would read times wrongly, or none at all."""
    directives = set(re.findall(r"%(.)", format_, re.DOTALL))
    if "Z" in directives:
        return "%Z reads the name of a zone and does not apply it; write %z for an offset"
    if not directives & _YEAR_DIRECTIVES:
        return "it names no year"
    try:
        read = datetime.strptime(_FORMAT_SAMPLE.strftime(format_), format_)  # noqa: DTZ007 - compared field by field
    except (ValueError, re.error):
        return "strptime does not take it"
    if read.date() != _FORMAT_SAMPLE.date():
        return "it does not name a whole day: year, month and day"
    clock = (read.hour, read.minute, read.second, read.microsecond)
    sample = (_FORMAT_SAMPLE.hour, _FORMAT_SAMPLE.minute, _FORMAT_SAMPLE.second, _FORMAT_SAMPLE.microsecond)
    if not any(clock == (*sample[:told], *[0] * (4 - told)) for told in range(5)):
        return "it does not name the time of day from the hour on (%I needs %p)"
    return None


def shown(text: str) -> str:
    """A value as a message shows it: quoted, and cut when it is long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def _wrong_type(text: str, expected: str) -> Refusal:
    return Refusal(Reason.WRONG_TYPE, f"{shown(text)} is not {expected}")


def _out_of_range(text: str, expected: str) -> Refusal:
    return Refusal(Reason.OUT_OF_RANGE, f"{shown(text)} names no {expected}")


def _first_reading(readings: Sequence[ValueParser], expected: str) -> ValueParser:
    """The first reading that succeeds; else "names no …" if one knew the shape, else "is not a …"."""
    if len(readings) == 1:
        return readings[0]

    def read(text: str) -> Value | Refusal:
        refusals = []
        for reading in readings:
            value = reading(text)
            if not isinstance(value, Refusal):
                return value
            refusals.append(value)
        known_shapes = (refusal for refusal in refusals if refusal.reason is Reason.OUT_OF_RANGE)
        return next(known_shapes, _wrong_type(text, expected))

    return read


def _parser_of_dates(time_formats: Sequence[str]) -> ValueParser:
    declared = [_declared_date(format_) for format_ in time_formats if "%" in format_]
    readings = [_iso_date, *declared] if ISO_8601 in time_formats or not declared else declared
    return _first_reading(readings, "a date")


def _iso_date(text: str) -> int | Refusal:
    if not _DATE.fullmatch(text):
        if _FAR_YEAR.fullmatch(text):
            return _out_of_range(text, "day between the years 1 and 9999")
        return _wrong_type(text, "a date")
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError:
        return _out_of_range(text, "day")


def _declared_date(format_: str) -> ValueParser:
    parse = _declared_datetime(format_)

    def read(text: str) -> int | Refusal:
        moment = parse(text)
        return moment if isinstance(moment, Refusal) else moment.toordinal() - _EPOCH_DAY

    return read


def _parser_of_times(zone: str, time_formats: Sequence[str]) -> ValueParser:
    time_zone = None if zone == "UTC" else ZoneInfo(zone)
    return _first_reading([_time_reading(format_, time_zone) for format_ in time_formats], "a time")


def _time_reading(format_: str, zone: tzinfo | None) -> ValueParser:
    match format_:
        case "iso8601":
            return _iso_time(zone)
        case "epoch_s":
            return _epoch_time(1_000_000)
        case "epoch_ms":
            return _epoch_time(1_000)
        case _:
            return _declared_time(format_, zone)


def _microseconds(moment: datetime, zone: tzinfo | None, text: str) -> int | Refusal:
    if moment.tzinfo is None and zone is None:
        return (moment - _LOCAL_EPOCH) // _MICROSECOND
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return _in_calendar((aware - _UTC_EPOCH) // _MICROSECOND, text)


def _in_calendar(microseconds: int, text: str) -> int | Refusal:
    if FIRST_MICROSECOND <= microseconds <= LAST_MICROSECOND:
        return microseconds
    return _out_of_range(text, "time between the years 1 and 9999")


def _iso_time(zone: tzinfo | None) -> ValueParser:
    def read(text: str) -> int | Refusal:
        if not _ISO_TIME.fullmatch(text):
            rarer = _ISO_SHAPE.fullmatch(text)
            if rarer is None:
                return refused(text)
            canonical = _canonical_iso(rarer)
            if not _ISO_TIME.fullmatch(canonical):
                return _out_of_range(text, "time of day")
            return read_canonical(canonical, text)
        return read_canonical(text, text)

    def refused(text: str) -> Refusal:
        if _FAR_YEAR.fullmatch(text):
            return _out_of_range(text, "time between the years 1 and 9999")
        return _wrong_type(text, "a time")

    def read_canonical(canonical: str, text: str) -> int | Refusal:
        try:
            moment = datetime.fromisoformat(canonical)
        except ValueError:
            return _out_of_range(text, "day")
        return _microseconds(moment, zone, text)

    return read


def _canonical_iso(match: re.Match[str]) -> str:
    day, clock, offset = match.groups(default="")
    return f"{day}T{clock.replace(',', '.')}{'Z' if offset in {'z', 'UTC'} else offset}"


def _epoch_time(microseconds_per_unit: int) -> ValueParser:
    def read(text: str) -> int | Refusal:
        if not _EPOCH.fullmatch(text):
            if _LONG_EPOCH.fullmatch(text):
                return _out_of_range(text, "time between the years 1 and 9999")
            return _wrong_type(text, "a number since 1970")
        if text.isdigit():
            return _in_calendar(int(text) * microseconds_per_unit, text)
        # What is beyond the microsecond goes towards the past, as it does in times that are written out.
        counted = _EXACTLY.multiply(Decimal(text), microseconds_per_unit)
        return _in_calendar(int(counted.to_integral_value(ROUND_FLOOR)), text)

    return read


def _declared_datetime(format_: str) -> Callable[[str], datetime | Refusal]:
    shape = _digits_blanked(_LOCAL_EPOCH.replace(tzinfo=UTC).strftime(format_))

    def read(text: str) -> datetime | Refusal:
        try:
            return datetime.strptime(text, format_)  # noqa: DTZ007 - the caller adds the contract's zone
        except ValueError:
            if _digits_blanked(text) == shape:
                return _out_of_range(text, f"time of the format {format_}")
            return _wrong_type(text, f"a time of the format {format_}")

    return read


def _digits_blanked(text: str) -> str:
    return re.sub(r"[0-9]+", "0", text)


def _declared_time(format_: str, zone: tzinfo | None) -> ValueParser:
    parse = _declared_datetime(format_)

    def read(text: str) -> int | Refusal:
        moment = parse(text)
        return moment if isinstance(moment, Refusal) else _microseconds(moment, zone, text)

    return read


def _parser_of_whole_numbers(bits: int) -> ValueParser:
    limit = 1 << (bits - 1)

    def read(text: str) -> int | Refusal:
        if not _WHOLE_NUMBER.fullmatch(text):
            return _wrong_type(text, "a whole number")
        if len(text) > _MOST_DIGITS or not -limit <= (number := int(text)) < limit:
            return _out_of_range(text, f"whole number of {bits} bits")
        return number

    return read


def _double(text: str) -> float | Refusal:
    if not _NUMBER.fullmatch(text):
        return _wrong_type(text, "a finite number")
    number = float(text)
    return number if math.isfinite(number) else _out_of_range(text, "number of 64 bits")


def _boolean(text: str) -> bool | Refusal:
    lowered = text.lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    return _wrong_type(text, "true or false")
