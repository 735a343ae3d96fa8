"""Rows that a caller hands over, as JSON lines: what a request is known by, staged from and stored as.

A line that begins with ``{`` is a row, to be judged like any JSON record. A row that JSON cannot say (a set, a
number that is none, a list in the place of a row) is a line that begins with ``[``: its refusal. No row is written
so, and none is lost.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property

import msgspec

from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.errors import NotRowsError
from lakehouse.readers.json_record import DEEPEST_NESTING

_SHOWN_CHARACTERS = 80
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ANY_VALUE = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True)
class RefusedRow:
    """What a line says of a row that cannot be judged.

    :param text: the row as JSON, with the names of types in place of what JSON has no word for.
    """

    refusal: Refusal
    text: str

    def to_line(self) -> bytes:
        parts = (self.refusal.reason, self.refusal.column, self.refusal.detail, self.text)
        return json.dumps(parts, ensure_ascii=False).encode()

    @classmethod
    def from_line(cls, line: bytes) -> RefusedRow:
        reason, column, detail, text = json.loads(line)
        return cls(Refusal(Reason(reason), detail, column), text)


@dataclass(frozen=True)
class RowLines:
    """The rows of one call, in the caller's order; the place in it is a row's position.

    :param lines: one for each row, without its line end.
    """

    lines: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def content(self) -> bytes:
        """The lines as a file of JSON lines."""
        return b"".join(line + b"\n" for line in self.lines)

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal digest that is equal when the rows are: the same values in the same order of rows.

        The order of the fields in a row, and white space, do not count; the spelling of a number does.
        """
        digest = hashlib.sha256()
        for line in self.lines:
            digest.update(_canonical(line) + b"\n")
        return digest.hexdigest()


def lines_of_rows(rows: Iterable[object]) -> RowLines:
    """Rows of Python values: mappings to texts, numbers, booleans, dates, times, ``None``, lists and mappings.

    Times keep their offset; one without is in the zone of the contract, as everywhere.
    """
    return RowLines(tuple(_line_of_row(row) for row in rows))


def lines_of_texts(texts: Iterable[bytes]) -> RowLines:
    """Rows that are JSON already, each without a line end in its strings; they are judged as they were written."""
    return RowLines(tuple(_line_of_text(text) for text in texts))


def lines_of_json(content: bytes) -> RowLines:
    """The rows of a text: a JSON array of them, one JSON object, or one JSON value a line.

    A line that is blank or no JSON is a row too, which will be refused; blank lines at the end are none.

    :raises NotRowsError: it begins like an array, and is none.
    """
    try:
        return lines_of_texts(map(bytes, _ARRAY.decode(content)))
    except (msgspec.DecodeError, RecursionError) as error:
        if content.lstrip().startswith(b"["):
            raise NotRowsError(problem=str(error)) from error
    try:
        _ANY_VALUE.decode(content)
    except (msgspec.DecodeError, RecursionError):
        text = content.rstrip()
        return lines_of_texts(text.split(b"\n") if text else [])
    return lines_of_texts([content])


def _line_of_row(row: object) -> bytes:
    writer = _JsonWriter()
    text = writer.written(row, None, ())
    if not isinstance(row, Mapping):
        refusal = Refusal(Reason.WRONG_TYPE, f"the row is of type {_type_of(row)}, not a mapping")
        return RefusedRow(refusal, text).to_line()
    if writer.refusal is not None:
        return RefusedRow(writer.refusal, text).to_line()
    return text.encode()


def _line_of_text(text: bytes) -> bytes:
    # Between tokens a line end is white space; inside a string it is no JSON.
    line = text.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    if line.startswith(b"["):
        refusal = Refusal(Reason.WRONG_TYPE, "the row is an array, not an object")
        return RefusedRow(refusal, line.decode(errors="backslashreplace")).to_line()
    return line


