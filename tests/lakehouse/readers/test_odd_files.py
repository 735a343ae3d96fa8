"""Files as offices really export them: rows, rejects or a clear error, and nothing taken for what it is not."""

from __future__ import annotations

import gzip

import pytest

from lakehouse.readers import SchemaMismatchError

#: What a contract of such a feed would say: everything it relies on is required.
RULES = {"tenant_id": {"required": True}, "event_time": {"required": True}}
HEADER = "tenant_id,event_time,status,visits,score\n"
GOOD = "pune,2024-12-01 10:00:00,OPEN,5,1.5\n"


@pytest.fixture(scope="module")
def outcome(read):
    """The tenants of the rows, and line and reason of the rejects."""

    def outcome(content: str | bytes, **sections: object):
        sent = content.encode() if isinstance(content, str) else content
        batches = read(sent, "csv", **{"columns": RULES, "nulls": ("", "NULL", "N/A")} | sections)
        rows = [row["tenant_id"] for batch in batches for row in batch.rows.to_pylist()]
        return rows, [
            (reject.line, str(reject.reason), reject.column) for batch in batches for reject in batch.rejects
        ]

    return outcome


@pytest.mark.parametrize(
    ("content", "line", "reason", "column"),
    [
        ("Total,,,42,\n", 3, "missing_field", "event_time"),
        (",,,42,7.5\n", 3, "missing_field", "event_time"),
        ("Rows: 1\n", 3, "missing_field", "event_time"),
        (",,,,\n", 3, "missing_field", "event_time"),
        ("--,--,--,--,--\n", 3, "wrong_type", "event_time"),
        ("# end of report\n", 3, "missing_field", "event_time"),
        ("\x1a\n", 3, "missing_field", "event_time"),
        ("\f\n", 3, "missing_field", "event_time"),
        ("City,Time,Status,Visits,Score\n", 3, "wrong_type", "event_time"),
        ("text,datetime,text,integer,number\n", 3, "wrong_type", "event_time"),
        ('pune,2024-12-01,OPEN,"1,234",1\n', 3, "wrong_type", "visits"),
        ("pune,2024-12-01,OPEN,1\u00a0234,1\n", 3, "wrong_type", "visits"),
        ("pune,2024-12-01,OPEN,1'234,1\n", 3, "wrong_type", "visits"),
        ('pune,2024-12-01,OPEN,1,"1,5"\n', 3, "wrong_type", "score"),
        ("pune,2024-12-01,OPEN,1,₹ 5\n", 3, "wrong_type", "score"),
        ("pune,2024-12-01,OPEN,1,50%\n", 3, "wrong_type", "score"),
        ("pune,2024-12-01,OPEN, 1,1\n", 3, "wrong_type", "visits"),
        ("pune,2024-12-01,OPEN,1.0,1\n", 3, "wrong_type", "visits"),
        ("pune,2024-12-01,OPEN,1e3,1\n", 3, "wrong_type", "visits"),
        ("pune,2024-12-01,OPEN,\u0665,1\n", 3, "wrong_type", "visits"),
        ("pune,2024-12-01,OPEN,#REF!,1\n", 3, "wrong_type", "visits"),
        ("pune,########,OPEN,1,1\n", 3, "wrong_type", "event_time"),
        ("pune,45627.41667,OPEN,1,1\n", 3, "wrong_type", "event_time"),
        ("pune,01/12/2024,OPEN,1,1\n", 3, "wrong_type", "event_time"),
        ("pune,2024-12-01 10:00 PM,OPEN,1,1\n", 3, "wrong_type", "event_time"),
        ("pune,0000-00-00 00:00:00,OPEN,1,1\n", 3, "out_of_range", "event_time"),
        ("pune,2024-12-01,OPEN,1,1,\n", 3, "extra_field", None),
        ("pune,2024-12-01,OPEN,1,1,,,,\n", 3, "extra_field", None),
        ("pune,2024-12-01,OPEN\n", 3, "missing_field", "visits"),
        ("pune;2024-12-01;OPEN;1;1\n", 3, "missing_field", "event_time"),
        ('pune, "2024-12-01",OPEN,1,1\n', 3, "wrong_type", None),
        ('pune,2024-12-01,said "no",1,1\n', 3, "wrong_type", None),
        ('="001",2024-12-01,OPEN,1,1\n', 3, "wrong_type", None),
        ('pune,2024-12-01,"a \\"quoted\\" word",1,1\n', 3, "wrong_type", None),
        ("pune,2024-12-01,OPEN\0,1,1\n", 3, "nul_byte", None),
        (HEADER, 3, "wrong_type", None),
        (f"\ufeff{HEADER}", 3, "wrong_type", None),
        ("\n", 3, "empty_record", None),
        ('pune,2024-12-01,"Ward 3,1,1\n', 3, "wrong_type", None),
    ],
)
def test_a_line_that_is_no_record_is_refused_and_those_about_it_are_rows(outcome, content, line, reason, column):
    assert outcome(HEADER + GOOD + content + ("" if '"Ward 3' in content else GOOD)) == (
        ["pune"] * (1 if '"Ward 3' in content else 2),
        [(line, reason, column)],
    )


