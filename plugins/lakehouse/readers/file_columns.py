"""The names of a file's columns, held against what the contract's columns ask for."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakehouse.contracts.column_judge import ColumnJudge
from lakehouse.contracts.contract import WHOLE_RECORD, Contract, UnknownColumns
from lakehouse.contracts.files_contract import FilesContract, Format
from lakehouse.contracts.value_types import shown
from lakehouse.readers.errors import SchemaMismatchError

#: What tables of text are delimited with.
_DELIMITERS = ",;\t|"


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
    names: Sequence[str],
    contract: Contract,
    judges: Sequence[ColumnJudge],
    *,
    types: Sequence[str] = (),
    nested: bool = False,
) -> FileColumns:
    """The columns of a file with these names.

    :param types: of the columns, for the message, where the file says them.
    :param nested: columns may be objects, in which a field's path goes on.
    :raises SchemaMismatchError: a name stands twice, a required column is missing, a name is one that the contract
        wants but for its case or spaces, or there are columns that the contract neither knows nor tolerates.
    """
    wanted = {part for judge in judges for field in judge.fields for part in _names_of(field, nested=nested)}
    unknown = tuple(name for name in names if name not in wanted)
    differences = [*_doubled(names), *_missing(names, judges, nested=nested), *_nearly(unknown, names, judges)]
    if contract.unknown_columns is UnknownColumns.FAIL:
        differences += [f"{shown(name)}: in the file, but no column takes it" for name in unknown]
    if len(unknown) == len(names):
        differences.append(f"none of the file's columns is known{_why_none(names, contract)}")
    if differences:
        comparison = tuple(_compared(names, types or [""] * len(names), judges, nested=nested))
        raise SchemaMismatchError(
            contract=contract.name, found=names, differences=differences, comparison=comparison
        )
    return FileColumns(tuple(names), unknown)


def _doubled(names: Sequence[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{shown(name)}: stands {count} times in the file"


def _missing(names: Sequence[str], judges: Sequence[ColumnJudge], *, nested: bool) -> Iterator[str]:
    for judge in judges:
        wanted = {name for field in judge.fields for name in _names_of(field, nested=nested)}
        if _is_required(judge) and judge.fields and wanted.isdisjoint({*names, WHOLE_RECORD}):
            close = difflib.get_close_matches(judge.fields[0], names, n=1)
            hint = f" (is it {shown(close[0])}?)" if close else ""
            yield f"{judge.fields[0]!r}: required for {judge.column.name}, but not in the file{hint}"


def _names_of(field: str, *, nested: bool) -> set[str]:
    """The columns of a file that may hold a field."""
    return {field, field.partition(".")[0]} if nested else {field}


def _is_required(judge: ColumnJudge) -> bool:
    return judge.required and judge.default is None


def _nearly(unknown: Sequence[str], names: Sequence[str], judges: Sequence[ColumnJudge]) -> Iterator[str]:
    """Columns that would be passed over, and a column of the target left empty, for the way they are written."""
    absent = {_bare(judge.field): judge for judge in judges if judge.field and judge.field not in names}
    for name in unknown:
        if (judge := absent.get(_bare(name))) is not None:
            yield (
                f"{name!r}: differs from {judge.field!r} in case or spaces only; if it is meant, write "
                f"columns.{judge.column.name}.from: {name!r}"
            )


def _bare(name: str) -> str:
    return "".join(name.replace("\ufeff", "").split()).casefold()


def _why_none(names: Sequence[str], contract: Contract) -> str:
    if not isinstance(contract, FilesContract) or contract.origin.format is not Format.CSV:
        return ""
    if any("\0" in name for name in names):
        return " (they hold NUL: is the file UTF-16? Then csv.encoding must say so)"
    others = [delimiter for delimiter in _DELIMITERS if delimiter in "".join(names)]
    if len(names) == 1 and others:
        return f" (is the delimiter {others[0]!r}? csv.delimiter is {contract.csv.delimiter!r})"
    return " (is its first line a header? csv.skip_lines passes over titles above it)"


def _compared(
    names: Sequence[str], types: Sequence[str], judges: Sequence[ColumnJudge], *, nested: bool
) -> Iterator[tuple[str, str]]:
    """What the contract wants and what the file has, column by column."""
    found = {name: f"{shown(name)} {kind}".rstrip() for name, kind in zip(names, types, strict=True)}
    taken: set[str] = set()
    for judge in judges:
        for field in judge.fields:
            if field == WHOLE_RECORD:
                continue
            target = "" if field == judge.column.name else f" for {judge.column.name}"
            required = ", required" if _is_required(judge) else ""
            places = sorted(_names_of(field, nested=nested) & found.keys(), reverse=True)
            taken.update(places)
            yield f"{field!r} {judge.column.type}{target}{required}", found[places[0]] if places else ""
    for name in names:
        if name not in taken:
            yield "", found[name]
