from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from datetime import date
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts import load_contracts
from lakehouse.paths import BRONZE_TABLES, CONTRACTS
from lakehouse.readers import DamagedFileError, ForeignFileError, Reason, SchemaMismatchError, reader_for
from lakehouse.tables.definition import Column, ColumnType, TableDefinition, read_table_definitions

GUIDE_SAMPLE = (
    b"event_date,event_time,tenant_id,service,entity_type,entity_id,event_type,status,actor_type,actor_id,channel,"
    b"ward_id,locality_id,attributes_json,raw_payload\n"
    b"2024-12-01,2024-12-01 10:00:00,TENANT_001,PGR,complaint,CMP_001,CaseSubmitted,OPEN,CITIZEN,CIT_001,WEB,"
    b'WARD_001,LOC_001,"{""complaint_type"":""Water Supply"",""priority"":""MEDIUM"",""sla_hours"":72}",NULL\n'
)


@pytest.fixture(scope="module")
def values(read, rows_of):
    """Tenant and status of each row."""

    def values(content: bytes | str, **options: object):
        sent = content.encode() if isinstance(content, str) else content
        return [(row["tenant_id"], row["status"]) for row in rows_of(read(sent, "csv", **options))]

    return values


@pytest.fixture(scope="module")
def refused(read, rejects_of):
    def refused(content: bytes | str, **options: object):
        sent = content.encode() if isinstance(content, str) else content
        rejects = rejects_of(read(sent, "csv", **options))
        return [(reject.position, reject.line, reject.reason, reject.column) for reject in rejects]

    return refused


def test_the_sample_of_the_old_guide_is_a_row():
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contracts(CONTRACTS, tables, environment={})["pgr_events_csv"]

    (batch,) = reader_for(contract, tables[contract.target]).read(io.BytesIO(GUIDE_SAMPLE))

    (row,) = batch.rows.to_pylist()
    assert row["event_date"] == date(2024, 12, 1)
    assert row["event_time"].isoformat() == "2024-12-01T10:00:00"
    assert row["attributes_json"] == '{"complaint_type":"Water Supply","priority":"MEDIUM","sla_hours":72}'
    assert row["raw_payload"] is None


@pytest.mark.parametrize(
    "content",
    [
        b"tenant_id,status\na,b\nc,d\n",
        b"tenant_id,status\na,b\nc,d",
        b"tenant_id,status\r\na,b\r\nc,d\r\n",
        b"tenant_id,status\ra,b\rc,d\r",
        b"status,tenant_id\nb,a\nd,c\n",
        b'"tenant_id","status"\n"a","b"\n"c","d"\n',
        b"\n\r\ntenant_id,status\na,b\nc,d\n\n\n",
        codecs.BOM_UTF8 + b"tenant_id,status\na,b\nc,d\n",
        codecs.BOM_UTF16_LE + "tenant_id,status\na,b\nc,d\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "tenant_id,status\r\na,b\r\nc,d".encode("utf-16-be"),
        gzip.compress(b"tenant_id,status\na,b\n") + gzip.compress(b"c,d\n"),
        zstd.compress(b"tenant_id,status\na,b\nc,d\n"),
    ],
)
def test_the_same_table_is_read_however_it_is_written(values, content):
    assert values(content) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        ("tenant_id;status\na;'b;\n'", {"delimiter": ";", "quote": "'"}),
        ('tenant_id\tstatus\na\t"b;\n"', {"delimiter": "\t"}),
        ('Report of today\n"unclosed\ntenant_id,status\na,"b;\n"', {"skip_lines": 2}),
    ],
)
def test_a_contract_says_how_the_file_is_written(values, content, dialect):
    assert values(content, csv=dialect) == [("a", "b;\n")]


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-16-be"])
def test_a_declared_encoding_is_read(values, encoding):
    assert values("tenant_id,status\nnaïve,b\n".encode(encoding), csv={"encoding": encoding}) == [("naïve", "b")]


