"""JSON records that are judged together, as they travel to the process that judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from lakehouse.contracts.contract import Contract
from lakehouse.readers.json_judge import JsonJudge
from lakehouse.readers.judged_batch import JudgedBatch, Reject
from lakehouse.readers.source_text import sent_as
from lakehouse.tables.definition import TableDefinition


@dataclass(frozen=True)
class JsonBlock:
    """Records of one source, not none of them.

    :param records: each as UTF-8.
    :param positions: of the records in their source, ascending; they may have gaps.
    :param lines: of the records in their file, for the rejects.
    :param rejected: what was rejected before its record was held, by index in the block; its record is empty.
    :param encoding: that the records were transcribed from.
    """

    records: Sequence[bytes]
    positions: Sequence[int]
    lines: Sequence[int] | None = None
    rejected: Mapping[int, Reject] = field(default_factory=dict)
    encoding: str = "utf-8"

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.records))


class JsonBlockJudge:
    """Judges blocks of JSON records under one contract."""

    def __init__(self, contract: Contract, table: TableDefinition) -> None:
        self._judge = JsonJudge(contract, table)

    def judge(self, block: JsonBlock) -> JudgedBatch:
        """The rows and rejects of a block.

        :raises SchemaMismatchError: a field is unknown, and the contract says ``unknown_columns: fail``.
        """
        return self._judge.judge(
            block.records,
            positions=block.positions,
            lines=block.lines,
            rejected=block.rejected,
            original=partial(sent_as, encoding=block.encoding),
        )
