"""Whatever bytes are in a file: each record is a row or a reject, or the whole file is refused and says why."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts import load_contracts
from lakehouse.errors import TerminalError
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.readers import JsonJudge, Reason, reader_for
from lakehouse.tables.definition import read_table_definitions
from tests.fuzzing import damaged, fuzzed, taking

EVENTS = [
    {
        "event_date": "2024-12-01",
        "event_time": f"2024-12-01T10:{number % 60:02}:00Z",
        "tenant_id": f"TENANT_{number % 7:03}",
        "status": 'said "so"\nand left' if number % 11 == 0 else "OPEN",
        "visits": number,
        "floor": None if number % 5 else -number,
        "score": number / 7,
        "is_open": number % 2 == 0,
        "attributes_json": json.dumps({"n": number, "ward": "वार्ड 3"}, ensure_ascii=number % 2 == 0),
        "raw_payload": "x" * (number % 50),
        "more": "unknown",
    }
    for number in range(60)
]


def as_csv(delimiter: str = ",", line_end: str = "\n") -> str:
    def field(value: object) -> str:
        text = "" if value is None else str(value)
        return '"' + text.replace('"', '""') + '"' if set(text) & {delimiter, '"', "\n"} else text

    lines = [list(EVENTS[0]), *(list(event.values()) for event in EVENTS)]
    return "".join(delimiter.join(map(field, line)) + line_end for line in lines)


def as_jsonl() -> bytes:
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in EVENTS).encode()


def as_parquet(**options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(EVENTS), sink, **options)
    return sink.getvalue()


CSV = as_csv().encode()
SAMPLES = {
    "csv": [
        CSV,
        as_csv(line_end="\r\n").encode(),
        as_csv(line_end="\r").encode(),
        gzip.compress(CSV),
        zstd.compress(CSV),
        codecs.BOM_UTF8 + CSV,
        codecs.BOM_UTF16_LE + as_csv().encode("utf-16-le"),
        gzip.compress(CSV[:999]) * 2,
    ],
    "jsonl": [as_jsonl(), gzip.compress(as_jsonl()), zstd.compress(as_jsonl()), codecs.BOM_UTF8 + as_jsonl()],
    "parquet": [
        as_parquet(row_group_size=20),
        as_parquet(write_page_checksum=True),
        as_parquet(compression="none", use_dictionary=False, data_page_version="2.0"),
        as_parquet(compression="zstd", use_deprecated_int96_timestamps=True),
        gzip.compress(as_parquet()),
    ],
}
TOKENS = {
    "csv": [
        *(b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b";", b"NULL", b"\xef\xbb\xbf", b"tenant_id"),
        *(b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xff\xfe", b"2024-02-30", b"NaN", b"9" * 30, b"x" * 300, CSV[:120]),
    ],
    "jsonl": [
        *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\n", b"\r\n", b"\0", b"\\u0000", b"\\ud800", b"\xff"),
        b'"visits":1,',
        b'"visits":1e999,',
        b"NaN",
        b"null",
        b"[" * 300,
        b'{"a":' * 300,
        b"\xef\xbb\xbf",
        b"x" * 300,
    ],
    "parquet": [
        b"PAR1",
        b"PARE",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x15",
        b"\x19",
        b"\x2c",
        b"\x7f\xff\xff\xff",
    ],
}
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "nulls": st.sampled_from([("",), ("", "NULL"), ("0",)]),
        "unknown_columns": st.sampled_from(["ignore", "reject"]),
        "max_record_bytes": st.sampled_from([1, 50, 400, 10**6]),
        "columns": st.sampled_from(
            [
                {"tenant_id": {"required": True, "allowed": "TENANT_*"}},
                {"visits": {"default": 3}, "raw_payload": {"from": "$record"}},
                {"status": {"value": "x"}, "event_date": {"required": True}},
            ]
        ),
        "times": st.sampled_from([{"zone": "America/New_York"}, {"formats": ["epoch_s", "iso8601"]}]),
    },
)
CSV_SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "delimiter": st.sampled_from([",", ";", "\t", "|", " ", "a"]),
        "quote": st.sampled_from(['"', "'", "^"]),
        "encoding": st.sampled_from(["utf-8", "latin-1", "cp1252", "utf-16", "gb18030", "shift_jis", "cp037"]),
        "skip_lines": st.integers(0, 3),
    },
)


@pytest.fixture(scope="module")
def answer(read, fuzz_counts):
    """Read some bytes; the fixture ``read`` checks that each record is a row or a reject."""

    def answer(fuzzer: str, content: bytes, format_: str, **sections: object) -> None:
        counts = fuzz_counts(fuzzer)
        counts["files"] += 1
        try:
            batches = read(content, format_, **sections)
        except TerminalError as error:
            assert error.remedy  # noqa: PT017 - either outcome is right
            counts[f"files refused ({type(error).__name__})"] += 1
            return
        for batch in batches:
            counts["rows"] += batch.rows.num_rows
            counts["rejects"] += len(batch.rejects)

    return answer


@fuzzed(few=100, many=20_000)
@pytest.mark.parametrize("format_", SAMPLES)
def test_a_damaged_file_is_answered(answer, format_, examples):
    @taking(examples)
    @given(
        content=damaged(SAMPLES[format_], TOKENS[format_]),
        sections=SECTIONS,
        batch_records=st.sampled_from([7, 65_536]),
    )
    def check(content, sections, batch_records):
        answer(f"{format_}, samples damaged", content, format_, batch_records=batch_records, **sections)

    check()


@fuzzed(few=100, many=20_000)
@pytest.mark.parametrize("format_", SAMPLES)
def test_any_bytes_are_answered(answer, format_, examples):
    heads = [b"", b"tenant_id,visits\n", b'{"tenant_id":', b"PAR1\x15", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]
    tokens = st.lists(st.sampled_from(TOKENS[format_]) | st.binary(max_size=3), max_size=20).map(b"".join)

    @taking(examples)
    @given(
        head=st.sampled_from([*heads, codecs.BOM_UTF16_BE]),
        content=st.binary(max_size=100) | tokens,
        sections=SECTIONS,
    )
    def check(head, content, sections):
        answer(f"{format_}, random bytes and tokens", head + content, format_, **sections)

    check()


@fuzzed(few=100, many=20_000)
def test_a_csv_file_under_any_dialect_is_answered(answer, examples):
    @taking(examples)
    @given(content=damaged(SAMPLES["csv"], TOKENS["csv"]), sections=SECTIONS, dialect=CSV_SECTIONS)
    def check(content, sections, dialect):
        answer("csv, samples damaged, any dialect", content, "csv", csv=dialect, **sections)

    check()


@fuzzed(few=50, many=10_000)
@pytest.mark.parametrize("format_", SAMPLES)
def test_where_a_damaged_file_is_cut_into_batches_changes_nothing(read, format_, examples):
    """Batches, and a start in the middle, are how a half-loaded file goes on: all must see the same records."""

    def seen(content: bytes, **options: object) -> object:
        try:
            batches = read(content, format_, **options)
        except TerminalError as error:
            return type(error)
        rows = [row for batch in batches for row in batch.rows.to_pylist()]
        return rows, [reject for batch in batches for reject in batch.rejects]

    def since(found: object, start: int) -> object:
        if isinstance(found, type):
            return found
        rows, rejects = found
        return [row for row in rows if row["_position"] >= start], [r for r in rejects if r.position >= start]

    @taking(examples)
    @given(
        content=damaged(SAMPLES[format_], TOKENS[format_]),
        batch_records=st.integers(1, 9),
        start=st.integers(0, 70),
    )
    def check(content, batch_records, start):
        whole = seen(content)
        # NaN is refused, so that rows can be compared.
        assert seen(content, batch_records=batch_records) == whole
        from_start = seen(content, batch_records=batch_records, start=start)
        # What is damaged only before the start may go unseen.
        assert from_start == since(whole, start) or (isinstance(whole, type) and format_ != "jsonl")

    check()


SUITE = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "jsontestsuite"
CASES = sorted(SUITE.glob("test_*/*.json"))


@pytest.fixture(scope="module")
def bronze_judge():
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contracts(CONTRACTS, tables, environment={})["pgr_events_jsonl"]
    return lambda: JsonJudge(contract.model_copy(update={"columns": {}}), tables[contract.target])


@pytest.mark.skipif(not CASES, reason="JSONTestSuite is not beside this clone")
def test_each_file_of_the_json_test_suite_is_one_record(bronze_judge):
    """Alone, and all in one batch, in which none may change the verdict of another."""
    records = [path.read_bytes() for path in CASES]
    batch = bronze_judge().judge(records, positions=range(len(records)))
    reasons = {reject.position: reject.reason for reject in batch.rejects}

    assert batch.rows.num_rows + len(batch.rejects) == len(records) > 300
    for position, (path, record) in enumerate(zip(CASES, records, strict=True)):
        reason = reasons.get(position)
        alone = bronze_judge().judge([record], positions=[0])
        assert [reject.reason for reject in alone.rejects] == ([] if reason is None else [reason]), path.name
        if path.name.startswith("n_"):
            assert reason is not None, path.name
        if path.name.startswith("y_"):
            assert reason not in {Reason.INVALID_JSON, Reason.NOT_UTF8, Reason.EMPTY_RECORD}, path.name
            if not record.lstrip().startswith(b"{"):
                assert reason is Reason.WRONG_TYPE, path.name


@pytest.mark.skipif(not CASES, reason="JSONTestSuite is not beside this clone")
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_json_test_suite_as_a_file_is_as_many_records_as_it_has_lines(bronze_judge, read, line_end):
    records = [path.read_bytes() for path in CASES]
    lines = [record for record in records if b"\n" not in record and record.strip()]
    one_by_one = [bronze_judge().judge([line], positions=[0]).rejects for line in lines]

    # Two of them begin with a mark of UTF-16, which stands for all of a file where it begins one.
    batches = read(b"{}" + line_end + line_end.join(lines), "jsonl")

    assert sum(batch.records for batch in batches) == 1 + len(lines)
    rejected = {reject.position for batch in batches for reject in batch.rejects}
    assert rejected >= {position for position, rejects in enumerate(one_by_one, start=1) if rejects}


@pytest.mark.skipif(not CASES, reason="JSONTestSuite is not beside this clone")
def test_each_file_of_the_json_test_suite_is_a_file(answer):
    for path in CASES:
        for format_ in SAMPLES:
            answer(f"{format_}, files of JSONTestSuite", path.read_bytes(), format_)


def test_the_shipped_contracts_answer_damaged_samples_of_their_own(fuzz_counts):
    tables = read_table_definitions(BRONZE_TABLES)
    for name, contract in load_contracts(CONTRACTS, tables, environment={}).items():
        if contract.kind != "files":
            continue
        sample = next((CONTRACTS.parents[1] / "tests" / "data" / "sources" / name).glob("sample.*")).read_bytes()
        for length in range(0, len(sample), max(1, len(sample) // 200)):
            for content in (sample[:length], sample[length:], sample[:length] + b"\xff" + sample[length + 1 :]):
                fuzz_counts("shipped samples, cut and changed")["files"] += 1
                try:
                    list(reader_for(contract, tables[contract.target]).read(io.BytesIO(content)))
                except TerminalError as error:
                    assert error.remedy  # noqa: PT017 - either outcome is right


MUCH = 40 * 10**6


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_never_held(contract_of, table, compress, format_):
    """What is asked of the stream, and what comes out of the decoder at once, stays small."""
    record = b"tenant_id,status\n" if format_ == "csv" else b'{"tenant_id":"a"}\n'
    packed = compress(record + bytes(MUCH) + b"\n")
    assert len(packed) < 10**6
    asked: list[int] = []

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(-1 if size is None else size)
            return super().read(size)

    held: list[int] = []
    reader = reader_for(contract_of(format_, max_record_bytes=10**6), table)
    for batch in reader.read(Stream(packed)):
        held += [len(reject.record or b"") for reject in batch.rejects]
        assert [reject.record_bytes for reject in batch.rejects][-1] == MUCH

    assert max(asked) <= 1 << 20
    assert min(asked) > 0
    assert max(held) <= 64 * 1024


#: Reads so many megabytes of records that are made while they are read, and prints the most memory it held, in MB.
MEASURED = """
import resource, sys
from lakehouse.contracts import load_contracts
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.readers import reader_for
from lakehouse.tables.definition import read_table_definitions

