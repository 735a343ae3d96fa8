"""The kinds of damaged records, and the reason a careful reader rejects each with."""

from __future__ import annotations

from collections import deque
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Reason(StrEnum):
    """Why a record is rejected: the platform's words."""

    NOT_UTF8 = "not_utf8"
    INVALID_JSON = "invalid_json"
    DUPLICATE_FIELD = "duplicate_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    EXTRA_FIELD = "extra_field"
    TOO_DEEP = "too_deep"
    NUL_BYTE = "nul_byte"
    EMPTY_RECORD = "empty_record"


class Defect(Enum):
    """One way to be damaged. Not every format can have every one."""

    CUT_SHORT = "the record ends in the middle"
    NOT_UTF8 = "bytes that are no UTF-8"
    TENANT_ABSENT = "the tenant is not there"
    TENANT_NULL = "the tenant is null"
    FEWER_FIELDS = "fields are missing at the end of the row"
    MORE_FIELDS = "fields beyond the header's"
    GARBLED_TIME = "the event time is no time"
    NOT_AN_OBJECT = "a JSON value that is no object"
    IMPOSSIBLE_DATE = "a 30th of February"
    FAR_YEAR = "a time far in the future: milliseconds taken for seconds"
    FIELD_TWICE = "the same field twice"
    NUL = "a NUL in a text"
    NESTED_TOO_DEEP = "attributes nested 300 deep"
    BLANK = "an empty line between records"
    EMPTY_VALUE = "a message with an empty value"
    TOMBSTONE = "a message without a value"

    @property
    def reason(self) -> Reason:
        """The reason of its reject."""
        return _REASONS[self]

    @property
    def needs_neighbours(self) -> bool:
        """Whether it means something only between two records: at either end of a file it is padding."""
        return self is Defect.BLANK


_REASONS = {
    Defect.CUT_SHORT: Reason.INVALID_JSON,
    Defect.NOT_UTF8: Reason.NOT_UTF8,
    Defect.TENANT_ABSENT: Reason.MISSING_FIELD,
    Defect.TENANT_NULL: Reason.MISSING_FIELD,
    Defect.FEWER_FIELDS: Reason.MISSING_FIELD,
    Defect.MORE_FIELDS: Reason.EXTRA_FIELD,
    Defect.GARBLED_TIME: Reason.WRONG_TYPE,
    Defect.NOT_AN_OBJECT: Reason.WRONG_TYPE,
    Defect.IMPOSSIBLE_DATE: Reason.OUT_OF_RANGE,
    Defect.FAR_YEAR: Reason.OUT_OF_RANGE,
    Defect.FIELD_TWICE: Reason.DUPLICATE_FIELD,
    Defect.NUL: Reason.NUL_BYTE,
    Defect.NESTED_TOO_DEEP: Reason.TOO_DEEP,
    Defect.BLANK: Reason.EMPTY_RECORD,
    Defect.EMPTY_VALUE: Reason.EMPTY_RECORD,
    Defect.TOMBSTONE: Reason.EMPTY_RECORD,
}


class DefectRota:
    """Gives the defects of a format in turn, so that each occurs about as often as the others."""

    def __init__(self, defects: Iterable[Defect]) -> None:
        self._waiting = deque(defects)

    def take(self, *, has_neighbours: bool) -> Defect:
        """Return the next defect that means something at the place it is for."""
        defect = next(defect for defect in self._waiting if has_neighbours or not defect.needs_neighbours)
        self._waiting.remove(defect)
        self._waiting.append(defect)
        return defect
