from __future__ import annotations

import codecs
import gzip
import hashlib
import json

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.readers import DamagedFileError, ForeignFileError, Reason
from lakehouse.readers.judged_batch import KEPT_OF_TOO_LARGE

TENANTS = [b'{"tenant_id":"t%d"}' % number for number in range(5)]


@pytest.fixture(scope="module")
def tenants(read, rows_of):
    def tenants(content: bytes, **options: object):
        return [(row["_position"], row["tenant_id"]) for row in rows_of(read(content, "jsonl", **options))]

    return tenants


ALL = [(place, f"t{place}") for place in range(5)]


@pytest.mark.parametrize(
    "content",
    [
        b"\n".join(TENANTS),
        b"\n".join(TENANTS) + b"\n",
        b"\r\n".join(TENANTS) + b"\r\n",
        b"\r\n".join(TENANTS) + b"\r",
        b"\n".join(TENANTS) + b"\n\n\r\n\n",
        codecs.BOM_UTF8 + b"\n".join(TENANTS),
        codecs.BOM_UTF16_LE + b"\n".join(TENANTS).decode().encode("utf-16-le"),
        gzip.compress(TENANTS[0] + b"\n") + gzip.compress(b"\n".join(TENANTS[1:])),
        zstd.compress(b"\n".join(TENANTS)),
    ],
)
def test_every_line_is_a_row(tenants, content):
    assert tenants(content) == ALL


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\n\n", codecs.BOM_UTF8, gzip.compress(b"")])
def test_a_file_without_records_has_no_batch(read, content):
    assert read(content, "jsonl") == []


def test_a_blank_line_before_a_record_takes_a_position_and_is_refused(read, rejects_of, tenants):
    content = b"\n" + TENANTS[0] + b"\n\r\n \n" + TENANTS[1] + b"\n\n"

    assert tenants(content) == [(1, "t0"), (4, "t1")]
    rejects = rejects_of(read(content, "jsonl"))
    assert [(reject.position, reject.line, reject.reason) for reject in rejects] == [
        (0, 1, Reason.EMPTY_RECORD),
        (2, 3, Reason.EMPTY_RECORD),
        (3, 4, Reason.EMPTY_RECORD),
    ]


def test_many_blank_lines_before_a_record_are_as_many_rejects(read, rejects_of):
    batches = read(b"\n" * 1_000 + TENANTS[0], "jsonl", batch_records=100)

    assert len(rejects_of(batches)) == 1_000
    assert max(batch.records for batch in batches) <= 100


def test_a_bad_line_spoils_no_other(read, rejects_of, tenants):
    content = b"\n".join([TENANTS[0], b"{", b"\xff", b"\0", TENANTS[4]])

    assert tenants(content) == [(0, "t0"), (4, "t4")]
    assert [(reject.reason, reject.line, reject.record) for reject in rejects_of(read(content, "jsonl"))] == [
        (Reason.INVALID_JSON, 2, b"{"),
        (Reason.NOT_UTF8, 3, b"\xff"),
        (Reason.NUL_BYTE, 4, b"\0"),
    ]


@pytest.mark.parametrize("start", range(7))
@pytest.mark.parametrize("batch_records", [1, 2, 3, 100])
def test_positions_below_the_start_are_not_emitted(tenants, start, batch_records):
    assert tenants(b"\n".join(TENANTS), start=start, batch_records=batch_records) == ALL[start:]


def test_batches_have_no_more_records_than_asked_for(read):
    batches = read(b"\n".join(TENANTS), "jsonl", batch_records=2)

    assert [batch.records for batch in batches] == [2, 2, 1]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [101, 70_000, 3_000_000])
def test_a_line_over_the_limit_is_refused_and_only_its_head_is_kept(read, rejects_of, tenants, size, line_end):
    large = (b'{"tenant_id":"' + b"x" * size)[: size - 2] + b'"}'
    content = line_end.join([TENANTS[0], large, TENANTS[2], b""])

    assert tenants(content, max_record_bytes=100) == [(0, "t0"), (2, "t2")]
    (reject,) = rejects_of(read(content, "jsonl", max_record_bytes=100))
    assert (reject.reason, reject.position, reject.line) == (Reason.TOO_LARGE, 1, 2)
    assert reject.record == large[:KEPT_OF_TOO_LARGE]
    assert reject.record_bytes == len(large)
    assert reject.record_sha256 == hashlib.sha256(large).hexdigest()


def test_a_line_of_just_the_limit_is_taken(tenants):
    line = b'{"tenant_id":"%b"}' % (b"x" * 50)

    assert len(tenants(line + b"\r\n", max_record_bytes=len(line))) == 1
    assert tenants(line + b"\r\n", max_record_bytes=len(line) - 1) == []


def test_a_line_over_the_limit_is_not_kept_when_it_was_not_scrubbed(read, rejects_of):
    (reject,) = rejects_of(read(b'{"name":"%b"}' % (b"x" * 100), "jsonl", max_record_bytes=50, scrub=("name",)))

    assert reject.record is None
    assert reject.record_bytes == 111


def test_rejects_of_a_transcribed_file_keep_the_bytes_that_were_sent(read, rejects_of):
    sent = '{"visits":"é"}'.encode("utf-16-be")

    (reject,) = rejects_of(read(codecs.BOM_UTF16_BE + sent, "jsonl"))

    assert reject.record == sent
    assert reject.record_bytes == len(sent)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_a_file_that_is_cut_short_fails_and_is_not_silently_shorter(read, compress):
    sent = compress(b"\n".join(json.dumps({"tenant_id": str(number * 7919)}).encode() for number in range(10_000)))
    with pytest.raises(DamagedFileError, match="ends before"):
        read(sent[: len(sent) // 2], "jsonl", batch_records=100)


@given(content=st.binary() | st.lists(st.sampled_from([*TENANTS, b"{", b"\n", b"\r\n", b"\n\n"])).map(b"".join))
def test_any_bytes_are_rows_and_rejects(read, content):
    try:
        batches = read(content, "jsonl", batch_records=3)
    except (DamagedFileError, ForeignFileError):
        return
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\x1f\x8b")):
        lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
        while lines and lines[-1].removesuffix(b"\r") == b"":
            lines.pop()
        assert sum(batch.records for batch in batches) == len(lines)


@given(texts=st.lists(st.text().filter(lambda text: "\0" not in text), max_size=10), ensure_ascii=st.booleans())
def test_text_comes_out_as_it_went_in(read, rows_of, texts, ensure_ascii):
    lines = [json.dumps({"tenant_id": text, "raw_payload": [text]}, ensure_ascii=ensure_ascii) for text in texts]
    rows = rows_of(read("\n".join(lines).encode(), "jsonl"))

    assert [row["tenant_id"] for row in rows] == texts
    assert [row["raw_payload"] for row in rows] == [
        json.dumps([text], ensure_ascii=ensure_ascii) for text in texts
    ]
