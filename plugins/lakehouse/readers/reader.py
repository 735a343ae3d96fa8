"""Which reader a contract wants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.files_contract import FilesContract, Format, ObjectsOrigin
from lakehouse.contracts.rows_contract import RowsContract
from lakehouse.readers.csv_reader import CsvReader
from lakehouse.readers.events_reader import EventsReader
from lakehouse.readers.jsonl_reader import JsonlReader
from lakehouse.readers.judged_batch import JudgedBatch
from lakehouse.readers.parquet_reader import ParquetReader
from lakehouse.readers.rows_reader import RowsReader
from lakehouse.tables.definition import TableDefinition

BATCH_RECORDS = 16_384


class Reader(Protocol):
    """Reads a file once, in bounded memory: bytes in, judged records out."""

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[JudgedBatch]:
        """The file's records from position ``start`` on, in contiguous batches; none if there is no such record.

        :param stream: needs nothing but ``read(size)``.
        :raises DamagedFileError: the file cannot be read to its end.
        :raises ForeignFileError: it is a container or a format that is not read.
        :raises SchemaMismatchError: its columns are not those the contract wants.
        """
        ...

    def close(self) -> None:
        """End what runs for it. A reader of one process has nothing to close."""
        ...


def reader_for(
    contract: Contract, table: TableDefinition, *, batch_records: int = BATCH_RECORDS, processes: int = 1
) -> Reader:
    """The reader of a contract's format; of messages, which come as JSON, that of JSON lines.

    :param batch_records: the most records of one batch (which also ends at about 32 MB).
    :param processes: that judge beside this one, where that is worth it; 1 reads in this process alone. Rows and
        rejects are the same.
    """
    contracts = contract.by_event()
    if len(contracts) > 1:
        of_each = max(1, processes // len(contracts))
        readers = [reader_for(event, table, batch_records=batch_records, processes=of_each) for event in contracts]
        return EventsReader(readers)
    match contract:
        case FilesContract(origin=ObjectsOrigin(format=Format.CSV)):
            return CsvReader(contract, table, batch_records=batch_records, processes=processes)
        case FilesContract(origin=ObjectsOrigin(format=Format.PARQUET)):
            # Whole columns at a time: other processes would cost more than they do.
            return ParquetReader(contract, table, batch_records=batch_records)
        case RowsContract():
            return RowsReader(contract, table, batch_records=batch_records)
        case _:
            return JsonlReader(contract, table, batch_records=batch_records, processes=processes)