class _JsonWriter:
    """Writes one row as JSON, and keeps the first reason why it cannot.

    :ivar refusal: ``None`` while all that was written is what was given.
    """

    def __init__(self) -> None:
        self.refusal: Refusal | None = None

    def written(self, value: object, column: str | None, above: tuple[int, ...]) -> str:
        """A value as JSON.

        :param column: the row's field that it is in.
        :param above: what it is inside of, by identity.
        """
        match value:
            case None | bool() | str():
                return _plain(value)
            case numbers.Integral():
                return self._whole_number(int(value), column)
            case float() | Decimal():
                return self._number(value, column)
            case date():
                # A datetime is one, too.
                return _plain(value.isoformat())
            case Mapping() | list() | tuple():
                return self._nested(value, column, above)
            case _:
                return self._refused(Reason.WRONG_TYPE, value, column, "JSON has no word for it")

    def _nested(
        self, value: Mapping[object, object] | list[object] | tuple[object, ...], column: str | None,
        above: tuple[int, ...],
    ) -> str:  # fmt: skip
        if id(value) in above:
            return self._refused(Reason.TOO_DEEP, value, column, "it contains itself")
        if len(above) >= DEEPEST_NESTING:
            return self._refused(Reason.TOO_DEEP, value, column, f"the nesting is deeper than {DEEPEST_NESTING}")
        inside = (*above, id(value))
        if not isinstance(value, Mapping):
            return f"[{', '.join(self.written(item, column, inside) for item in value)}]"
        members = []
        for name, item in value.items():
            if not isinstance(name, str):
                self._refused(Reason.WRONG_TYPE, name, column, "the name of a field must be a text")
                continue
            text = self.written(item, column if above else name, inside)
            members.append(f"{_plain(name)}: {text}")
        return f"{{{', '.join(members)}}}"

    def _whole_number(self, value: int, column: str | None) -> str:
        try:
            return str(value)
        except ValueError:
            # Python writes no number of so many digits (sys.get_int_max_str_digits).
            return self._refused(Reason.OUT_OF_RANGE, value, column, "it has thousands of digits")

    def _number(self, value: float | Decimal, column: str | None) -> str:
        if isinstance(value, Decimal):
            if value.is_finite():
                return str(value)
        elif math.isfinite(value):
            # Libraries' own kinds of float are written in other ways.
            return float.__repr__(value)
        return self._refused(Reason.WRONG_TYPE, value, column, "it is not a finite number")

    def _refused(self, reason: Reason, value: object, column: str | None, problem: str) -> str:
        """What stands in the text for a value that cannot."""
        kind = _type_of(value)
        if self.refusal is None:
            shown = None if column is None else _encodable(column)
            self.refusal = Refusal(reason, f"a value of type {kind}: {problem}", shown)
        return _plain(f"<{kind}>")


def _plain(value: object) -> str:
    """A value as JSON: a text as it is, unless UTF-8 cannot hold it (half a surrogate pair); then escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text == _encodable(text) else json.dumps(value)


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _type_of(value: object) -> str:
    return _encodable(type(value).__name__)[:_SHOWN_CHARACTERS]


class _Number(str):
    """A number of a JSON text, as it is spelled there."""

    __slots__ = ()


class _Members(tuple[tuple[str, object], ...]):
    """The fields of a JSON object, each as often as it stands there."""

    __slots__ = ()


def _canonical(line: bytes) -> bytes:
    """A line in a form that all lines with the same values share; a line that is no JSON is its own."""
    if line.startswith(b"["):
        row = RefusedRow.from_line(line)
        return RefusedRow(row.refusal, _canonical_text(row.text.encode()).decode()).to_line()
    return _canonical_text(line)


def _canonical_text(text: bytes) -> bytes:
    try:
        value = json.loads(
            text, object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number, parse_constant=_Number
        )
        return _canonical_value(value).encode()
    except (ValueError, RecursionError):
        return text


def _canonical_value(value: object) -> str:
    match value:
        case _Number():
            return str(value)
        case _Members():
            members = sorted(value, key=lambda member: member[0])
            return f"{{{','.join(f'{json.dumps(name)}:{_canonical_value(item)}' for name, item in members)}}}"
        case list():
            return f"[{','.join(map(_canonical_value, value))}]"
        case _:
            return json.dumps(value)
