from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable

import pytest

from lakehouse.contracts import RowsContract
from lakehouse.contracts.reason import Reason
from lakehouse.readers import JudgedBatch, SchemaMismatchError, reader_for
from lakehouse.readers.row_lines import RowLines, lines_of_json, lines_of_rows
from lakehouse.tables.definition import TableDefinition


@pytest.fixture
def read_rows(table: TableDefinition) -> Callable[..., list[JudgedBatch]]:
    def read_rows(lines: RowLines, *, start: int = 0, batch_records: int = 65_536, **sections: object):
        contract = RowsContract.model_validate(
            {"name": "visits", "kind": "rows", "target": "iceberg.bronze.visits", **sections}
        )
        reader = reader_for(contract, table, batch_records=batch_records)
        batches = list(reader.read(io.BytesIO(lines.content), start=start))
        assert sum(batch.records for batch in batches) == max(len(lines) - start, 0)
        for batch in batches:
            assert batch.records == batch.rows.num_rows + len(batch.rejects)
        return batches

    return read_rows


def test_good_rows_and_refused_ones_keep_their_positions(read_rows, rows_of, rejects_of):
    rows = [{"status": "a"}, {"status": {1}}, {"status": "b"}, "no row", {"visits": "x"}, {"status": "c"}]
    batches = read_rows(lines_of_rows(rows))

    assert [(row["_position"], row["status"]) for row in rows_of(batches)] == [(0, "a"), (2, "b"), (5, "c")]
    assert [(reject.position, reject.reason, reject.column) for reject in rejects_of(batches)] == [
        (1, Reason.WRONG_TYPE, "status"),
        (3, Reason.WRONG_TYPE, None),
        (4, Reason.WRONG_TYPE, "visits"),
    ]


def test_a_refused_row_is_kept_as_far_as_json_can_say_it(read_rows, rejects_of):
    (reject,) = rejects_of(read_rows(lines_of_rows([{"status": "é", "score": math.nan}])))

    assert reject.record.decode() == '{"status": "é", "score": "<float>"}'
    assert reject.record_bytes == len(reject.record)
    assert reject.record_sha256 == hashlib.sha256(reject.record).hexdigest()
    assert reject.line is None


def test_a_refused_row_is_not_kept_where_personal_data_is_scrubbed(read_rows, rejects_of):
    (reject,) = rejects_of(read_rows(lines_of_rows([{"phone": {1}}]), scrub=["phone"]))

    assert reject.record is None


def test_text_that_was_json_is_judged_as_in_a_file_of_json_lines(read, read_rows, rejects_of, rows_of):
    text = b'{"status": "a", "status": "b"}\n\n{"status": "\\ud800"}\n{"attributes_json": {"a":  1}}\n{\n5\n"\xff"'
    of_file = read(text, "jsonl")
    of_rows = read_rows(lines_of_json(text))

    def verdicts(batches):
        return [(reject.position, reject.reason, reject.column) for reject in rejects_of(batches)]

    assert rows_of(of_rows) == rows_of(of_file)
    assert verdicts(of_rows) == verdicts(of_file)


def test_reading_goes_on_at_a_position(read_rows, rows_of):
    lines = lines_of_rows([{"visits": number} for number in range(7)])

    batches = read_rows(lines, start=3, batch_records=2)
    assert [batch.first_position for batch in batches] == [3, 5]
    assert [row["visits"] for row in rows_of(batches)] == [3, 4, 5, 6]
    assert read_rows(lines, start=7) == []


def test_no_rows_are_no_batch(read_rows):
    assert read_rows(lines_of_rows([])) == []


def test_a_row_over_the_limit_is_too_large(read_rows, rejects_of, rows_of):
    batches = read_rows(lines_of_rows([{"status": "a" * 100}, {"status": "a"}]), max_record_bytes=50)

    assert [(reject.position, reject.reason) for reject in rejects_of(batches)] == [(0, Reason.TOO_LARGE)]
    assert len(rows_of(batches)) == 1


def test_a_line_that_looks_compressed_is_a_line(read_rows, rejects_of):
    (reject,) = rejects_of(read_rows(lines_of_json(b"\x1f\x8b\x08\n{")))[:1]

    assert reject.reason in {Reason.NOT_UTF8, Reason.INVALID_JSON}


def test_an_unknown_field_fails_where_the_contract_says_so(read_rows):
    with pytest.raises(SchemaMismatchError):
        read_rows(lines_of_rows([{"colour": "red"}]), unknown_columns="fail")