@pytest.mark.parametrize("content", [b"", b"\n\n", codecs.BOM_UTF8, b"tenant_id,status\n", b"tenant_id\n\n\n"])
def test_a_file_without_records_has_no_batch(read, content):
    assert read(content, "csv") == []


def test_text_in_quotes_is_kept_as_it_was_sent(values):
    content = 'tenant_id,status\n"a\r\nb","say ""hi"", x"\n" c ",\n'

    assert values(content) == [("a\r\nb", 'say "hi", x'), (" c ", "")]


def test_texts_that_mean_no_value_are_null(values):
    content = 'tenant_id,status\nNULL,""\n"NULL",x\n'

    assert values(content, nulls=("", "NULL")) == [(None, None), (None, "x")]


def test_a_ragged_record_is_refused_with_its_line(refused, values):
    content = 'tenant_id,status\n"a\na",b\nc\nd,e,f\n\ng,h\n'

    assert values(content) == [("a\na", "b"), ("g", "h")]
    assert refused(content) == [
        (1, 4, Reason.MISSING_FIELD, "status"),
        (2, 5, Reason.EXTRA_FIELD, None),
        (3, 6, Reason.EMPTY_RECORD, None),
    ]


def test_lines_are_counted_from_the_top_of_the_file(refused):
    content = 'title\r\nmore\r\n\r\n"tenant_id","sta\nte"\r\na,b\r\nc\r\n'

    assert refused(content, csv={"skip_lines": 2}) == [(1, 7, Reason.MISSING_FIELD, "sta\nte")]


def test_lines_are_counted_through_records_that_are_refused_or_too_large(refused):
    content = 'tenant_id,status\n"a\n%s",b\nc"\n\n"d\n"x\ne\n' % ("y\n" * 30)

    assert [(line, reason) for _, line, reason, _ in refused(content, max_record_bytes=50)] == [
        (2, Reason.TOO_LARGE),
        (34, Reason.WRONG_TYPE),
        (35, Reason.EMPTY_RECORD),
        (36, Reason.WRONG_TYPE),
        (38, Reason.MISSING_FIELD),
    ]


@pytest.mark.parametrize("start", range(6))
def test_positions_and_lines_do_not_depend_on_where_reading_starts(refused, start):
    content = 'tenant_id,status\n"a\n",b\nc\nd\n"e\n",f\ng\n'
    everything = [
        (1, 4, Reason.MISSING_FIELD, "status"),
        (2, 5, Reason.MISSING_FIELD, "status"),
        (4, 8, Reason.MISSING_FIELD, "status"),
    ]
    for batch_records in (1, 2, 100):
        found = refused(content, start=start, batch_records=batch_records)
        assert found == [reject for reject in everything if reject[0] >= start]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'a"b,c', Reason.WRONG_TYPE),
        (b'"a"b,c', Reason.WRONG_TYPE),
        (b"a\0,b", Reason.NUL_BYTE),
        (b"a\xff,b", Reason.NOT_UTF8),
        (b"a\xed\xa0\x80,b", Reason.NOT_UTF8),
        (b"a" * 200 + b",b", Reason.TOO_LARGE),
    ],
)
def test_a_bad_record_is_kept_as_it_was_sent_and_spoils_no_other(read, rows_of, rejects_of, record, reason):
    batches = read(b"tenant_id,status\nx,y\n" + record + b"\nz,z\n", "csv", max_record_bytes=100)

    assert [row["tenant_id"] for row in rows_of(batches)] == ["x", "z"]
    (reject,) = rejects_of(batches)
    assert (reject.reason, reject.position, reject.line) == (reason, 1, 3)
    assert reject.record == record
    assert reject.record_bytes == len(record)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_quote_that_the_last_record_does_not_close_refuses_it(read, rows_of, rejects_of, end):
    batches = read(b'tenant_id,status\na,b\nc,"d' + end, "csv")

    assert len(rows_of(batches)) == 1
    (reject,) = rejects_of(batches)
    assert (reject.reason, reject.line) == (Reason.WRONG_TYPE, 3)
    assert reject.record == b'c,"d' + end
    assert "no end" in reject.detail


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("limit", [20, 10**6])
def test_a_quote_that_is_never_closed_fails_the_file_if_it_runs_through_other_records(read, start, limit):
    rest = b"".join(b"%d,f\n" % number for number in range(1_000))
    with pytest.raises(DamagedFileError, match="the record in line 3 opens is not closed"):
        read(b'tenant_id,status\na,b\nc,"d\n' + rest, "csv", start=start, max_record_bytes=limit, batch_records=2)


