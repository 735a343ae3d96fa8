"""Parquet: a row is a record, its number from 0 in the file its position.

Columns go by name, as in CSV. A row is judged as the JSON record that it would be
(:mod:`lakehouse.readers.arrow_json`); that text is what a reject keeps, and what ``max_record_bytes`` measures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from lakehouse.contracts.contract import Contract
from lakehouse.readers.arrow_json import record_texts
from lakehouse.readers.file_columns import checked_columns
from lakehouse.readers.json_judge import JsonJudge
from lakehouse.readers.judged_batch import JudgedBatch, Reject
from lakehouse.readers.parquet_file import open_parquet
from lakehouse.readers.plain_columns import PlainColumns
from lakehouse.readers.record_batches import PassingRecord
from lakehouse.readers.row_judge import POSITION, RowJudge
from lakehouse.tables.definition import TableDefinition


class ParquetReader:
    """Reads Parquet files under one contract."""

    def __init__(self, contract: Contract, table: TableDefinition, *, batch_records: int) -> None:
        self._contract = contract
        self._rows = RowJudge(contract, table)
        self._records = JsonJudge(contract, table)
        self._batch_records = batch_records

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[JudgedBatch]:
        """The file's records from position ``start`` on, judged.

        :raises DamagedFileError: the file cannot be read to its end.
        :raises SchemaMismatchError: its columns are not those the contract wants.
        :raises TemporarySpaceError: there is no room for the copy that it is read from.
        """
        with open_parquet(stream) as file:
            if file is None:
                return
            columns = checked_columns(file.names, self._contract, self._rows.judges, types=file.types, nested=True)
            plain = PlainColumns(self._contract, self._rows, columns)
            for position, batch in file.batches(start=start, batch_records=self._batch_records):
                positions = range(position, position + batch.num_rows)
                if plain.applies:
                    yield self._judged(batch, positions, plain, columns.unknown)
                else:
                    yield self._by_record(batch, positions)

    def close(self) -> None:
        """Nothing is left open between files."""

    def _judged(
        self, batch: pa.RecordBatch, positions: range, plain: PlainColumns, unknown: Sequence[str]
    ) -> JudgedBatch:
        taken = plain.judge(batch, positions=positions)
        counts = Counter(dict.fromkeys(unknown, taken.rows.num_rows))
        if not taken.others:
            return JudgedBatch(taken.rows, (), positions.start, positions.stop, +counts)
        others = self._by_record(batch.take(pa.array(taken.others)), [positions[index] for index in taken.others])
        rows = taken.rows
        if others.rows.num_rows:
            rows = pa.concat_tables([rows, others.rows]).sort_by(POSITION)
        counts.update(others.unknown_columns)
        return JudgedBatch(rows, others.rejects, positions.start, positions.stop, +counts)

    def _by_record(self, batch: pa.RecordBatch, positions: Sequence[int]) -> JudgedBatch:
        records = record_texts(batch)
        rejected: dict[int, Reject] = {}
        limit = self._contract.max_record_bytes
        for index, record in enumerate(records):
            if len(record) > limit:
                passing = PassingRecord()
                passing.pass_by(record)
                rejected[index] = passing.ended().reject(
                    position=positions[index], limit=limit, line=None, keep=not self._contract.scrubs
                )
                records[index] = b""
        return self._records.judge(records, positions=positions, rejected=rejected)
