"""The names of a file's columns, held against what the contract's columns ask for."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakehouse.contracts.column_judge import WHOLE_RECORD, ColumnJudge
from lakehouse.contracts.contract import Contract, UnknownColumns
from lakehouse.readers.errors import SchemaMismatchError


@dataclass(frozen=True)
class FileColumns:
    """The names of a file's columns, all different, with everything the contract needs among them.

    :param unknown: names that no column of the target takes.
    """

    names: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.names)

    def place_of(self, name: str | None) -> int | None:
        """Where a field stands in each record, if the file has it."""
        return self.names.index(name) if name in self.names else None


def checked_columns(
    names: Sequence[str], contract: Contract, judges: Sequence[ColumnJudge], *, nested: bool = False
) -> FileColumns:
    """The columns of a file with these names.

    :param nested: columns may be objects, in which a field's path goes on.
    :raises SchemaMismatchError: a name stands twice, a required column is missing, or there are columns that the
        contract does not know and does not tolerate.
    """
    wanted = {part for judge in judges for field in judge.fields for part in _names_of(field, nested=nested)}
    unknown = tuple(name for name in names if name not in wanted)
    differences = [*_doubled(names), *_missing(names, judges, nested=nested)]
    if contract.unknown_columns is UnknownColumns.FAIL:
        differences += [f"{name!r}: in the file, but no column takes it" for name in unknown]
    if len(unknown) == len(names):
        differences.append("none of the file's columns is known (of a CSV file: is its first line a header?)")
    if differences:
        raise SchemaMismatchError(contract=contract.name, found=names, differences=differences)
    return FileColumns(tuple(names), unknown)


def _doubled(names: Sequence[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{name!r}: stands {count} times in the file"


def _missing(names: Sequence[str], judges: Sequence[ColumnJudge], *, nested: bool) -> Iterator[str]:
    for judge in judges:
        if not judge.required or judge.default is not None or not judge.fields:
            continue
        wanted = {name for field in judge.fields for name in _names_of(field, nested=nested)}
        if wanted.isdisjoint({*names, WHOLE_RECORD}):
            close = difflib.get_close_matches(judge.fields[0], names, n=1)
            hint = f" (is it {close[0]!r}?)" if close else ""
            yield f"{judge.fields[0]!r}: required for {judge.column.name}, but not in the file{hint}"


def _names_of(field: str, *, nested: bool) -> set[str]:
    """The columns of a file that may hold a field."""
    return {field, field.partition(".")[0]} if nested else {field}
