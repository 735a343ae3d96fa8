"""One JSON record, by the book: the definition that the batch reader's short cut is held to.

Stricter than the grammar in what it takes: no key twice at the top, no NUL (not escaped either), no nesting over
200, and no escaped half of a surrogate pair, which UTF-8 cannot hold. A value is the slice of text it was sent as.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import accumulate

import msgspec

from lakehouse.contracts.reason import Reason, Refusal

DEEPEST_NESTING = 200

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY_VALUE = msgspec.json.Decoder(msgspec.Raw)
_TEXT = msgspec.json.Decoder(str)

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_NESTING = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}

Fields = dict[str, msgspec.Raw]


def parse_record(record: bytes) -> Fields | Refusal:
    """The top-level fields of a record, each as the bytes of its value."""
    if (refusal := _text_refusal(record)) is not None:
        return refusal
    try:
        fields = _FIELDS.decode(record)
    except msgspec.DecodeError as error:
        return _syntax_refusal(record, error)
    if b"\\u0000" in record and (escaped := _ESCAPED_NUL.search(record)) is not None:
        return Refusal(Reason.NUL_BYTE, f"byte {escaped.start()} begins an escaped NUL")
    if (doubled := doubled_field(record, fields)) is not None:
        return Refusal(Reason.DUPLICATE_FIELD, "the field stands twice", doubled)
    return fields


def _text_refusal(record: bytes) -> Refusal | None:
    """What can be said of a record before it is parsed."""
    if not record.strip():
        return Refusal(Reason.EMPTY_RECORD, "the line is blank")
    if b"\0" in record:
        return Refusal(Reason.NUL_BYTE, f"byte {record.index(0)} is NUL")
    try:
        record.decode()
    except UnicodeDecodeError as error:
        return Refusal(Reason.NOT_UTF8, f"byte {error.start} cannot be decoded: {error.reason}")
    if is_too_deep(record):
        return Refusal(Reason.TOO_DEEP, f"the nesting is deeper than {DEEPEST_NESTING}")
    return None


def is_too_deep(source: bytes, deepest: int = DEEPEST_NESTING) -> bool:
    """Whether arrays and objects are nested deeper than allowed."""
    if source.count(b"[") + source.count(b"{") <= deepest:
        return False
    steps = (_NESTING.get(match.group(), 0) for match in _STRING_OR_BRACKET.finditer(source))
    return any(depth > deepest for depth in accumulate(steps))


def fields_of(source: bytes) -> Fields:
    """The fields of an object that is part of a parsed record, the last of each."""
    return _FIELDS.decode(source)


def doubled_field(record: bytes, fields: Fields) -> str | None:
    """A top-level key that stands twice, given what a parser that keeps the last of each made of the record."""
    # Written without white space and without escapes in keys, the fields are as short as they can be: a record of
    # that length has no others.
    shortest = 1 + len("".join(fields).encode()) + sum(map(len, fields.values())) + 4 * len(fields)
    if not fields or len(record) == shortest:
        return None
    members = (b'"%b": %b' % (name.encode(), value) for name, value in fields.items())
    if record == b"{%b}" % b", ".join(members):
        return None
    doubled = Counter(_top_level_keys(record)).most_common(1)
    return doubled[0][0] if doubled and doubled[0][1] > 1 else None


def text_of(value: str, *, takes_json: bool) -> str | Refusal | None:
    """The text that a column takes from a field: the decoded string, or the source's own text.

    :param value: source text of a JSON value.
    """
    match value[0]:
        case '"':
            return value[1:-1] if "\\" not in value else _TEXT.decode(value)
        case "{" | "[" if not takes_json:
            kind = "object" if value[0] == "{" else "array"
            return Refusal(Reason.WRONG_TYPE, f"an {kind} where a plain value is wanted")
        case "n":
            return None
        case _:
            return value


def _syntax_refusal(record: bytes, error: msgspec.DecodeError) -> Refusal:
    try:
        _ANY_VALUE.decode(record)
    except msgspec.DecodeError:
        if _ESCAPED_SURROGATE.search(record) and _is_json(record):
            return Refusal(Reason.NOT_UTF8, "an escape names half of a surrogate pair")
        return Refusal(Reason.INVALID_JSON, str(error))
    return Refusal(Reason.WRONG_TYPE, "the record is not a JSON object")


def _is_json(record: bytes) -> bool:
    try:
        # Numbers stay texts: a long one is no error here, and is not worth converting.
        json.loads(record, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except ValueError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _top_level_keys(record: bytes) -> list[str]:
    keys: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        # Objects are reported when they close, so the last report is that of the outermost.
        keys[:] = [key for key, _ in pairs]

    json.loads(record, object_pairs_hook=note, parse_int=str, parse_float=str)
    return keys
