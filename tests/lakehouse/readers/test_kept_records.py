"""What rejects kept, judged again by itself, against what a reader of the whole file says."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.readers.judged_batch import JudgedBatch
from lakehouse.readers.kept_records import KeptRecord, kept_record_judge, needs_file

WRONG = {"status": {"required": True}, "visits": {"required": True}}
CSV = (
    "visits;tenant_id;status;event_time;score;is_open\n"
    '1;"a;\nb";;2026-10-01T05:30:00+05:30;1.5;true\n'
    "2;é;OPEN;2026-10-01T00:00:00Z;;\n"
    "many;c;OPEN;2026-10-01T00:00:00Z;;\n"
    ";é;;2026-10-02;;false\n"
    "3;d\n"
)
JSONL = (
    '{"visits": 1, "tenant_id": "a\\nb", "event_time": "2026-10-01T05:30:00+05:30", '
    '"attributes_json": {"b": 1.0}}\n'
    '{"visits": 2, "tenant_id": "é", "status": "OPEN", "event_time": "2026-10-01T00:00:00Z"}\n'
    '{"visits": "many", "status": "OPEN"}\n'
    "{no json\n"
    '{"tenant_id": "é", "is_open": true, "score": 0.1, "event_time": "2026-10-02"}\n'
    "[1]\n"
)
MOMENT = datetime(2026, 10, 1, 5, 30, 0, 1, tzinfo=UTC)


def as_parquet(*, zone: str | None = "UTC") -> bytes:
    columns = {
        "visits": pa.array([1, 2, None, 4], pa.int64()),
        "tenant_id": pa.array(["a\nb", "é", "é", None]),
        "status": pa.array([None, "OPEN", None, "OPEN"]),
        "event_time": pa.array([MOMENT, MOMENT, MOMENT, None], pa.timestamp("us", zone)),
        "score": pa.array([0.1, None, 2.0, 1e300], pa.float64()),
        "is_open": pa.array([True, None, False, True]),
        "attributes_json": pa.array(['{"b": 1.0}', None, "[1]", "{}"]),
    }
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


FILES = {
    "csv": (CSV.encode(), {"csv": {"delimiter": ";"}}),
    "csv in another encoding": (CSV.encode("latin-1"), {"csv": {"delimiter": ";", "encoding": "latin-1"}}),
    "csv below other lines": (f"made by x\n\n{CSV}".encode(), {"csv": {"delimiter": ";", "skip_lines": 2}}),
    "csv with Windows line ends": (CSV.replace("\n", "\r\n").encode(), {"csv": {"delimiter": ";"}}),
    "jsonl": (JSONL.encode(), {}),
    "parquet": (as_parquet(), {}),
    "parquet with local times": (as_parquet(zone=None), {"times": {"zone": "Asia/Kolkata"}}),
}


@pytest.fixture
def judge_again(contract_of, table) -> Callable[..., JudgedBatch]:
    """Judge kept records under a contract."""

    def judge_again(content: bytes, format_: str, kept: list[KeptRecord], **sections: object) -> JudgedBatch:
        contract = contract_of(format_, **sections)
        file = io.BytesIO(content) if needs_file(contract) else None
        return kept_record_judge(contract, table, file=file).judge(kept)

    return judge_again


def outcome(
    batches: list[JudgedBatch], among: set[int]
) -> tuple[list[dict[str, object]], list[tuple[object, ...]]]:
    """Rows, and rejects with all that is about the record itself, at some positions."""
    rows = [row for batch in batches for row in batch.rows.to_pylist() if row["_position"] in among]
    rejects = [
        (reject.position, reject.reason, reject.column, reject.detail, reject.record)
        for batch in batches
        for reject in batch.rejects
        if reject.position in among
    ]
    return rows, rejects


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "columns",
    [WRONG, {}, {"visits": {"required": True}}, {"raw_payload": {"from": "$record"}}],
    ids=["the same contract", "all optional", "some optional", "with the record"],
)
def test_what_was_kept_is_judged_as_the_whole_file_would_be(read, judge_again, name: str, columns: dict):
    content, sections = FILES[name]
    format_ = name.split(maxsplit=1)[0]
    rejects = [reject for batch in read(content, format_, columns=WRONG, **sections) for reject in batch.rejects]
    kept = [KeptRecord(reject.position, reject.record) for reject in rejects]
    assert len(kept) >= 2

    judged = judge_again(content, format_, kept, columns=columns, **sections)

    among = {record.position for record in kept}
    assert outcome([judged], among) == outcome(read(content, format_, columns=columns, **sections), among)
    assert judged.rows.num_rows + len(judged.rejects) == len(kept)


def test_what_is_no_single_record_any_more_is_neither_row_nor_reject(judge_again):
    content = b"tenant_id,visits\n" + b'"a\nb",1\nc,2\n'
    kept = [KeptRecord(0, b'"a\nb",1'), KeptRecord(1, b"c,2")]

    judged = judge_again(content, "csv", kept, csv={"quote": "'"})

    assert judged.rows.column("_position").to_pylist() == [1]
    assert judged.rejects == ()


def test_only_what_has_a_header_needs_its_file(contract_of):
    assert [needs_file(contract_of(format_)) for format_ in ("csv", "jsonl", "parquet")] == [True, False, False]
