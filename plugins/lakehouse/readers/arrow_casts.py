"""Casts of whole Arrow columns that agree, value for value, with what is made of the values' texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.contracts.value_types import FIRST_MICROSECOND, LAST_MICROSECOND
from lakehouse.readers.arrow_json import counts_of, days_of
from lakehouse.readers.local_times import utc_of
from lakehouse.tables.definition import ColumnType

if TYPE_CHECKING:
    Array = pa.Array[Any]

Counts = NDArray[np.int64]

_WHOLE_NUMBERS: dict[ColumnType, pa.DataType] = {ColumnType.BIGINT: pa.int64(), ColumnType.INTEGER: pa.int32()}
_UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROSECONDS = _UNITS_PER_SECOND["us"]
_SECONDS_PER_DAY = 86_400


def cast_column(array: Array, column_type: ColumnType, *, zone: ZoneInfo) -> Array | None:
    """The column as the target's type, nulls left as they are; ``None`` if any value must be judged by its text.

    :param array: neither texts nor nested.
    :param zone: of local times.
    """
    kind = array.type
    typed: Array | None = None
    match column_type:
        case ColumnType.BIGINT | ColumnType.INTEGER if pa.types.is_integer(kind):
            typed = _whole_numbers(array, _WHOLE_NUMBERS[column_type])
        case ColumnType.DOUBLE if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            typed = _doubles(array)
        case ColumnType.BOOLEAN if pa.types.is_boolean(kind):
            typed = array
        case ColumnType.VARCHAR if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            typed = array.cast(pa.string())
        case ColumnType.DATE if pa.types.is_date(kind):
            typed = _days(array)
        case ColumnType.TIMESTAMP if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            typed = _times(array, zone)
    return typed


def _whole_numbers(array: Array, target: pa.DataType) -> Array | None:
    try:
        return array.cast(target)
    except pa.ArrowInvalid:
        return None


def _doubles(array: Array) -> Array | None:
    # Both this and reading the digits give the nearest of all numbers of 64 bits.
    doubles = array.cast(pa.float64(), safe=False)
    are_finite = pc.all(pc.is_finite(doubles), min_count=0).as_py()
    return doubles if are_finite else None


def _days(array: Array) -> Array | None:
    days = days_of(array)
    if not _lie_in_calendar(days * _SECONDS_PER_DAY, "s"):
        return None
    return _with_nulls_of(array, days.astype(np.int32)).view(pa.date32())


def _times(array: Array, zone: ZoneInfo) -> Array | None:
    if pa.types.is_date(array.type):
        counts, unit, is_local = days_of(array) * _SECONDS_PER_DAY, "s", True
    else:
        kind = cast("pa.TimestampType[Any, Any]", array.type)
        counts, unit, is_local = counts_of(array), kind.unit, kind.tz is None
    if not _lie_in_calendar(counts, unit):
        return None
    local = _microseconds(counts, unit)
    microseconds = utc_of(local, zone) if is_local and zone.key != "UTC" else local
    if microseconds is None or not _lie_in_calendar(microseconds, "us"):
        return None
    return _with_nulls_of(array, microseconds).view(pa.timestamp("us"))


def _lie_in_calendar(counts: Counts, unit: str) -> bool:
    units = _UNITS_PER_SECOND[unit]
    first, last = (limit * units // _MICROSECONDS for limit in (FIRST_MICROSECOND, LAST_MICROSECOND))
    return not counts.size or bool(first <= counts.min() and counts.max() <= last)


def _microseconds(counts: Counts, unit: str) -> Counts:
    """What is beyond the microsecond is cut off the digits, and so goes towards the past."""
    units = _UNITS_PER_SECOND[unit]
    return counts * (_MICROSECONDS // units) if units <= _MICROSECONDS else counts // (units // _MICROSECONDS)


def _with_nulls_of(array: Array, counts: NDArray[Any]) -> Array:
    mask = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    typed: Array = pa.array(counts, mask=mask)
    return typed
