"""From the texts of a batch's values, column by column, to a typed Arrow table and refusals.

Every value is judged by :class:`lakehouse.contracts.column_judge.ColumnJudge`; what is here makes that fast: a
column's repeated values are judged once in a batch, and its arrays are built at one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.column_judge import DERIVED_DAY, DERIVED_FROM, ColumnJudge, column_judges
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.contracts.value_types import Value
from lakehouse.readers.plain_times import plain_times, takes_plain_times
from lakehouse.tables.definition import Column, ColumnType, TableDefinition

Texts = Sequence[str | None]

if TYPE_CHECKING:
    Array = pa.Array[Any]

POSITION = "_position"

_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.VARCHAR: pa.string(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
    ColumnType.BIGINT: pa.int64(),
    ColumnType.INTEGER: pa.int32(),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
}
#: Values of these are judged to integers, which Arrow then takes for what they are without touching them.
_COUNTED_AS: dict[ColumnType, pa.DataType] = {ColumnType.DATE: pa.int32(), ColumnType.TIMESTAMP: pa.int64()}
#: More verdicts than this are not kept for the next batch: such a column hardly repeats itself.
_REMEMBERED_VERDICTS = 10_000


#: Not a refusal: the record has nothing to say of the event.
_NO_EVENT = Refusal(Reason.MISSING_FIELD, "the record has no such event")


def _event_judges(contract: Contract) -> tuple[ColumnJudge, ...]:
    return tuple(
        _EventJudge(
            column=Column(f"the event {name}", ColumnType.VARCHAR),
            field=event.when,
            required=True,
            nulls=frozenset(contract.nulls),
        )
        for name, event in contract.record_events.items()
        if event.when is not None
    )


class _Verdicts(dict[str | None, Value | Refusal | None]):
    """The verdicts on a column's texts, made when a text is first seen."""

    def __init__(self, judge: ColumnJudge) -> None:
        super().__init__()
        self._judge = judge.judge

    def __missing__(self, text: str | None) -> Value | Refusal | None:
        verdict = self[text] = self._judge(text)
        return verdict

    def forget_when_many(self) -> None:
        if len(self) > _REMEMBERED_VERDICTS:
            self.clear()


class _EventJudge(ColumnJudge):
    """Tells of the field of an event whether the record stands for it."""

    def judge(self, text: str | None) -> Value | Refusal | None:
        return _NO_EVENT if text is None or text in self.nulls else text


