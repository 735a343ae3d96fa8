"""The short cut for plain JSON records: decoded by msgspec straight into columns, and proven plain afterwards.

msgspec checks the grammar, but not for doubled or unknown fields, nor for what is not UTF-8 in parts it only slices.
The proof is a count of quotation marks: a plain record has two for each known field it has, two for each string, and
those inside its JSON values. A record with any other field, any field twice, or an escaped quote has more.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType

from lakehouse.contracts.column_judge import WHOLE_RECORD, ColumnJudge
from lakehouse.contracts.reason import Refusal
from lakehouse.readers.json_record import DEEPEST_NESTING, is_too_deep, text_of
from lakehouse.tables.definition import ColumnType

Column = list[str | None]

#: Of these types, a field is usually a string.
_STRINGS = frozenset({ColumnType.VARCHAR, ColumnType.DATE, ColumnType.TIMESTAMP})
_QUOTES_BY_TYPE = {str: 4, type(None): 2, UnsetType: 0}
#: Records whose bytes are looked through together.
_RUN = 4_096
_ABSENT = ""


class PlainRecords:
    """Decodes batches of records into a column for each of some judges.

    Fields that are usually strings are decoded as such, the others are sliced. Hardly anything is done for each value
    in Python: the speed of a load depends on it.
    """

    def __init__(self, judges: Sequence[ColumnJudge]) -> None:
        self._judges = judges
        fields = sorted({judge.field for judge in judges if judge.field not in {None, WHOLE_RECORD}})
        self._sliced = {
            judge.field for judge in judges if judge.takes_json or judge.column.type not in _STRINGS
        }
        self._attribute = {field: f"field_{place}" for place, field in enumerate(fields)}
        struct = msgspec.defstruct(
            "PlainRecord",
            [
                (name, Raw, Raw()) if field in self._sliced else (name, str | None | UnsetType, UNSET)
                for field, name in self._attribute.items()
            ],
            rename={name: field for field, name in self._attribute.items()},
            gc=False,
        )
        self._blank = struct()
        self._decode = msgspec.json.Decoder(struct).decode

    def columns(self, records: Sequence[bytes]) -> tuple[list[Column], list[int]]:
        """The texts of each judge's field, and the indices of the records that are not provably plain.

        Of those records, the columns hold nothing that means anything.
        """
        decoded, rest = self._decoded(records)
        rest |= _suspicious(records)
        quotes = np.fromiter((record.count(b'"') for record in records), np.int64, len(records))
        texts: dict[str, Column] = {}
        sources: dict[str, list[str]] = {}
        for field, name in self._attribute.items():
            values = list(map(attrgetter(name), decoded))
            if field in self._sliced:
                sources[field] = source = list(map(str, values, repeat("utf-8")))
                quotes -= np.fromiter((text.count('"') + 2 if text else 0 for text in source), np.int64, len(source))
                rest.update(index for index, text in enumerate(source) if _is_deep(text))
            else:
                quotes -= _quotes_of(values)
                texts[field] = [None if value is UNSET else value for value in values]
        rest.update(np.flatnonzero(quotes).tolist())
        return [self._column(judge, records, texts, sources, rest) for judge in self._judges], sorted(rest)

    def _decoded(self, records: Sequence[bytes]) -> tuple[list[Any], set[int]]:
        decoded, failed = [], set()
        append, decode = decoded.append, self._decode
        for index, record in enumerate(records):
            try:
                append(decode(record))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                append(self._blank)
                failed.add(index)
        return decoded, failed

    @staticmethod
    def _column(
        judge: ColumnJudge,
        records: Sequence[bytes],
        texts: dict[str, Column],
        sources: dict[str, list[str]],
        rest: set[int],
    ) -> Column:
        if judge.field is None:
            return [None] * len(records)
        if judge.field == WHOLE_RECORD:
            return [record.decode(errors="replace") for record in records]
        if judge.field in texts:
            return texts[judge.field]
        column: Column = []
        for index, source in enumerate(sources[judge.field]):
            text = text_of(source, takes_json=judge.takes_json) if source else None
            if isinstance(text, Refusal):
                rest.add(index)
                text = None
            column.append(text)
        return column


def _suspicious(records: Sequence[bytes]) -> set[int]:
    """Records that hold a NUL, or the escape of one, or are not UTF-8."""
    suspicious: set[int] = set()
    for start in range(0, len(records), _RUN):
        run = records[start : start + _RUN]
        if not _is_clean(b"\n".join(run)):
            suspicious.update(start + place for place, record in enumerate(run) if not _is_clean(record))
    return suspicious


def _is_clean(text: bytes) -> bool:
    if b"\0" in text or b"\\u0000" in text:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_deep(source: str) -> bool:
    # Each level takes two characters; one level is the record itself.
    return len(source) >= 2 * DEEPEST_NESTING and is_too_deep(source.encode(), DEEPEST_NESTING - 1)


def _quotes_of(values: Sequence[object]) -> Any:
    """The quotation marks that decoded values and their keys have at least: one number if all have the same."""
    types = set(map(type, values))
    if len(types) == 1:
        return _QUOTES_BY_TYPE[types.pop()]
    return np.fromiter((_QUOTES_BY_TYPE[type(value)] for value in values), np.int64, len(values))