@pytest.mark.parametrize("limit", [20, 10**6])
def test_a_quote_that_is_closed_by_that_of_a_record_far_below_fails_the_file(read, limit):
    rest = b"".join(b"%d,f\n" % number for number in range(101))
    with pytest.raises(DamagedFileError, match=r"line 2 .* 102 line ends further down"):
        read(b'tenant_id,status\nc,"d\n' + rest + b'x,"y"\nz,z\n', "csv", max_record_bytes=limit)


def test_a_text_of_several_lines_with_a_quote_out_of_place_is_one_reject(read, rows_of, rejects_of):
    record = b'c,"one\n' + b"more\n" * 98 + b'said "so" and left"'
    batches = read(b"tenant_id,status\na,b\n" + record + b"\nz,z\n", "csv")

    assert [row["tenant_id"] for row in rows_of(batches)] == ["a", "z"]
    (reject,) = rejects_of(batches)
    assert reject.record == record


def test_a_text_of_many_lines_is_a_text(values):
    text = "line\n" * 5_000

    assert values(f'tenant_id,status\na,"{text}"\n') == [("a", text)]


def test_a_byte_that_the_declared_encoding_lacks_refuses_its_record_only(read, rows_of, rejects_of):
    batches = read(b"tenant_id,status\na\x81,b\n\x80,d\n", "csv", csv={"encoding": "cp1252"})

    assert [row["tenant_id"] for row in rows_of(batches)] == ["€"]
    assert rejects_of(batches)[0].reason is Reason.NOT_UTF8
    assert rejects_of(batches)[0].record == b"a\x81,b"


def test_typed_columns_are_judged_as_everywhere(read, rows_of, refused):
    content = "visits,score,is_open,event_time\n1,2.5,true,2024-12-01 10:00\nx,,,\n,NaN,,\n,,,2024-02-30\n"

    assert refused(content, nulls=("",)) == [
        (1, 3, Reason.WRONG_TYPE, "visits"),
        (2, 4, Reason.WRONG_TYPE, "score"),
        (3, 5, Reason.OUT_OF_RANGE, "event_time"),
    ]
    (row,) = rows_of(read(content.encode(), "csv", nulls=("",)))
    assert (row["visits"], row["score"], row["is_open"]) == (1, 2.5, True)
    assert row["event_date"] == date(2024, 12, 1)


def test_a_column_takes_another_field_a_constant_or_the_whole_record(read, rows_of):
    rules = {"status": {"from": "state"}, "tenant_id": {"value": "pune"}, "raw_payload": {"from": "$record"}}
    (row,) = rows_of(read(b'state,tenant_id\n"a\nb",x\n', "csv", columns=rules))

    assert (row["status"], row["tenant_id"], row["raw_payload"]) == ("a\nb", "pune", '"a\nb",x')


def test_columns_that_nothing_takes_are_counted_once_a_record(read):
    batches = read(b"tenant_id,x,y\na,,\nb,,\nc\n", "csv")

    assert batches[0].unknown_columns == {"x": 2, "y": 2}


def test_columns_that_nothing_takes_refuse_every_record_where_the_contract_says_so(refused):
    assert refused("tenant_id,x\na,b\n", unknown_columns="reject") == [(0, 2, Reason.EXTRA_FIELD, "x")]


