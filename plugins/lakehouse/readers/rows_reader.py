"""Rows that a caller handed over: a line is a row, its number from 0 its position."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from lakehouse.contracts.contract import Contract
from lakehouse.readers.json_judge import JsonJudge
from lakehouse.readers.judged_batch import JudgedBatch, Reject
from lakehouse.readers.record_batches import PassingRecord
from lakehouse.readers.row_lines import RefusedRow
from lakehouse.tables.definition import TableDefinition


class RowsReader:
    """Reads the lines of :class:`lakehouse.readers.row_lines.RowLines` under one contract.

    They were in memory as a whole when they were handed over, and are again.
    """

    def __init__(self, contract: Contract, table: TableDefinition, *, batch_records: int) -> None:
        self._judge = JsonJudge(contract, table)
        self._limit = contract.max_record_bytes
        self._may_keep = not contract.scrubs
        self._batch_records = batch_records

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[JudgedBatch]:
        """The rows from position ``start`` on, judged.

        :raises SchemaMismatchError: a field is unknown, and the contract says ``unknown_columns: fail``.
        """
        *lines, _end = stream.read().split(b"\n")
        for first in range(start, len(lines), self._batch_records):
            yield self._judged(lines[first : first + self._batch_records], first)

    def close(self) -> None:
        """Nothing runs for it."""

    def _judged(self, lines: list[bytes], first: int) -> JudgedBatch:
        positions = range(first, first + len(lines))
        rejected = {
            index: reject
            for index, line in enumerate(lines)
            if (reject := self._rejected(line, positions[index])) is not None
        }
        records = [b"" if index in rejected else line for index, line in enumerate(lines)]
        return self._judge.judge(records, positions=positions, rejected=rejected)

    def _rejected(self, line: bytes, position: int) -> Reject | None:
        """The reject of a line that is not to be judged."""
        if line.startswith(b"["):
            return self._refused(RefusedRow.from_line(line), position)
        if len(line) > self._limit:
            passing = PassingRecord()
            passing.pass_by(line)
            return passing.ended().reject(position=position, limit=self._limit, line=None, keep=self._may_keep)
        return None

    def _refused(self, row: RefusedRow, position: int) -> Reject:
        text = row.text.encode()
        return Reject(
            position=position,
            reason=row.refusal.reason,
            column=row.refusal.column,
            detail=row.refusal.detail,
            # It is no record of the source's that could be scrubbed.
            record=text[: self._limit] if self._may_keep else None,
            record_bytes=len(text),
            record_sha256=hashlib.sha256(text).hexdigest(),
            line=None,
        )
