"""JSON lines: a line is a record, its number from 0 its position.

A blank line before a record is itself a record, refused as ``empty_record``; after the last record it is padding.
Lines end with LF or CRLF; the last may end with nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from lakehouse.contracts.contract import Contract
from lakehouse.readers.json_block import JsonBlock, JsonBlockJudge
from lakehouse.readers.judged_batch import JudgedBatch
from lakehouse.readers.judging import JudgeMaker, Judging
from lakehouse.readers.record_batches import OversizedRecord, PassingRecord, Record, RecordBatch, batches
from lakehouse.readers.source_text import SourceText, open_source_text
from lakehouse.tables.definition import TableDefinition


class JsonlReader:
    """Reads files of JSON lines under one contract.

    :param processes: that judge beside this one, from some size of a file on; 1 judges here.
    """

    def __init__(
        self, contract: Contract, table: TableDefinition, *, batch_records: int, processes: int = 1
    ) -> None:
        self._judging = Judging(JudgeMaker(JsonBlockJudge, contract, table), processes=processes)
        self._limit = contract.max_record_bytes
        self._may_keep = not contract.scrubs
        self._batch_records = batch_records

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[JudgedBatch]:
        """The file's records from position ``start`` on, judged.

        :raises DamagedFileError: the file cannot be read to its end.
        :raises SchemaMismatchError: a field is unknown, and the contract says ``unknown_columns: fail``.
        """
        text = open_source_text(stream)
        found = batches(split_lines(text, limit=self._limit), batch_records=self._batch_records)
        wanted = (batch for each in found if (batch := each.since(start)) is not None)
        return self._judging.judged(self._block(batch, text) for batch in wanted)

    def close(self) -> None:
        self._judging.close()

    def _block(self, batch: RecordBatch, text: SourceText) -> JsonBlock:
        positions = range(batch.first_position, batch.next_position)
        records = batch.records
        rejected = {}
        if OversizedRecord in set(map(type, records)):
            rejected = {
                index: record.reject(
                    position=positions[index], limit=self._limit, line=positions[index] + 1, keep=self._may_keep
                )
                for index, record in enumerate(records)
                if isinstance(record, OversizedRecord)
            }
        return JsonBlock(
            records=cast("list[bytes]", records)
            if not rejected
            else [record if isinstance(record, bytes) else b"" for record in records],
            positions=positions,
            lines=range(batch.first_position + 1, batch.next_position + 1),
            rejected=rejected,
            encoding=text.encoding,
        )


def split_lines(text: SourceText, *, limit: int) -> Iterator[list[Record]]:
    """The lines of a text, without their ends, some at a time; a line over the limit is not held."""
    last = _BegunLine(text, limit)
    while piece := text.read():
        *ended, begun = piece.split(b"\n")
        if ended:
            last.add(ended[0])
            ended[0] = b""
            lines: list[Record] = [line.removesuffix(b"\r") for line in ended] if b"\r" in piece else list(ended)
            lines[0] = last.ended()
            last = _BegunLine(text, limit)
            yield [_measured(line, text, limit) for line in lines] if max(map(len, lines)) > limit else lines
        last.add(begun)
    yield [last.ended()]


def _measured(line: Record, text: SourceText, limit: int) -> Record:
    if not isinstance(line, bytes) or len(line) <= limit:
        return line
    passing = PassingRecord(text.original)
    passing.pass_by(line)
    return passing.ended()


class _BegunLine:
    """A line whose end was not seen yet."""

    def __init__(self, text: SourceText, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._parts: list[bytes] = []
        self._bytes = 0
        self._passing: PassingRecord | None = None

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self._bytes += len(part)
        # One byte more may be the CR of the line's end.
        if self._passing is None and self._bytes > self._limit + 1:
            self._passing = PassingRecord(self._text.original)
        if self._passing is not None:
            held = b"".join(self._parts)
            passed = held.removesuffix(b"\r")
            self._passing.pass_by(passed)
            self._parts = [held[len(passed) :]]

    def ended(self) -> Record:
        if self._passing is not None:
            return self._passing.ended()
        return b"".join(self._parts).removesuffix(b"\r")