@pytest.mark.parametrize(
    ("content", "sections"),
    [
        (f"Complaints of 2024\nPrinted on 1 Jan\n{HEADER}{GOOD}", {"csv": {"skip_lines": 2}}),
        (f'"Complaints\n{HEADER}{GOOD}', {"csv": {"skip_lines": 1}}),
        (f"sep=,\n{HEADER}{GOOD}", {"csv": {"skip_lines": 1}}),
        (f"\n\n{HEADER}{GOOD}\n\n\n", {}),
        (HEADER.replace("\n", ",,,\n") + GOOD.replace("\n", ",,,\n"), {}),
        ((HEADER + GOOD).replace(",", ";"), {"csv": {"delimiter": ";"}}),
        ((HEADER + GOOD).replace(",", "\t"), {"csv": {"delimiter": "\t"}}),
        ((HEADER + GOOD).replace(",", "|"), {"csv": {"delimiter": "|"}}),
        ((HEADER + GOOD).replace(",", "~"), {"csv": {"delimiter": "~"}}),
        ((HEADER + GOOD).replace("\n", "\r"), {}),
        (HEADER + GOOD.rstrip("\n"), {}),
        (HEADER.upper() + GOOD, {"columns": {"tenant_id": {"from": "TENANT_ID"}} | {
            name: {"from": name.upper()} for name in ("event_time", "status", "visits", "score")
        }}),
        (HEADER + 'pune,"2024-12-01","OPEN","5","1.5"\n', {}),
        (HEADER + "pune,2024-12-01,N/A,NULL,\n", {}),
        (HEADER + 'pune,2024-12-01,"=""001""",5,\n', {}),
        (HEADER + "pune,2024-12-01,'OPEN',5,\n", {}),
        (HEADER + "pune,2024-12-01,\u00a0OPEN ,5,\n", {}),
        (HEADER + "pune,2024-12-01,+cmd|' /C calc'!A0,5,\n", {}),
        (HEADER + "pune,1/12/2024 9:05,OPEN,5,\n", {"times": {"formats": ["%d/%m/%Y %H:%M"]}}),
        (HEADER + "pune,01-Dec-24 09.05.00 PM,OPEN,5,\n", {"times": {"formats": ["%d-%b-%y %I.%M.%S %p"]}}),
        (gzip.compress(HEADER.encode()) + gzip.compress(GOOD.encode()), {}),
        ((HEADER + GOOD).encode("utf-16"), {}),
        ((HEADER + GOOD).encode("utf-8-sig"), {"csv": {"encoding": "latin-1"}}),
    ],
)  # fmt: skip
def test_a_file_that_is_odd_but_whole_is_its_rows(outcome, content, sections):
    assert outcome(content, **sections) == (["pune"], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"Complaints of 2024\n{HEADER}{GOOD}", "csv.skip_lines"),
        (f"sep=;\n{HEADER}{GOOD}", "is the delimiter ';'?"),
        ((HEADER + GOOD).replace(",", ";"), "is the delimiter ';'?"),
        ((HEADER + GOOD).replace(",", ", "), "differs from 'event_time' in case or spaces only"),
        (HEADER.upper() + GOOD, "write columns.tenant_id.from: 'TENANT_ID'"),
        ((HEADER + GOOD).encode("utf-16-le"), "UTF-16"),
        (GOOD + GOOD, "is its first line a header?"),
        ("City,Time\nपुणे,2024-12-01\n", "'tenant_id': required for tenant_id, but not in the file"),
        ("<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", "is its first line a header?"),
        ('{"tenant_id":"pune"}\n', "the header cannot be read: it is not well-formed"),
        ("tenant_id,event_time,tenant_id\n", "'tenant_id': stands 2 times"),
        ("tenant_id,ev\xe9nt\n".encode("latin-1"), "cannot be decoded"),
    ],
)
def test_a_file_that_is_not_what_the_contract_says_is_refused_as_a_whole(outcome, content, said):
    with pytest.raises(SchemaMismatchError) as caught:
        outcome(content)

    assert said in str(caught.value)


def test_encodings_mixed_in_one_file_refuse_the_records_that_are_in_the_other(outcome):
    content = HEADER.encode() + GOOD.encode() + "málaga,2024-12-01,OPEN,1,1\n".encode("latin-1") + GOOD.encode()

    assert outcome(content) == (["pune", "pune"], [(3, "not_utf8", None)])


def test_files_that_were_put_one_behind_the_other_are_all_read(outcome):
    sent = "tenant_id,status\npune,OPEN\n".encode("utf-8-sig")

    assert outcome(gzip.compress(sent) * 3, columns={}) == (
        ["pune"] * 3,
        [(3, "wrong_type", None), (5, "wrong_type", None)],
    )


def test_a_header_of_one_name_may_stand_among_its_values(outcome):
    assert outcome("tenant_id\npune\ntenant_id\n", columns={}) == (["pune", "tenant_id"], [])
