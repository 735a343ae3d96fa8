"""A CSV file's header."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from lakehouse.contracts.column_judge import ColumnJudge
from lakehouse.contracts.files_contract import CsvDialect, FilesContract
from lakehouse.readers.errors import SchemaMismatchError
from lakehouse.readers.file_columns import FileColumns, checked_columns
from lakehouse.readers.record_batches import Record


def fields_of(record: str, dialect: CsvDialect) -> list[str]:
    """The fields of one well-formed record."""
    return next(csv.reader([record], delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True))


def checked_header(record: Record, contract: FilesContract, judges: Sequence[ColumnJudge]) -> FileColumns:
    """The columns that a file's first record names; one without a name is called by its place, ``(column 3)``.

    :raises SchemaMismatchError: it cannot be read, or the columns are not those the contract wants.
    """
    return checked_columns(_names(record, contract), contract, judges)


def _names(record: Record, contract: FilesContract) -> list[str]:
    try:
        if isinstance(record, bytes):
            fields = fields_of(record.decode(), contract.csv)
            # Nobody can mean a column that has no name, so several of them are no doubt.
            return [name if name.strip() else f"(column {place})" for place, name in enumerate(fields, start=1)]
        problem = "it is not well-formed, or longer than max_record_bytes"
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} of it cannot be decoded"
    raise SchemaMismatchError(
        contract=contract.name, found=[], differences=[f"the header cannot be read: {problem}"]
    )
