"""Judges JSON records in batches; files, Kafka and rows by hand all come through here.

Most records of a feed are plain: each value of the expected kind, nothing unknown, nothing doubled. Those are
decoded straight into columns (:mod:`lakehouse.readers.plain_json`). Whatever is not provably plain is parsed by
:mod:`lakehouse.readers.json_record`, whose word is the only verdict; the short cut never refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from lakehouse.contracts.contract import WHOLE_RECORD, Contract, UnknownColumns
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.contracts.value_types import Value
from lakehouse.readers.errors import SchemaMismatchError
from lakehouse.readers.json_record import Fields, parse_record
from lakehouse.readers.judged_batch import JudgedBatch, Reject, reject_of
from lakehouse.readers.plain_json import Column, PlainRecords
from lakehouse.readers.record_values import RecordValues, top_of
from lakehouse.readers.row_judge import POSITION, RowJudge
from lakehouse.readers.scrubbing import scrubber_of
from lakehouse.tables.definition import TableDefinition

#: Records decoded together: enough to share the overhead, few enough to stay in the processor's cache.
_RUN = 2_048
#: More fields that no column takes are not made part of the short cut.
_MOST_IGNORED = 100
_STRING_OR_NULL = frozenset((b'"', b"n"))


class JsonJudge:
    """Judges records under one contract.

    Between batches it keeps verdicts on repeated values, and what it has learnt of the feed: which fields are not
    strings, and which are there though no column takes them. Neither changes a verdict.
    """

    def __init__(self, contract: Contract, table: TableDefinition) -> None:
        self._contract = contract
        self._rows = RowJudge(contract, table)
        self._plain = PlainRecords(self._rows.judges)
        self._scrubber = scrubber_of(contract)
        self._known_fields = frozenset(
            name for judge in self._rows.judges for field in judge.fields for name in (field, top_of(field))
        )
        self._not_strings: set[str] = set()

    def judge_record(self, record: bytes, *, position: int = 0) -> Mapping[str, Value | None] | Reject:
        """One record: its row, by column of the target, or its reject."""
        batch = self.judge([record], positions=[position])
        if batch.rejects:
            return batch.rejects[0]
        row: dict[str, Value | None] = batch.rows.drop_columns([POSITION]).to_pylist()[0]
        return row

    def judge(
        self,
        records: Sequence[bytes],
        *,
        positions: Sequence[int],
        lines: Sequence[int] | None = None,
        rejected: Mapping[int, Reject] | None = None,
        original: Callable[[bytes], bytes] = bytes,
    ) -> JudgedBatch:
        """A batch of records, not empty.

        :param positions: of the records in their source, ascending.
        :param lines: of the records in their file, for the rejects.
        :param rejected: what the caller rejected before it had the record, by index in the batch.
        :param original: the bytes that were sent, for a record or a part of one.
        :raises SchemaMismatchError: a field is unknown, and the contract says ``unknown_columns: fail``.
        """
        earlier = rejected or {}
        kept: list[bytes | None] = list(records)
        unknown: Counter[str] = Counter()
        refusals = {index: Refusal(reject.reason, reject.detail) for index, reject in earlier.items()}
        scrubbed = self._scrubbed(records, kept, refusals)
        columns = self._columns(scrubbed, refusals, unknown)
        rows = self._rows.rows(columns, positions=positions, refusals=refusals)
        rejects = tuple(
            earlier.get(index)
            or reject_of(
                refusals[index],
                position=positions[index],
                original=original(records[index]),
                record=None if (record := kept[index]) is None else original(record),
                line=None if lines is None else lines[index],
            )
            for index in sorted(refusals)
        )
        return JudgedBatch(rows, rejects, positions[0], positions[-1] + 1, unknown)

    def _scrubbed(
        self, records: Sequence[bytes], kept: list[bytes | None], refusals: dict[int, Refusal]
    ) -> Sequence[bytes]:
        """The records without personal data; what cannot be scrubbed is refused and not kept."""
        if self._scrubber is None:
            return records
        scrubbed: list[bytes] = []
        for index, record in enumerate(records):
            result = b"" if index in refusals else self._scrubber.scrub(record)
            if isinstance(result, Refusal):
                refusals[index] = result
                result = b""
            kept[index] = None if index in refusals else result
            scrubbed.append(result)
        return scrubbed

    def _columns(
        self, records: Sequence[bytes], refusals: dict[int, Refusal], unknown: Counter[str]
    ) -> list[Column]:
        """The texts of each judge's field; records that cannot be parsed are refused."""
        columns: list[Column] = [[] for _ in self._rows.judges]
        for start in range(0, len(records), _RUN):
            run = self._plain.decode(records[start : start + _RUN])
            unknown.update(run.ignored)
            for place in run.others:
                index = start + place
                texts = None if index in refusals else self._texts(records[index], unknown)
                if isinstance(texts, Refusal):
                    refusals[index] = texts
                elif texts is not None:
                    for column, text in zip(run.columns, texts, strict=True):
                        column[place] = text
            for column, run_column in zip(columns, run.columns, strict=True):
                column.extend(run_column)
            self._learn(unknown)
        return columns

    def _texts(self, record: bytes, unknown: Counter[str]) -> list[str | None] | Refusal:
        """One record by the book: the text of each judge's field, or its refusal."""
        fields = parse_record(record)
        if isinstance(fields, Refusal):
            return fields
        refusal = self._refusal_of_unknown(fields, unknown)
        values = RecordValues(fields)
        texts: list[str | None] = []
        for judge in self._rows.judges:
            text = record.decode() if judge.field == WHOLE_RECORD else values.text(judge)
            if isinstance(text, Refusal):
                refusal = refusal or Refusal(text.reason, text.detail, text.column or judge.column.name)
                text = None
            elif judge.field in fields and bytes(fields[judge.field])[:1] not in _STRING_OR_NULL:
                self._not_strings.add(judge.field)
            texts.append(text)
        return refusal or texts

    def _learn(self, unknown: Counter[str]) -> None:
        """Make what was found in the feed part of the short cut."""
        ignored = set(unknown) if len(unknown) <= _MOST_IGNORED else set()
        if self._not_strings - self._plain.sliced or ignored - self._plain.ignored:
            ignored |= self._plain.ignored
            self._plain = PlainRecords(self._rows.judges, sliced=self._not_strings, ignored=ignored)

    def _refusal_of_unknown(self, fields: Fields, unknown: Counter[str]) -> Refusal | None:
        names = sorted(fields.keys() - self._known_fields)
        if not names:
            return None
        match self._contract.unknown_columns:
            case UnknownColumns.IGNORE:
                unknown.update(names)
                return None
            case UnknownColumns.REJECT:
                return Refusal(Reason.EXTRA_FIELD, "no column takes the field", names[0])
            case UnknownColumns.FAIL:
                differences = [f"{name}: in a record, but no column takes it" for name in names]
                raise SchemaMismatchError(
                    contract=self._contract.name, found=list(fields), differences=differences
                )
