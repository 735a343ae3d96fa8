from __future__ import annotations

import pytest
from click.testing import CliRunner

from feed import read_truth
from feed.__main__ import main


def run(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_the_command_writes_the_feed_and_shows_its_truth(tmp_path):
    result = run(
        *("--out", str(tmp_path), "--events", "3000", "--seed", "5", "--days", "9", "--start", "2026-02-01"),
        *("--tenants", "2", "--duplicates", "0.1", "--late", "0", "--out-of-order", "0", "--bad", "0.01"),
        *("--format", "csv", "--format", "jsonl", "--files", "4", "--compress", "gzip"),
    )

    assert result.exit_code == 0, result.output
    truth = read_truth(tmp_path / "truth.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pgr_events_20260201_0001.csv.gz",
        "pgr_events_20260201_0002.jsonl.gz",
        "pgr_events_20260201_0003.csv.gz",
        "pgr_events_20260201_0004.jsonl.gz",
        "truth.json",
    ]
    assert truth.total.late == truth.total.out_of_order == 0
    assert "3,300 = 3,000 events + 300 duplicates" in result.output
    assert f"{truth.cases.resolved_late:,} of {truth.cases.resolved:,} resolved" in result.output


def test_an_impossible_combination_is_explained(tmp_path):
    result = run("--out", str(tmp_path), "--format", "csv", "--format", "jsonl", "--files", "1")
    assert result.exit_code == 1
    assert "files is 1; give at least one for each format" in result.output


def test_another_feeds_directory_is_refused(tmp_path):
    assert run("--out", str(tmp_path), "--events", "100").exit_code == 0
    result = run("--out", str(tmp_path), "--events", "100", "--format", "csv")
    assert result.exit_code == 1
    assert "give an empty directory" in result.output


def test_the_truth_goes_where_it_is_wanted(tmp_path):
    truth_path = tmp_path / "elsewhere" / "known.json"
    result = run("--to", str(tmp_path / "files"), "--events", "100", "--truth", str(truth_path), "--cases")
    assert result.exit_code == 0, result.output
    assert str(truth_path) in result.output
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["pgr_events_20261001_0001.jsonl"]
    assert sorted(path.name for path in truth_path.parent.iterdir()) == ["cases.parquet", "known.json"]


@pytest.mark.parametrize(
    ("place", "arguments"),
    [("kafka", ("--format", "csv")), ("kafka", ("--compress", "zstd")), ("feed", ("--topic", "pgr-events"))],
)
def test_an_option_that_would_do_nothing_is_refused(tmp_path, monkeypatch, place, arguments):
    monkeypatch.chdir(tmp_path)
    result = run("--to", place, "--events", "10", *arguments)
    assert result.exit_code == 2
    assert f"{arguments[0]} does not apply to {'messages' if place == 'kafka' else 'files'}" in result.output
    assert list(tmp_path.iterdir()) == []


def test_kafka_without_an_address_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    result = run("--to", "kafka", "--events", "10")
    assert result.exit_code == 1
    assert "set KAFKA_BOOTSTRAP_SERVERS" in result.output
