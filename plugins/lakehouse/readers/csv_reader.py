"""CSV with a header: a record's position is its number from 0 below the header.

Columns go by name, in any order. A blank line before a record is itself a record, refused as ``empty_record``;
after the last record it is padding. Blank lines above the header are passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import BinaryIO, cast

from lakehouse.contracts.contract import WHOLE_RECORD, UnknownColumns
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.csv_header import checked_header
from lakehouse.readers.csv_records import is_run_on, split_records
from lakehouse.readers.errors import DamagedFileError
from lakehouse.readers.file_columns import FileColumns
from lakehouse.readers.judged_batch import JudgedBatch, Reject, reject_of
from lakehouse.readers.judging import JudgeMaker, Judging
from lakehouse.readers.record_batches import (
    BrokenRecord,
    OversizedRecord,
    Record,
    RecordBatch,
    batches,
    line_breaks,
)
from lakehouse.readers.row_judge import RowJudge
from lakehouse.readers.source_text import open_source_text, sent_as, transcribed
from lakehouse.tables.definition import TableDefinition

Original = Callable[[bytes], bytes]

#: Records parsed together; more at once only keep the garbage collector busy.
_RUN = 2_048
_BYTE_ORDER_MARK = "\ufeff"
_REPEATED_HEADER = Refusal(Reason.WRONG_TYPE, "the record is the header once more")
_BLANK_LINE = Refusal(Reason.EMPTY_RECORD, "the line is blank")


@dataclass(frozen=True)
class CsvBlock:
    """Consecutive records of one file, to be judged together.

    :param header: of the file.
    :param encoding: that the file was transcribed from.
    :param line: where the first of the records begins, counted from 1.
    """

    batch: RecordBatch
    header: FileColumns
    encoding: str
    line: int

    @property
    def size(self) -> int:
        return self.batch.size


@dataclass(frozen=True)
class CsvHeader:
    """The header of one file.

    :param encoding: that the file is transcribed from.
    """

    columns: FileColumns
    encoding: str

    def transcribed(self, record: bytes) -> bytes:
        """A record of the file, as it was sent, as UTF-8."""
        return transcribed(record, encoding=self.encoding)


def read_csv_header(stream: BinaryIO, contract: FilesContract, table: TableDefinition) -> CsvHeader:
    """The header of a file, and nothing more of it.

    :raises DamagedFileError: the file cannot be read so far.
    :raises SchemaMismatchError: the header is not what the contract wants, or there is none.
    """
    text = open_source_text(stream, encoding=contract.csv.encoding)
    runs = split_records(text, dialect=contract.csv, limit=contract.max_record_bytes)
    above, _rest = _split_at_header(runs)
    header = checked_header(above[-1] if above else b"", contract, RowJudge(contract, table).judges)
    return CsvHeader(header, text.encoding)


class CsvReader:
    """Reads CSV files under one contract.

    :param processes: that judge beside this one, from some size of a file on; 1 judges here.
    """

    def __init__(
        self, contract: FilesContract, table: TableDefinition, *, batch_records: int, processes: int = 1
    ) -> None:
        self._contract = contract
        self._judges = RowJudge(contract, table).judges
        self._judging = Judging(JudgeMaker(CsvBlockJudge, contract, table), processes=processes)
        self._batch_records = batch_records

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[JudgedBatch]:
        """The file's records from position ``start`` on, judged.

        :raises DamagedFileError: the file cannot be read to its end, or a quote is not closed where it should be.
        :raises SchemaMismatchError: the header is not what the contract wants.
        """
        return self._judging.judged(self._blocks(stream, start))

    def close(self) -> None:
        self._judging.close()

    def _blocks(self, stream: BinaryIO, start: int) -> Iterator[CsvBlock]:
        text = open_source_text(stream, encoding=self._contract.csv.encoding)
        runs = split_records(text, dialect=self._contract.csv, limit=self._contract.max_record_bytes)
        above, rest = _split_at_header(runs)
        if not above:
            return
        header = checked_header(above[-1], self._contract, self._judges)
        line = 1 + self._contract.csv.skip_lines + _lines_of(above)
        for batch in batches(rest, batch_records=self._batch_records):
            if (wanted := batch.since(start)) is not None:
                passed = batch.records[: wanted.first_position - batch.first_position]
                yield CsvBlock(wanted, header, text.encoding, line + _lines_of(passed))
            line += _lines_of(batch.records)


class CsvBlockJudge:
    """Judges blocks of CSV records under one contract."""

    def __init__(self, contract: FilesContract, table: TableDefinition) -> None:
        self._contract = contract
        self._rows = RowJudge(contract, table)
        # A limit of the whole process, far below what a record may have.
        csv.field_size_limit(max(csv.field_size_limit(), contract.max_record_bytes))

    def judge(self, block: CsvBlock) -> JudgedBatch:
        """The rows and rejects of a block."""
        return self._judged(block.batch, block.header, partial(sent_as, encoding=block.encoding), block.line)

    def _judged(self, batch: RecordBatch, header: FileColumns, original: Original, line: int) -> JudgedBatch:
        positions = range(batch.first_position, batch.next_position)
        texts, refusals = self._texts(batch.records)
        fields = self._fields(texts, header, refusals)
        for index in _repeated_headers(fields, header):
            refusals.setdefault(index, _REPEATED_HEADER)
        absent: list[str | None] = [None] * len(texts)
        columns = [
            texts if judge.field == WHOLE_RECORD else absent if place is None else fields[place]
            for judge in self._rows.judges
            for place in [header.place_of(judge.field)]
        ]
        if header.unknown and self._contract.unknown_columns is UnknownColumns.REJECT:
            refused = Refusal(Reason.EXTRA_FIELD, "no column takes the field", header.unknown[0])
            refusals = dict.fromkeys(range(len(texts)), refused) | refusals
        well_formed = len(texts) - len(refusals)
        rows = self._rows.rows(columns, positions=positions, refusals=refusals)
        rejects = self._rejects(batch, refusals, original, line) if refusals else ()
        unknown = dict.fromkeys(header.unknown, well_formed) if well_formed else {}
        return JudgedBatch(rows, rejects, batch.first_position, batch.next_position, unknown)

    def _texts(self, records: list[Record]) -> tuple[list[str], dict[int, Refusal]]:
        """The records as text, empty where they are refused before their fields are looked at."""
        texts: list[str] = []
        refusals: dict[int, Refusal] = {}
        for index, record in enumerate(records):
            text = _text_of(record)
            if isinstance(text, Refusal):
                refusals[index] = text
                text = ""
            texts.append(text)
        return texts, refusals

    def _fields(self, texts: list[str], header: FileColumns, refusals: dict[int, Refusal]) -> list[list[str]]:
        """The file's columns; records with too few or too many fields are refused."""
        dialect = self._contract.csv
        blank = [""] * header.width
        columns: list[list[str]] = [[] for _ in header.names]
        for start in range(0, len(texts), _RUN):
            run = texts[start : start + _RUN]
            records = list(csv.reader(run, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True))
            for place, fields in enumerate(records):
                if len(fields) != header.width:
                    refusals.setdefault(start + place, _ragged(fields, header))
                    records[place] = blank
            for column, values in zip(columns, zip(*records, strict=True), strict=True):
                column.extend(values)
        return columns

    def _rejects(
        self, batch: RecordBatch, refusals: dict[int, Refusal], original: Original, line: int
    ) -> tuple[Reject, ...]:
        rejects = []
        passed = 0
        for index in sorted(refusals):
            record, position = batch.records[index], batch.first_position + index
            line += _lines_of(batch.records[passed:index])
            passed = index
            if not isinstance(record, bytes) and is_run_on(record):
                problem = (
                    f"a quote that the record in line {line} opens is not closed, or only {record.line_breaks} "
                    "line ends further down, and how many records lie between cannot be told"
                )
                raise DamagedFileError(problem=problem)
            if isinstance(record, OversizedRecord):
                limit = self._contract.max_record_bytes
                rejects.append(record.reject(position=position, limit=limit, line=line, keep=True))
            else:
                sent = original(record if isinstance(record, bytes) else record.record)
                rejects.append(
                    reject_of(refusals[index], position=position, original=sent, record=sent, line=line)
                )
        return tuple(rejects)