@pytest.mark.parametrize(
    ("header", "sections", "said"),
    [
        ("tenant_id,status,status", {}, "'status': stands 2 times"),
        ("status", {"columns": {"tenant_id": {"required": True}}}, "'tenant_id': required for tenant_id"),
        ("tenant,status", {"columns": {"tenant_id": {"required": True}}}, "is it 'tenant'?"),
        ("tenant_id,x", {"unknown_columns": "fail"}, "'x': in the file, but no column takes it"),
        ("a,b,c", {}, "is its first line a header?"),
        ("Complaints of 2024", {}, "csv.skip_lines"),
        ("tenant_id;status", {}, "is the delimiter ';'?"),
        ("tenant_id\tstatus", {}, "is the delimiter '\\t'?"),
        ("t\0e\0n\0a\0n\0t\0", {}, "UTF-16"),
        ("tenant_id, status", {}, "' status': differs from 'status' in case or spaces only"),
        ("tenant_id,Status", {}, "write columns.status.from: 'Status'"),
        ("tenant_id,\u00a0status", {}, "differs from 'status'"),
        ("\ufeff\ufefftenant_id,status", {}, "differs from 'tenant_id'"),
        ("tenant_id,state", {"columns": {"status": {"from": "State"}}}, "'state': differs from 'State'"),
        ('tenant_id,"sta', {}, "cannot be read"),
        ('tenant_id,sta"tus', {}, "cannot be read"),
        ("tenant_id," + "x" * 200, {"max_record_bytes": 100}, "cannot be read"),
    ],
)
def test_a_header_that_does_not_fit_fails_the_file_and_says_how(read, header, sections, said):
    with pytest.raises(SchemaMismatchError) as caught:
        read(f"{header}\na,b,c\n".encode(), "csv", **sections)

    assert said in str(caught.value)


def test_a_header_mismatch_tells_every_difference_and_what_the_file_has(read):
    required = {"columns": {"tenant_id": {"required": True}, "status": {"required": True}}}
    with pytest.raises(SchemaMismatchError) as caught:
        read(b"floor,floor\n", "csv", **required)

    assert len(caught.value.differences) == 3
    assert caught.value.found == ("floor", "floor")


def test_a_header_that_cannot_be_decoded_fails_the_file(read):
    with pytest.raises(SchemaMismatchError, match="byte 0 of it cannot be decoded"):
        read(b"\xff,a\n", "csv")


@pytest.mark.parametrize(
    "header", ["tenant_id,Status,status", "status,tenant_id, status", "State,status,tenant_id"]
)
def test_a_column_that_is_there_under_its_own_name_may_have_one_beside_it_that_is_written_nearly_so(read, header):
    (batch,) = read(f"{header}\na,b,c\n".encode(), "csv")

    assert batch.rows.num_rows == 1
    assert len(batch.unknown_columns) == 1


def test_columns_without_a_name_are_called_by_their_place(read, rows_of):
    batches = read(b"tenant_id,,status, ,\na,1,b,2,\n", "csv")

    assert [(row["tenant_id"], row["status"]) for row in rows_of(batches)] == [("a", "b")]
    assert batches[0].unknown_columns == {"(column 2)": 1, "(column 4)": 1, "(column 5)": 1}


def test_a_column_without_a_name_is_unknown_like_any_other(read, refused):
    assert refused("tenant_id,\na,\n", unknown_columns="reject") == [(0, 2, Reason.EXTRA_FIELD, "(column 2)")]
    with pytest.raises(SchemaMismatchError, match=r"'\(column 2\)': in the file, but no column takes it"):
        read(b"tenant_id,\na,\n", "csv", unknown_columns="fail")


def test_a_mismatch_is_told_column_by_column(read):
    rules = {"tenant_id": {"from": "city", "required": True}, "raw_payload": {"from": "$record"}}
    with pytest.raises(SchemaMismatchError) as caught:
        read(b"status,x,x\na,b,c\n", "csv", columns=rules)

    assert caught.value.comparison == (
        ("'event_date' date", ""),
        ("'event_time' timestamp(6)", ""),
        ("'city' varchar for tenant_id, required", ""),
        ("'status' varchar", "'status'"),
        ("'visits' bigint", ""),
        ("'floor' integer", ""),
        ("'score' double", ""),
        ("'is_open' boolean", ""),
        ("'attributes_json' varchar", ""),
        ("", "'x'"),
        ("", "'x'"),
    )
    assert "  'city' varchar for tenant_id, required  -\n" in str(caught.value)


