"""The short cut for plain JSON records: decoded by msgspec straight into columns, and proven plain afterwards.

msgspec checks the grammar, but not for doubled or unknown fields, nor for UTF-8 in parts that it only slices. The
proof is a count of quotation marks: a plain record has two for each known field it has, two for each string, and
those inside its JSON values. A record with any other field, any field twice, or an escaped quote has more. Where
columns look into objects, no record is plain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import astuple
from numpy.typing import NDArray

from lakehouse.contracts.column_judge import ColumnJudge
from lakehouse.contracts.contract import WHOLE_RECORD
from lakehouse.contracts.reason import Refusal
from lakehouse.readers.json_record import DEEPEST_NESTING, is_too_deep, text_of
from lakehouse.tables.definition import ColumnType

Column = list[str | None]

#: Of these types, a field is usually a string.
_STRINGS = frozenset({ColumnType.VARCHAR, ColumnType.DATE, ColumnType.TIMESTAMP})
#: A field that is not there, and one that is null.
_NOTHING = frozenset({"", "null"})
#: Into how many parts records are cut to find the few that are suspicious.
_PARTS = 32
_QUOTES_BY_TYPE = {str: 4, type(None): 2, UnsetType: 0}


@dataclass(frozen=True)
class PlainRun:
    """Some records, decoded.

    :param columns: the texts of each judge's field. Where a record is not plain they mean nothing.
    :param others: indices of the records that are not provably plain, ascending.
    :param ignored: how many of the plain records had each of the ignored fields.
    """

    columns: list[Column]
    others: list[int]
    ignored: Counter[str]


class PlainRecords:
    """Decodes runs of records for some column judges.

    Fields that are usually strings are decoded as such, the others are sliced. Hardly anything is done for each
    value in Python: the speed of a load depends on it.

    :param sliced: fields that this feed has as something else than a string.
    :param ignored: fields that this feed has and no column takes.
    """

    def __init__(
        self,
        judges: Sequence[ColumnJudge],
        *,
        sliced: Collection[str] = (),
        ignored: Collection[str] = (),
    ) -> None:
        self._judges = judges
        self._applies = all(judge.is_flat for judge in judges)
        self.ignored = frozenset(ignored)
        taken = {judge.field for judge in judges if judge.field is not None} - {WHOLE_RECORD}
        fields = sorted(filter(_is_plain_name, taken | self.ignored))
        not_strings = {judge.field for judge in judges if judge.takes_json or judge.column.type not in _STRINGS}
        self.sliced = frozenset(not_strings.union(sliced, ignored))
        self._attributes = {field: f"field_{place}" for place, field in enumerate(fields)}
        struct = msgspec.defstruct(
            "PlainRecord",
            [
                (name, Raw, Raw()) if field in self.sliced else (name, str | None | UnsetType, UNSET)
                for field, name in self._attributes.items()
            ],
            rename={name: field for field, name in self._attributes.items()},
            gc=False,
        )
        self._blank = struct()
        self._decode = msgspec.json.Decoder(struct).decode

    def decode(self, records: Sequence[bytes]) -> PlainRun:
        """The records, of which those that are not plain are only named."""
        if not self._applies:
            return PlainRun([[None] * len(records) for _ in self._judges], [*range(len(records))], Counter())
        decoded, others = self._decoded(records)
        others |= suspicious(records)
        # What is left of each record's quotation marks when those of its fields are taken away.
        quotes = np.fromiter((record.count(b'"') for record in records), np.int64, len(records))
        texts: dict[str, Column] = {}
        sources: dict[str, list[str]] = {}
        for field, values in zip(self._attributes, zip(*map(astuple, decoded), strict=True), strict=True):
            if field in self.sliced:
                source = sources[field] = list(map(str, values, repeat("utf-8"), repeat("replace")))
                quotes -= np.array([text.count('"') + 2 if text else 0 for text in source], np.int64)
                # Each level takes two characters; one level is the record itself.
                others.update(
                    [
                        index
                        for index, text in enumerate(source)
                        if len(text) >= 2 * DEEPEST_NESTING and is_too_deep(text.encode(), DEEPEST_NESTING - 1)
                    ]
                )
            else:
                types = set(map(type, values))
                quotes -= _quotes_of(values, types)
                texts[field] = (
                    [None if value is UNSET else value for value in values] if UnsetType in types else [*values]
                )
        others.update(np.flatnonzero(quotes).tolist())
        columns = [self._column(judge, records, texts, sources, others) for judge in self._judges]
        ignored = {
            field: sum(1 for index, source in enumerate(sources[field]) if source and index not in others)
            for field in self.ignored & sources.keys()
        }
        return PlainRun(columns, sorted(others), +Counter(ignored))

    def _decoded(self, records: Sequence[bytes]) -> tuple[list[Any], set[int]]:
        decoded: list[Any] = []
        failed: set[int] = set()
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
        others: set[int],
    ) -> Column:
        if judge.field == WHOLE_RECORD:
            return [record.decode(errors="replace") for record in records]
        if judge.field in texts:
            return texts[judge.field]
        if judge.field not in sources:
            return [None] * len(records)
        column: Column = []
        for index, source in enumerate(sources[judge.field]):
            if source[:1] == "{" and judge.takes_json:
                column.append(source)
            elif source in _NOTHING:
                column.append(None)
            else:
                text = text_of(source, takes_json=judge.takes_json)
                if isinstance(text, Refusal):
                    others.add(index)
                    text = None
                column.append(text)
        return column


def _is_plain_name(field: str) -> bool:
    """Whether a field is written as it is called; records with others are left to the book."""
    return '"' not in field and "\\" not in field and field.isprintable()


def suspicious(records: Sequence[bytes]) -> set[int]:
    """Records that hold a NUL, or the escape of one, or are not UTF-8."""
    if _is_clean(b"\n".join(records)):
        return set()
    if len(records) == 1:
        return {0}
    # They are few: looking for them in ever smaller parts is faster than in each record.
    part = -(-len(records) // _PARTS)
    return {
        start + index
        for start in range(0, len(records), part)
        for index in suspicious(records[start : start + part])
    }


def _is_clean(text: bytes) -> bool:
    if b"\0" in text or b"\\u0000" in text:
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _quotes_of(values: Sequence[object], types: set[type]) -> int | NDArray[np.int64]:
    """The quotation marks that values and their keys have at least: one number if all have the same."""
    if len(types) == 1:
        return _QUOTES_BY_TYPE[next(iter(types))]
    return np.fromiter(map(_QUOTES_BY_TYPE.__getitem__, map(type, values)), np.int64, len(values))
