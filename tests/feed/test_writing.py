from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

import feed.sinks.parquet_file
from feed import Compression, Format, Kind, Options, OtherFeedError, deliver, plan_files, read_truth, write
from tests.feed.independent_reader import good_rows, read_content

SMALL = Options(events=600, seed=11, days=10, duplicates=0.05, late=0.05, bad=0.1, files=3)

TEXT_FORMATS = (Format.CSV, Format.JSONL)


def time_of(row: dict) -> datetime:
    moment = datetime.fromisoformat(row["event_time"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def test_rows_and_rejects_of_every_file_are_as_many_as_the_truth_says(mixed_feed, mixed_records):
    for file in mixed_feed.truth.files:
        records, counts = mixed_records[file.name], file.counts
        assert counts.records == len(records) == counts.good_rows + sum(counts.rejects.values())
        assert counts.good_rows == sum(isinstance(record, dict) for record in records) > 0
        assert counts.rejects == Counter(record for record in records if isinstance(record, str))


def test_duplicates_late_and_disordered_events_are_as_many_as_the_truth_says(mixed_feed, mixed_rows):
    seen, newest = set(), datetime.min.replace(tzinfo=UTC)
    for file in mixed_feed.truth.files:
        counted = Counter()
        for row in mixed_rows[file.name]:
            identifier = row["attributes"]["event_id"]
            if identifier in seen:
                counted["duplicates"] += 1
                continue
            seen.add(identifier)
            counted["distinct_events"] += 1
            age = newest - time_of(row)
            if age >= timedelta(days=1):
                counted["late"] += 1
            elif age > timedelta(0):
                counted["out_of_order"] += 1
            newest = max(newest, time_of(row))
        for name in ("distinct_events", "duplicates", "late", "out_of_order"):
            assert getattr(file.counts, name) == counted[name], (file.name, name)
    assert len(seen) == mixed_feed.truth.total.distinct_events == mixed_feed.truth.options.events


def test_planted_numbers_are_the_shares_asked_for(mixed_feed):
    total = mixed_feed.truth.total
    assert total.duplicates == 360
    assert sum(total.rejects.values()) == 240
    assert total.late == pytest.approx(240, rel=0.25)
    assert total.out_of_order == pytest.approx(240, rel=0.25)
    for counts in (file.counts for file in mixed_feed.truth.files):
        assert counts.duplicates > 0
        assert counts.late > 0


def test_totals_are_the_sums_of_the_files(mixed_feed):
    truth = mixed_feed.truth
    for name in ("records", "good_rows", "distinct_events", "duplicates", "late", "out_of_order"):
        assert getattr(truth.total, name) == sum(getattr(file.counts, name) for file in truth.files)
    assert Counter(truth.total.rejects) == sum((Counter(file.counts.rejects) for file in truth.files), Counter())


def test_a_second_delivery_is_the_same_event_in_every_column(mixed_rows):
    first = {}
    for row in (row for rows in mixed_rows.values() for row in rows):
        columns = {
            name: row[name]
            for name in ("event_date", "tenant_id", "entity_id", "event_type", "status", "actor_id", "attributes")
        } | {"time": time_of(row)}
        assert first.setdefault(row["attributes"]["event_id"], columns) == columns


def test_every_format_has_every_reason_it_can_have(mixed_feed):
    reasons = {"csv": set(), "jsonl": set(), "parquet": set()}
    for file in mixed_feed.truth.files:
        reasons[file.name.rsplit(".", 1)[1]] |= set(file.counts.rejects)
    everywhere = {"not_utf8", "missing_field", "out_of_range", "nul_byte"}
    text = everywhere | {"wrong_type", "empty_record"}
    assert reasons["csv"] == text | {"extra_field"}
    assert reasons["jsonl"] == text | {"invalid_json", "duplicate_field", "too_deep"}
    assert reasons["parquet"] == everywhere


@pytest.mark.parametrize("file_format", TEXT_FORMATS)
def test_no_empty_record_stands_at_an_end_of_a_file(tmp_path, file_format):
    options = replace(SMALL, bad=0.5, files=150, formats=(file_format,))
    truth = write(options, tmp_path)
    assert truth.total.rejects["empty_record"] > 0
    for file in truth.files:
        lines = read_content(tmp_path / file.name).splitlines()
        assert lines[-1] != b""
        assert lines[0 if file_format is Format.JSONL else 1] != b""


def test_the_date_is_the_utc_day_of_the_time(mixed_rows):
    for row in (row for rows in mixed_rows.values() for row in rows):
        assert time_of(row).astimezone(UTC).date().isoformat() == row["event_date"]


def test_times_have_milliseconds_and_more_than_one_offset(mixed_rows):
    rows = [row for name, rows in mixed_rows.items() if name.endswith("jsonl") for row in rows]
    assert {time_of(row).utcoffset() for row in rows} >= {
        timedelta(0),
        timedelta(minutes=330),
        timedelta(minutes=180),
    }
    assert len({time_of(row).microsecond for row in rows}) > 500


def test_csv_has_both_spellings_of_null_and_line_breaks_inside_fields(mixed_feed, mixed_rows):
    rows = [row for name, rows in mixed_rows.items() if name.endswith("csv") for row in rows]
    assert {row["raw_payload"] == "NULL" for row in rows} == {True, False}
    assert any(row["ward_id"] == "" for row in rows)
    assert any("\n" in row["attributes_json"] for row in rows)
    name = next(name for name in mixed_rows if name.endswith("csv"))
    assert b"\r\n" in mixed_feed.content(name)


def test_texts_hold_what_breaks_careless_readers(mixed_rows):
    texts = {
        row["attributes"].get("description") or row["attributes"].get("comment") or ""
        for rows in mixed_rows.values()
        for row in rows
    }
    for trouble in ('"', "\n", "\r\n", "\\", ",", "é", "ਗਲੀ", "😷"):
        assert any(trouble in text for text in texts), trouble


def test_type_priority_and_sla_come_with_the_submission_only(mixed_rows):
    for row in (row for rows in mixed_rows.values() for row in rows):
        attributes = row["attributes"]
        is_submission = row["event_type"] == "CaseSubmitted"
        assert {"complaint_type", "priority", "sla_hours", "department"}.issubset(attributes) is is_submission
        assert ("rating" in attributes) is (row["event_type"] == "CaseClosed")


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
@pytest.mark.parametrize("file_format", TEXT_FORMATS)
def test_compressed_files_hold_the_plain_ones(tmp_path, compression, file_format):
    plain = replace(SMALL, formats=(file_format,))
    write(plain, tmp_path / "plain")
    write(replace(plain, compression=compression), tmp_path / "compressed")
    for file in plan_files(plain):
        packed = tmp_path / "compressed" / f"{file.name}{compression.suffix(file_format)}"
        assert read_content(packed) == (tmp_path / "plain" / file.name).read_bytes()
        assert packed.stat().st_size < (tmp_path / "plain" / file.name).stat().st_size / 3


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_compressed_parquet_is_compressed_inside(tmp_path, compression):
    plain = replace(SMALL, formats=(Format.PARQUET,), files=1)
    write(plain, tmp_path / "plain")
    write(replace(plain, compression=compression), tmp_path / "compressed")
    name = plan_files(plain)[0].name
    packed = pq.ParquetFile(tmp_path / "compressed" / name)
    assert packed.read() == pq.read_table(tmp_path / "plain" / name)
    assert packed.metadata.row_group(0).column(0).compression == compression.name


def test_parquet_is_cut_into_row_groups_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(feed.sinks.parquet_file, "ROW_GROUP_ROWS", 250)
    options = replace(SMALL, formats=(Format.PARQUET,), files=1)
    write(options, tmp_path)
    metadata = pq.ParquetFile(tmp_path / plan_files(options)[0].name).metadata
    assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [250, 250, 190]


def test_the_same_options_give_the_same_files(tmp_path):
    options = replace(SMALL, compression=Compression.GZIP, formats=tuple(Format))
    truths = [write(options, tmp_path / name) for name in ("one", "two")]
    assert truths[0] == truths[1]
    for path in sorted((tmp_path / "one").iterdir()):
        if path.suffix == ".gz":
            assert path.read_bytes()[4:8] == bytes(4)  # no time of writing
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_another_seed_gives_another_feed(tmp_path):
    write(replace(SMALL, seed=1), tmp_path / "one")
    write(replace(SMALL, seed=2), tmp_path / "two")
    name = plan_files(SMALL)[0].name
    assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("file_format", "digest"), [(Format.JSONL, "775948b37a162a09"), (Format.CSV, "989bc6b94b90e77f")]
)
def test_the_feed_is_the_one_that_every_machine_and_python_version_gives(tmp_path, file_format, digest):
    options = Options(events=2_000, seed=42, days=14, tenants=10, bad=0.05, formats=(file_format,))
    write(options, tmp_path)
    content = (tmp_path / plan_files(options)[0].name).read_bytes()
    assert hashlib.sha256(content).hexdigest()[:16] == digest


def test_formats_hold_the_same_good_rows(tmp_path):
    rows = {}
    for file_format in Format:
        options = replace(SMALL, files=1, formats=(file_format,))
        write(options, tmp_path / file_format)
        content = read_content(tmp_path / file_format / plan_files(options)[0].name)
        rows[file_format] = [
            (time_of(row), row["tenant_id"], row["entity_id"], row["attributes"])
            for row in good_rows(content, file_format)
        ]
    assert rows[Format.CSV] == rows[Format.JSONL] == rows[Format.PARQUET]


def test_files_are_equal_in_records_and_match_the_contracts_patterns():
    options = Options(events=20_000, files=200, duplicates=0, bad=0, compression=Compression.ZSTD)
    plans = plan_files(options)
    assert {plan.records for plan in plans} == {100}
    assert plans[0].name == "pgr_events_20261001_0001.jsonl.zst"
    assert [plan.name for plan in plans] == sorted(plan.name for plan in plans)


def test_the_truth_is_read_back_as_it_was(tmp_path):
    truth = write(SMALL, tmp_path)
    assert read_truth(tmp_path / "truth.json") == truth
    assert json.loads((tmp_path / "truth.json").read_text())["total"]["records"] == truth.total.records


def test_files_of_another_feed_are_not_mixed_with_this_one(tmp_path):
    write(replace(SMALL, files=5), tmp_path)
    with pytest.raises(OtherFeedError, match=r"holds 2 files .*_0004\.jsonl.* give an empty directory"):
        write(SMALL, tmp_path)


def test_the_same_feed_may_be_written_again(tmp_path):
    assert write(SMALL, tmp_path) == write(SMALL, tmp_path)


def test_deliveries_are_every_event_once_and_its_copies_after_it():
    first, copies = set(), Counter()
    for event, kind in deliver(SMALL):
        if kind is Kind.FIRST:
            assert event not in first
            first.add(event)
        else:
            assert event in first
            copies[kind] += 1
    assert len(first) == SMALL.events
    assert copies == {Kind.DUPLICATE: 30, Kind.DAMAGED: 60}


def test_a_feed_too_short_for_late_events_has_none(tmp_path):
    assert write(replace(SMALL, days=1, late=0.5), tmp_path).total.late == 0
