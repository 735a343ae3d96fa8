from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.readers import DamagedFileError, ForeignFileError, SchemaMismatchError
from lakehouse.readers.foreign_files import foreign_kind

CONTENT = b"tenant_id,status\n" + b"".join(b"t%d,%d\n" % (number, number * 7919) for number in range(2_000))


def as_zip(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.csv", content)
    return sink.getvalue()


def as_tar(content: bytes) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        entry = tarfile.TarInfo("events.csv")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


def as_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"tenant_id": ["a"]}), sink)
    return sink.getvalue()


FOREIGN = {
    "zip": (as_zip(CONTENT), "a ZIP archive"),
    "empty zip": (as_zip(b"")[-22:], "a ZIP archive"),
    "bzip2": (bz2.compress(CONTENT), "bzip2"),
    "empty bzip2": (bz2.compress(b""), "bzip2"),
    "xz": (lzma.compress(CONTENT), "xz"),
    "lzma": (lzma.compress(CONTENT, lzma.FORMAT_ALONE), "LZMA"),
    "snappy": (b"\xff\x06\x00\x00sNaPpY\x00N;\x00\x00", "Snappy"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40", "LZ4"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "old workbook"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "avro": (b"Obj\x01\x04\x14avro.codec", "Avro"),
    "arrow": (b"ARROW1\x00\x00" + bytes(8), "Arrow"),
    "tar": (as_tar(CONTENT), "tar"),
    "zlib": (zlib.compress(CONTENT), "zlib"),
    "fast zlib": (zlib.compress(CONTENT, 1), "zlib"),
    "faster zlib": (zlib.compress(CONTENT, 3), "zlib"),
    "small zlib": (zlib.compress(b"a"), "zlib"),
    "tar.gz": (gzip.compress(as_tar(CONTENT)), "tar"),
    "zip in zstd": (zstd.compress(as_zip(CONTENT)), "a ZIP archive"),
    "gzip twice": (gzip.compress(gzip.compress(CONTENT)), "compressed twice"),
    "gzip in zstd": (zstd.compress(gzip.compress(CONTENT)), "compressed twice"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_a_file_of_a_foreign_kind_is_refused_by_its_name(read, name, format_):
    content, kind = FOREIGN[name]

    with pytest.raises(ForeignFileError) as caught:
        read(content, format_)

    assert kind in caught.value.kind
    assert "gzip or zstd" in caught.value.remedy


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_parquet_where_text_is_wanted_is_said(read, format_, compress):
    with pytest.raises(ForeignFileError, match="Parquet"):
        read(compress(as_parquet()), format_)


def test_an_encrypted_parquet_file_is_said_to_be_one(read):
    with pytest.raises(ForeignFileError, match="encrypted"):
        read(b"PARE" + (300).to_bytes(4, "little") + as_parquet()[8:-4] + b"PARE", "parquet")


@pytest.mark.parametrize(
    "content",
    [
        b"x^2,tenant_id\n1,a\n",
        b"x^,tenant_id\n,a\n",
        b"PAR1,tenant_id\n,a\n",
        b"PARENT_ID,tenant_id\n1,a\n",
        b"a" * 256 + b"justar,tenant_id\n1,a\n",
        b"PK,tenant_id\n,a\n",
        b"BZh9,tenant_id\n,a\n",
        b"Obj,tenant_id\n,a\n",
        codecs.BOM_UTF8 + b"%PDF-,tenant_id\n,a\n",
        b"x^2\xe9,tenant_id\n1,a\n",
    ],
)
def test_a_text_that_begins_alike_is_a_text(read, rows_of, content):
    (row,) = rows_of(read(content, "csv", csv={"encoding": "latin-1"}))

    assert row["tenant_id"] == "a"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("boston311-100.csv.zip", "a ZIP archive"),
        ("boston311-100.csv.zlib", "zlib"),
        ("boston311-100.csv.sz", "Snappy"),
        ("NYC311-5.csv.zlib", "zlib"),
        ("NYC311-5.tsv.zlib", "zlib"),
        ("NYC311-5.arrow", "Arrow"),
        ("NYC311-5.avro", "Avro"),
    ],
)
def test_files_of_others_that_are_not_read_are_named(shared_data, read, name, kind):
    with pytest.raises(ForeignFileError) as caught:
        read((shared_data / "us-311-samples" / name).read_bytes(), "csv")

    assert kind in caught.value.kind


def test_what_a_bad_transfer_left_of_a_foreign_file_is_refused_too(shared_data, read):
    # Its bytes were once taken for text, so that nothing tells what it was.
    with pytest.raises(SchemaMismatchError):
        read((shared_data / "us-311-samples" / "boston311-100-invalidsnappy.csv.sz").read_bytes(), "csv")


@pytest.mark.parametrize("text", ["]", "]000", "]\x00", "]," + "a" * 40])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-le"])
def test_a_text_in_a_wide_encoding_that_begins_with_a_bracket_is_no_lzma_data(text, encoding):
    assert foreign_kind(text.encode(encoding)) is None


@given(head=st.text(max_size=40))
def test_no_text_is_of_a_foreign_kind(head):
    assert foreign_kind(head.encode()) is None or "\0" in head or head.startswith(("%PDF-", "\x5d\0"))


@given(
    length=st.integers(0, 600), name=st.sampled_from(sorted(FOREIGN)), format_=st.sampled_from(["csv", "parquet"])
)
def test_a_piece_of_a_foreign_file_is_an_error_or_no_rows(read, length, name, format_):
    try:
        batches = read(FOREIGN[name][0][:length], format_)
    except (ForeignFileError, DamagedFileError, SchemaMismatchError) as error:
        assert error.remedy  # noqa: PT017 - either outcome is right
    else:
        assert sum(batch.rows.num_rows for batch in batches) == 0