def _split_at_header(runs: Iterator[list[Record]]) -> tuple[list[Record], Iterator[list[Record]]]:
    """The records down to the first that is not blank, and the runs after it; nothing if all are blank."""
    blanks = 0
    for run in runs:
        for place, record in enumerate(run):
            if record != b"":
                return [*[b""] * blanks, record], chain([run[place + 1 :]], runs)
            blanks += 1
    return [], iter(())


def _lines_of(records: list[Record]) -> int:
    if set(map(type, records)) <= {bytes}:
        return len(records) + line_breaks(b" ".join(cast("list[bytes]", records)))
    inside = sum(record.line_breaks for record in records if isinstance(record, OversizedRecord))
    broken = (record.record for record in records if isinstance(record, BrokenRecord))
    whole = (record for record in records if isinstance(record, bytes))
    return len(records) + inside + line_breaks(b" ".join(chain(whole, broken)))


def _text_of(record: Record) -> str | Refusal:
    match record:
        case OversizedRecord():
            return Refusal(Reason.TOO_LARGE, "")
        case BrokenRecord():
            return record.refusal
        case b"":
            return _BLANK_LINE
    if b"\0" in record:
        return Refusal(Reason.NUL_BYTE, f"byte {record.index(0)} is NUL")
    try:
        return record.decode()
    except UnicodeDecodeError as error:
        return Refusal(Reason.NOT_UTF8, f"byte {error.start} cannot be decoded: {error.reason}")


def _repeated_headers(fields: list[list[str]], header: FileColumns) -> list[int]:
    """Records that are the header once more, as in files that were put one behind the other."""
    first, name = fields[0], header.names[0]
    if header.width == 1 or not {name, f"{_BYTE_ORDER_MARK}{name}"} & set(first):
        return []
    alike = [index for index, text in enumerate(first) if text.removeprefix(_BYTE_ORDER_MARK) == name]
    others = list(zip(fields, header.names, strict=True))[1:]
    return [index for index in alike if all(column[index] in {name, ""} for column, name in others)]


def _ragged(fields: list[str], header: FileColumns) -> Refusal:
    detail = f"the record has {len(fields)} fields, the header {header.width}"
    if len(fields) < header.width:
        return Refusal(Reason.MISSING_FIELD, detail, header.names[len(fields)])
    return Refusal(Reason.EXTRA_FIELD, detail)