def test_a_mismatch_is_told_in_bounded_length(read):
    header = ",".join(f"{'x' * 1_000}{number}" for number in range(5_000))
    with pytest.raises(SchemaMismatchError) as caught:
        read(header.encode() + b"\n", "csv", unknown_columns="fail")

    assert len(str(caught.value)) < 100_000
    assert "more" in str(caught.value)


def test_a_required_column_with_a_default_or_a_day_to_derive_may_be_absent(values):
    rules = {"tenant_id": {"required": True, "default": "pune"}, "event_date": {"required": True}}

    assert values("event_time,status\n2024-12-01,a\n", columns=rules) == [("pune", "a")]


def test_a_file_that_is_cut_short_fails(read):
    sent = gzip.compress(b"tenant_id,status\n" + b"".join(b"%d,x\n" % (number * 7919) for number in range(9_000)))
    with pytest.raises(DamagedFileError):
        read(sent[:-20], "csv", batch_records=10)


FIELDS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(
    rows=st.lists(st.tuples(FIELDS, FIELDS), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    # Python quotes a line end only when it is of the kind it writes itself.
    style=st.sampled_from(
        [("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL)]
    ),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_text_comes_out_as_it_went_in(values, rows, delimiter, style, encoding):
    sent = io.StringIO(newline="")
    line_end, quoting = style
    writer = csv.writer(sent, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([("tenant_id", "status"), *rows])

    assert values(sent.getvalue().encode(encoding), csv={"delimiter": delimiter}) == rows


@given(
    content=st.binary()
    | st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b"\xff", b"\0"])).map(b"".join)
)
def test_any_bytes_below_a_header_are_rows_and_rejects(read, content):
    try:
        read(b"tenant_id,status\n" + content, "csv", batch_records=3, max_record_bytes=20)
    except DamagedFileError as error:
        # Only a quote that runs through other records keeps a text from being some.
        assert "is not closed" in str(error)  # noqa: PT017 - either outcome is right
        assert b'"' in content


@given(content=st.binary())
def test_any_bytes_are_a_file_or_an_error_that_says_what_to_do(read, content):
    try:
        read(content, "csv")
    except (DamagedFileError, ForeignFileError, SchemaMismatchError) as error:
        assert error.remedy  # noqa: PT017 - either outcome is right


SPECTRUM = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "csv-spectrum"
#: ``location_coordinates`` contradicts its own expectation.
SPECTRUM_CASES = sorted(path for path in SPECTRUM.glob("csvs/*.csv") if path.stem != "location_coordinates")


@pytest.mark.skipif(not SPECTRUM_CASES, reason="csv-spectrum is not beside this clone")
@pytest.mark.parametrize("path", SPECTRUM_CASES, ids=lambda path: path.stem)
def test_csv_spectrum_is_read_as_it_wants(contract_of, path):
    expected = json.loads((SPECTRUM / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
    columns = tuple(Column(name, ColumnType.VARCHAR) for name in expected[0])
    table = TableDefinition("iceberg.bronze.spectrum", columns, (), path)
    content = path.read_bytes()
    if path.stem.endswith("_crlf") and b"\r" not in content:
        # Copies of the corpus that went through git have lost what these files are about.
        content = content.replace(b"\n", b"\r\n")

    (batch,) = reader_for(contract_of("csv"), table).read(io.BytesIO(content))

    assert batch.rejects == ()
    assert batch.rows.drop_columns(["_position"]).to_pylist() == expected


def test_values_are_mapped_and_a_dot_in_a_name_is_a_dot(read, rows_of, rejects_of):
    rules = {"status": {"from": "case.status", "map": {"Open": "OPEN", "Closed": "CLOSED"}}}

    batches = read(b"case.status\nOpen\nClosed\nodd\n", "csv", columns=rules)

    assert [row["status"] for row in rows_of(batches)] == ["OPEN", "CLOSED"]
    assert [(reject.reason, reject.column) for reject in rejects_of(batches)] == [(Reason.NOT_ALLOWED, "status")]
