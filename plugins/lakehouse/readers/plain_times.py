"""The short cut for columns of times: whole columns of ISO 8601 texts at once.

A time is plain if it has date, time of day to the second, at most six digits of a second, and its offset, which it
may leave out where local times are UTC: of those :mod:`lakehouse.contracts.value_types` and Arrow have the same
reading. The short cut never refuses; times that are not plain are left to the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.contracts.column_judge import ColumnJudge
from lakehouse.contracts.reason import Refusal
from lakehouse.contracts.value_types import (
    EPOCH_MILLISECONDS,
    EPOCH_SECONDS,
    FIRST_MICROSECOND,
    ISO_8601,
    LAST_MICROSECOND,
)
from lakehouse.tables.definition import ColumnType

if TYPE_CHECKING:
    Array = pa.Array[Any]

_LOCAL_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_OFFSET = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#: Arrow reads a column of times that all have an offset, or none of which has.
_UTC_TIMES = (f"{_LOCAL_TIME}{_OFFSET}$", pa.timestamp("us", "UTC"))
_LOCAL_TIMES = (f"{_LOCAL_TIME}$", pa.timestamp("us"))
_DAY_CHARACTERS = 10
_EPOCHS = frozenset({EPOCH_SECONDS, EPOCH_MILLISECONDS})


def takes_plain_times(judge: ColumnJudge, time_formats: Sequence[str]) -> bool:
    """Whether a plain time is sure to be what its text is judged to be under a contract."""
    if judge.column.type is not ColumnType.TIMESTAMP or judge.parse is None:
        return False
    if judge.allowed is not None or judge.mapping is not None:
        return False
    if any(not isinstance(judge.parse(text), Refusal) for text in judge.nulls):
        return False
    # No plain time is an epoch, but a declared format that comes first might see something else in it.
    return next((each for each in time_formats if each not in _EPOCHS), None) == ISO_8601


def plain_times(texts: Sequence[str | None], *, local_is_utc: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970-01-01 UTC of the plain times among some texts, and which are plain; 0 elsewhere."""
    sent = pa.array(texts, pa.string())
    name_days = _name_days(sent)
    counts, are_plain = _cast(sent, name_days, *_UTC_TIMES)
    if local_is_utc and not are_plain.all():
        local_counts, are_local = _cast(sent, name_days, *_LOCAL_TIMES)
        counts, are_plain = counts + local_counts, are_plain | are_local
    return counts, are_plain


def _cast(
    texts: pa.StringArray, name_days: Array, shape: str, target: pa.DataType
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The times of one shape; no text has two."""
    shaped = pc.and_(pc.match_substring_regex(texts, shape), name_days)
    plain = shaped.fill_null(False)  # noqa: FBT003 - a value, not a switch
    kept = pc.if_else(plain, texts, pa.scalar(None, pa.string()))
    counts = kept.cast(target).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    are_plain = plain.to_numpy(zero_copy_only=False) & (counts >= FIRST_MICROSECOND) & (counts <= LAST_MICROSECOND)
    return np.where(are_plain, counts, 0), are_plain


def _name_days(texts: pa.StringArray) -> Array:
    """Whether the first ten characters of each text are a day of the calendar."""
    days = pc.utf8_slice_codeunits(texts, 0, _DAY_CHARACTERS).dictionary_encode()
    distinct = cast("list[str]", days.dictionary.to_pylist())
    are_days: Array = pa.array([_is_day(text) for text in distinct], pa.bool_())
    return are_days.take(days.indices)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
