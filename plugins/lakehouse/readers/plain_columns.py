"""The short cut for rows of columnar files: whole Arrow columns at a time.

A row is plain if each of its values goes through a cast that agrees with the judgement of its text
(:mod:`lakehouse.readers.arrow_casts`), or is judged by that text here, and if its record is one that JSON could
hold. The short cut never refuses: rows that are not provably plain are only named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.contracts.column_judge import ColumnJudge
from lakehouse.contracts.contract import WHOLE_RECORD, Contract, UnknownColumns
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.contracts.value_types import EPOCH_MILLISECONDS, EPOCH_SECONDS, ISO_8601
from lakehouse.readers.arrow_casts import cast_column
from lakehouse.readers.arrow_json import is_text, unwrapped, value_texts
from lakehouse.readers.file_columns import FileColumns
from lakehouse.readers.json_record import text_of
from lakehouse.readers.plain_json import suspicious
from lakehouse.readers.row_judge import RowJudge
from lakehouse.tables.definition import ColumnType

if TYPE_CHECKING:
    Array = pa.Array[Any]

#: JSON texts of a column that is not a column of texts.
Sources = list[str]
Doubts = NDArray[np.bool_]
#: For each row a length in bytes that its JSON text does not exceed.
Longest = NDArray[np.int64]

#: A byte of a text takes at most this many in JSON: a control character is ``\u0001``.
_LONGEST_ESCAPE = 6
#: What a text has besides its characters, and what stands for none.
_QUOTES_OR_NULL = 4
#: No number, date or time is longer.
_LONGEST_SCALAR = 100
#: Stands for whatever the book will say of a row.
_DOUBT = Refusal(Reason.WRONG_TYPE, "not provably plain")
_EPOCHS = frozenset({EPOCH_SECONDS, EPOCH_MILLISECONDS})
_TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})


@dataclass(frozen=True)
class PlainRows:
    """Some rows, judged.

    :param rows: those that are plain, as :meth:`RowJudge.rows` has them.
    :param others: indices of those that are not provably plain, ascending.
    """

    rows: pa.Table
    others: list[int]


class PlainColumns:
    """Judges the batches of one file.

    :ivar applies: whether there can be plain rows; if not, :meth:`judge` must not be asked.
    """

    def __init__(self, contract: Contract, rows: RowJudge, columns: FileColumns) -> None:
        self._rows = rows
        self._columns = columns
        self._limit = contract.max_record_bytes - sum(
            len(name.encode()) * _LONGEST_ESCAPE + len('"":,') for name in columns.names
        )
        self._zone = ZoneInfo(contract.times.zone)
        self._casts = [_may_cast(judge, contract.times.formats) for judge in rows.judges]
        tolerates = contract.unknown_columns is UnknownColumns.IGNORE or not columns.unknown
        keeps_records = contract.scrubs or any(judge.field == WHOLE_RECORD for judge in rows.judges)
        is_flat = all(judge.is_flat or judge.field in columns.names for judge in rows.judges)
        self.applies = tolerates and is_flat and not keeps_records

    def judge(self, batch: pa.RecordBatch, *, positions: Sequence[int]) -> PlainRows:
        """A batch of the file, not empty.

        :param positions: of its rows, ascending.
        """
        doubts = np.zeros(batch.num_rows, np.bool_)
        longest = np.zeros(batch.num_rows, np.int64)
        read = [_read(unwrapped(array), doubts, longest) for array in batch.columns]
        doubts |= longest > self._limit
        columns = []
        for place, judge in enumerate(self._rows.judges):
            source = self._columns.place_of(judge.field)
            columns.append(self._judged(place, None if source is None else read[source], doubts))
        refusals = dict.fromkeys(np.flatnonzero(doubts).tolist(), _DOUBT)
        rows = self._rows.table(columns, positions=positions, refusals=refusals)
        return PlainRows(rows, sorted(refusals))

    def _judged(self, place: int, values: Array | Sources | None, doubts: Doubts) -> Array:
        if values is None:
            everywhere = np.ones(len(doubts), np.bool_)
            return self._of_nothing(place, doubts, absent=everywhere).take(np.zeros(len(doubts), np.int64))
        if isinstance(values, list):
            return self._of_sources(place, values, doubts)
        if isinstance(values, pa.StringArray):
            return self._of_texts(place, values, doubts)
        column_type = self._rows.judges[place].column.type
        typed = cast_column(values, column_type, zone=self._zone) if self._casts[place] else None
        if typed is None:
            return self._of_sources(place, value_texts(values), doubts)
        if isinstance(typed, pa.StringArray):
            return self._of_texts(place, typed, doubts)
        return self._filled(place, typed, doubts)

    def _of_texts(self, place: int, texts: pa.StringArray, doubts: Doubts) -> Array:
        judge = self._rows.judges[place]
        if judge.parse is None and judge.allowed is None and judge.mapping is None:
            if judge.nulls:
                mean_nothing = pc.is_in(texts, value_set=pa.array(sorted(judge.nulls), pa.string()))
                texts = pc.if_else(mean_nothing, pa.scalar(None, pa.string()), texts)
            return self._filled(place, texts, doubts)
        encoded = texts.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        refusals: dict[int, Refusal] = {}
        values = self._rows.column(place, [*distinct, None], refusals=refusals)
        indices = encoded.indices.fill_null(len(distinct)).to_numpy()
        if refusals:
            doubts |= np.isin(indices, list(refusals))
        return values.take(indices)

    def _of_sources(self, place: int, sources: Sources, doubts: Doubts) -> Array:
        takes_json = self._rows.judges[place].takes_json
        texts: list[str | None] = []
        for index, source in enumerate(sources):
            text = text_of(source, takes_json=takes_json)
            if isinstance(text, Refusal):
                doubts[index] = True
                text = None
            texts.append(text)
        refusals: dict[int, Refusal] = {}
        values = self._rows.column(place, texts, refusals=refusals)
        doubts[list(refusals)] = True
        return values

    def _filled(self, place: int, values: Array, doubts: Doubts) -> Array:
        """Typed values, with what the column has where a record has none."""
        if not values.null_count:
            return values
        absent = values.is_null().to_numpy(zero_copy_only=False)
        default = self._of_nothing(place, doubts, absent=absent)
        return values if default.null_count else values.fill_null(default[0])

    def _of_nothing(self, place: int, doubts: Doubts, *, absent: Doubts) -> Array:
        """The one value that a column has where a record has none."""
        refusals: dict[int, Refusal] = {}
        value = self._rows.column(place, [None], refusals=refusals)
        if refusals:
            doubts |= absent
        return value


def _read(array: Array, doubts: Doubts, longest: Longest) -> Array | Sources:
    """A column of the file, without the values that no record could hold; those are doubted."""
    if is_text(array.type):
        texts = _texts(array, doubts)
        longest += pc.binary_length(texts).fill_null(0).to_numpy() * _LONGEST_ESCAPE + _QUOTES_OR_NULL
        return texts
    if not pa.types.is_nested(array.type):
        longest += _LONGEST_SCALAR
        return array
    sources = value_texts(array)
    records = [source.encode("utf-8", "surrogateescape") for source in sources]
    longest += np.fromiter(map(len, records), np.int64, len(records))
    # There is no need to look how deep they are: a file whose schema is nested over 100 is not opened.
    for index in suspicious(records):
        doubts[index] = True
        sources[index] = "null"
    return sources


def _texts(array: Array, doubts: Doubts) -> pa.StringArray:
    sent = array.cast(pa.binary())
    try:
        texts = sent.cast(pa.string())
    except pa.ArrowInvalid:
        held = sent.to_pylist()
        readable = [text is None or _is_utf8(text) for text in held]
        doubts |= ~np.array(readable)
        texts = pa.array(
            [text if is_utf8 else None for text, is_utf8 in zip(held, readable, strict=True)], pa.string()
        )
    have_nul = pc.match_substring(texts, "\0")
    if pc.any(have_nul).as_py():
        doubts |= have_nul.fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003 - a value, not a switch
        texts = pc.if_else(have_nul, pa.scalar(None, pa.string()), texts)
    return cast("pa.StringArray", texts)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_cast(judge: ColumnJudge, time_formats: Sequence[str]) -> bool:
    """Whether a typed value is sure to be what its text is judged to be."""
    if judge.parse is None:
        # What is cast to texts is then judged as texts are.
        return True
    if (
        judge.allowed is not None
        or judge.mapping is not None
        or any(not isinstance(judge.parse(text), Refusal) for text in judge.nulls)
    ):
        return False
    # No text of a time is an epoch, but another format might see something else in it.
    first = next(dropwhile(_EPOCHS.__contains__, time_formats), None)
    return judge.column.type not in _TIMES or first == ISO_8601