class RowJudge:
    """Judges the columns of a batch.

    :ivar judges: one for each column of the target, in its order, after that of the event's field, if the contract
        is of an event that has one.
    """

    def __init__(self, contract: Contract, table: TableDefinition) -> None:
        targets = column_judges(contract, table)
        self.judges = (*_event_judges(contract), *targets)
        self._targets_from = len(self.judges) - len(targets)
        self._verdicts = [None if judge.takes_any_text else _Verdicts(judge) for judge in self.judges]
        self._local_is_utc = contract.times.zone == "UTC"
        self._take_plain_times = [takes_plain_times(judge, contract.times.formats) for judge in self.judges]
        self._schema = pa.schema(
            [pa.field(POSITION, pa.int64())]
            + [pa.field(judge.column.name, _TYPES[judge.column.type]) for judge in targets]
        )
        self._derives_day = {DERIVED_DAY, DERIVED_FROM} <= set(self._schema.names)
        self._day_required = self._derives_day and contract.rule(DERIVED_DAY).required

    def rows(
        self, columns: Sequence[Texts], *, positions: Sequence[int], refusals: dict[int, Refusal]
    ) -> pa.Table:
        """The typed rows of a batch, without the refused ones and those of records that have no such event.

        :param columns: for each judge the texts of its values, ``None`` for none.
        :param positions: of the batch's records, ascending.
        :param refusals: of records that are refused already, by index in the batch; those made here are added.
            A record keeps its first refusal.
        """
        arrays = [self.column(place, texts, refusals=refusals) for place, texts in enumerate(columns)]
        return self.table(arrays, positions=positions, refusals=refusals)

    def table(
        self, columns: Sequence[Array], *, positions: Sequence[int], refusals: dict[int, Refusal]
    ) -> pa.Table:
        """The same of columns that are judged already (:meth:`column`)."""
        names = (judge.column.name for judge in self.judges)
        arrays = dict(list(zip(names, columns, strict=True))[self._targets_from :])
        if self._derives_day:
            arrays[DERIVED_DAY] = self._derived_day(arrays, refusals)
        table = pa.Table.from_arrays([pa.array(positions, pa.int64()), *arrays.values()], schema=self._schema)
        if not refusals:
            return table
        kept = [index not in refusals for index in range(len(positions))]
        for index in [index for index, refusal in refusals.items() if refusal is _NO_EVENT]:
            del refusals[index]
        return table.filter(pa.array(kept))

    def column(self, place: int, texts: Texts, *, refusals: dict[int, Refusal]) -> Array:
        """The typed values of one judge's texts; nothing where they are refused.

        :param place: of the judge.
        :param refusals: as for :meth:`rows`.
        """
        judge = self.judges[place]
        verdicts = self._verdicts[place]
        if verdicts is None:
            return pa.array(texts, pa.string())
        if self._take_plain_times[place]:
            return self._times(verdicts, texts, refusals)
        if judge.parse is None and judge.allowed is None and judge.mapping is None:
            return self._texts(judge, texts, refusals)
        return self._judged(judge, verdicts, texts, refusals)

    @staticmethod
    def _judged(judge: ColumnJudge, verdicts: _Verdicts, texts: Texts, refusals: dict[int, Refusal]) -> Array:
        """Each distinct text is judged; the column is put together from the verdicts."""
        encoded = pa.array(texts, pa.string()).dictionary_encode()
        values = [verdicts[text] for text in [*encoded.dictionary.to_pylist(), None]]
        places = encoded.indices.fill_null(len(values) - 1).to_numpy()
        refused = [place for place, value in enumerate(values) if isinstance(value, Refusal)]
        if refused:
            for index in np.flatnonzero(np.isin(places, refused)).tolist():
                refusals.setdefault(index, cast("Refusal", values[places[index]]))
        verdicts.forget_when_many()
        accepted = [None if isinstance(value, Refusal) else value for value in values]
        counted_as = _COUNTED_AS.get(judge.column.type)
        stored_as = _TYPES[judge.column.type]
        if counted_as is None:
            return pa.array(accepted, stored_as).take(places)
        return pa.array(accepted, counted_as).take(places).view(stored_as)

    @staticmethod
    def _texts(judge: ColumnJudge, texts: Texts, refusals: dict[int, Refusal]) -> Array:
        """Texts that are their own values, unless they mean nothing."""
        column = pa.array(texts, pa.string())
        is_nothing = pc.is_in(column, value_set=pa.array([None, *judge.nulls], pa.string()))
        nothing = np.flatnonzero(is_nothing.to_numpy(zero_copy_only=False)).tolist()
        if not nothing:
            return column
        instead = judge.judge(None)
        if isinstance(instead, Refusal):
            for index in nothing:
                refusals.setdefault(index, instead)
            instead = None
        return cast("Array", pc.if_else(is_nothing, pa.scalar(instead, pa.string()), column))

    def _times(self, verdicts: _Verdicts, texts: Texts, refusals: dict[int, Refusal]) -> Array:
        counts, are_judged = plain_times(texts, local_is_utc=self._local_is_utc)
        for index in np.flatnonzero(~are_judged).tolist():
            value = verdicts[texts[index]]
            if isinstance(value, Refusal):
                refusals.setdefault(index, value)
            elif value is not None:
                counts[index], are_judged[index] = value, True
        verdicts.forget_when_many()
        return pa.array(counts, mask=~are_judged).view(_TYPES[ColumnType.TIMESTAMP])

    def _derived_day(self, arrays: dict[str, Array], refusals: dict[int, Refusal]) -> Array:
        days = pc.coalesce(arrays[DERIVED_DAY], arrays[DERIVED_FROM].cast(pa.date32()))
        if self._day_required and days.null_count:
            missing = Refusal(Reason.MISSING_FIELD, f"the record has neither it nor {DERIVED_FROM}", DERIVED_DAY)
            for index, is_missing in enumerate(days.is_null()):
                if is_missing.as_py():
                    refusals.setdefault(index, missing)
        return days
