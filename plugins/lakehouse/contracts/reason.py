"""Why a record or a value is refused: the closed list that the reject table, views and runbooks share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a record is a reject. Closed: a new reason is a decision, not an addition in passing."""

    NOT_UTF8 = "not_utf8"
    INVALID_JSON = "invalid_json"
    DUPLICATE_FIELD = "duplicate_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    NOT_ALLOWED = "not_allowed"
    EXTRA_FIELD = "extra_field"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NUL_BYTE = "nul_byte"
    EMPTY_RECORD = "empty_record"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The verdict on what is not taken.

    :param reason: from the closed list.
    :param detail: one sentence for a person, with the offending value in it where there is one.
    :param column: the target's column, or the source's field, that it is about.
    """

    reason: Reason
    detail: str
    column: str | None = None