name, megabytes = sys.argv[1], int(sys.argv[2])
tables = read_table_definitions(BRONZE_TABLES)
contract = load_contracts(CONTRACTS, tables, environment={})[name].model_copy(update={"columns": {}})
row = (b'2024-12-01,2024-12-01 10:00:00,TENANT_001,%d\\n' if name.endswith("csv") else
       b'{"event_date":"2024-12-01","event_time":"2024-12-01T10:00:00Z","tenant_id":"TENANT_001","entity_id":"%d"}\\n')
head = b"event_date,event_time,tenant_id,entity_id\\n" if name.endswith("csv") else b""

class Stream:
    def __init__(self):
        self.left, self.number = megabytes * 10**6, 0
    def read(self, size):
        if self.left <= 0:
            return b""
        piece = head if not self.number else b""
        piece += b"".join(row % (self.number + n) for n in range(5_000))
        self.number, self.left = self.number + 5_000, self.left - len(piece)
        return piece

batches = reader_for(contract, tables[contract.target]).read(Stream())
assert sum(batch.records for batch in batches) > 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.long
@pytest.mark.parametrize("name", ["pgr_events_csv", "pgr_events_jsonl"])
def test_memory_does_not_grow_with_the_file(name):
    def held(megabytes: int) -> int:
        command = [sys.executable, "-c", MEASURED, name, str(megabytes)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert held(300) < held(40) + 60
