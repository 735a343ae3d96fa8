"""Records that a reject kept, judged again, each at its own position and by itself.

A record of a CSV file means something only under the header of its file, which is read from the file again.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

import pyarrow as pa

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.files_contract import FilesContract, Format
from lakehouse.readers.csv_reader import CsvBlock, CsvBlockJudge, CsvHeader, read_csv_header
from lakehouse.readers.csv_records import split_records
from lakehouse.readers.json_block import JsonBlock, JsonBlockJudge
from lakehouse.readers.judged_batch import JudgedBatch
from lakehouse.readers.record_batches import Record, RecordBatch
from lakehouse.readers.row_judge import POSITION
from lakehouse.readers.source_text import SourceText
from lakehouse.tables.definition import TableDefinition


@dataclass(frozen=True)
class KeptRecord:
    """The original of a reject.

    :param position: its place in the source.
    :param record: as it was sent, whole.
    """

    position: int
    record: bytes


class KeptRecordJudge(Protocol):
    """Judges the kept records of one source."""

    def judge(self, records: Sequence[KeptRecord]) -> JudgedBatch:
        """Rows and rejects, at the positions of the records, which are ascending and not none.

        A record that is no single record any more has neither.
        """
        ...


def needs_file(contract: Contract) -> bool:
    """Whether kept records of a contract mean nothing without the file that they come from."""
    return isinstance(contract, FilesContract) and contract.origin.format is Format.CSV


def kept_record_judge(
    contract: Contract, table: TableDefinition, *, file: BinaryIO | None = None
) -> KeptRecordJudge:
    """The judge for one source of a contract.

    :param file: the source, where :func:`needs_file` says so.
    :raises SchemaMismatchError: the header of the file is not what the contract wants.
    :raises DamagedFileError: the file cannot be read down to its header.
    """
    if isinstance(contract, FilesContract) and file is not None:
        return _CsvJudge(contract, table, header=read_csv_header(file, contract, table))
    return _JsonJudge(contract, table)


class _JsonJudge:
    """Of records that are JSON, or are kept as the JSON that they would be."""

    def __init__(self, contract: Contract, table: TableDefinition) -> None:
        self._judge = JsonBlockJudge(contract, table)

    def judge(self, records: Sequence[KeptRecord]) -> JudgedBatch:
        block = JsonBlock(records=[kept.record for kept in records], positions=[kept.position for kept in records])
        return self._judge.judge(block)


class _CsvJudge:
    """Of records of one CSV file."""

    def __init__(self, contract: FilesContract, table: TableDefinition, *, header: CsvHeader) -> None:
        self._contract = contract
        self._judge = CsvBlockJudge(contract, table)
        self._header = header

    def judge(self, records: Sequence[KeptRecord]) -> JudgedBatch:
        read = [(kept.position, record) for kept in records for record in self._single(kept.record)]
        first, behind = records[0].position, records[-1].position + 1
        block = CsvBlock(
            batch=RecordBatch(0, [record for _, record in read] or [b""]),
            header=self._header.columns,
            encoding=self._header.encoding,
            line=1,
        )
        judged = self._judge.judge(block)
        positions = [position for position, _ in read] or [first]
        places = judged.rows.column(POSITION).to_numpy()
        rows = judged.rows.set_column(0, POSITION, pa.array([positions[place] for place in places], pa.int64()))
        rejects = tuple(replace(reject, position=positions[reject.position]) for reject in judged.rejects)
        return JudgedBatch(rows, rejects if read else (), first, behind, judged.unknown_columns)

    def _single(self, record: bytes) -> list[Record]:
        """A record as today's dialect reads it; none if it is not exactly one."""
        text = SourceText(io.BytesIO(self._header.transcribed(record)), "utf-8")
        dialect = self._contract.csv.model_copy(update={"skip_lines": 0})
        runs = split_records(text, dialect=dialect, limit=self._contract.max_record_bytes)
        found = [each for run in runs for each in run]
        while len(found) > 1 and found[-1] == b"":
            found.pop()
        return found if len(found) == 1 and isinstance(found[0], bytes) else []
