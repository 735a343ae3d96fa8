"""The commands that remove what may be kept no longer, without engines."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import pytest
from click.testing import CliRunner

from lakehouse import removal_commands
from lakehouse.cli import main
from lakehouse.repair.erasure import ErasureReport, NamingSource
from lakehouse.repair.removal import RemovalCount
from lakehouse.repair.retention import RetentionReport

PERSON = "9876543210"
MOMENT = datetime(2026, 11, 27, 9, 30)  # noqa: DTZ001 (as the tables hold it)
BRONZE = "iceberg.bronze.service_events_raw"
FOUND = NamingSource(
    source="s3://warehouse/staging/events.csv",
    source_kind="object",
    contract="pgr_events_csv",
    rows=3,
    rejects=1,
    unrecorded=1,
    original="s3://warehouse/staging/events.csv",
)


def report(*, is_dry_run: bool = True, sources: tuple[NamingSource, ...] = (FOUND,)) -> ErasureReport:
    return ErasureReport(
        is_dry_run=is_dry_run,
        sources=sources,
        later_rows={"iceberg.silver.silver_pgr_events": len(sources)},
        removed=RemovalCount() if is_dry_run else RemovalCount(sources=1, records=4),
        by_hand=0,
        spools_dropped=(),
        spools_kept=(),
        readable_since={BRONZE: MOMENT},
    )


@pytest.fixture(autouse=True)
def without_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimpleNamespace(names=mock.sentinel.names)
    monkeypatch.setattr(removal_commands, "Settings", SimpleNamespace(from_environment=lambda: settings))
    for name in ("connect_with", "TrinoEngine", "store_of"):
        monkeypatch.setattr(removal_commands, name, mock.Mock())
    monkeypatch.setattr(removal_commands.getpass, "getuser", lambda: "asha")


@pytest.fixture
def retained(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    retention = mock.Mock()
    looked = RetentionReport(table=BRONZE, before=date(2016, 11, 29), days=2, rows=1_000)
    retention.return_value.look.return_value = looked
    retention.return_value.run.return_value = RetentionReport(
        table=BRONZE, before=date(2016, 11, 29), days=2, rows=1_000, records=990, by_hand=4
    )
    monkeypatch.setattr(removal_commands, "Retention", retention)
    return retention


@pytest.fixture
def erased(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    erasure = mock.Mock()
    erasure.return_value.run.side_effect = lambda *, dry_run: report(is_dry_run=dry_run)
    monkeypatch.setattr(removal_commands, "Erasure", erasure)
    return erasure


def set_retention(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(removal_commands, "read_environment", lambda: {"LAKEHOUSE_RETENTION": text})


def test_nothing_is_old_while_retention_is_off(monkeypatch, retained):
    set_retention(monkeypatch, "off")
    done = CliRunner().invoke(main, ["retain", "--yes"])
    assert (done.exit_code, retained.called) == (0, False)
    assert "kept for ever" in done.output


def test_a_retention_says_what_would_go_and_removes_it_only_when_told(monkeypatch, retained):
    set_retention(monkeypatch, "3650d")
    done = CliRunner().invoke(main, ["retain"])
    assert f"{BRONZE}: 2 days before 2016-11-29 have 1,000 rows" in done.output
    assert "Nothing was done" in done.output
    assert not retained.return_value.run.called
    done = CliRunner().invoke(main, ["retain", "--yes"])
    assert "990 records of sources and 4 rows by hand are removed" in done.output
    assert "6 rows are of loads that are not recorded yet" in done.output
    assert retained.call_args.kwargs["age"] == timedelta(days=3650)
    assert retained.call_args.kwargs["actor"] == "asha"


def test_another_age_is_only_for_looking(monkeypatch, retained):
    set_retention(monkeypatch, "off")
    assert CliRunner().invoke(main, ["retain", "--older-than", "400d"]).exit_code == 0
    assert retained.call_args.kwargs["age"] == timedelta(days=400)
    assert CliRunner().invoke(main, ["retain", "--older-than", "400d", "--yes"]).exit_code == 2
    assert not retained.return_value.run.called


def test_a_person_is_read_from_standard_input_and_told_nowhere(erased):
    done = CliRunner().invoke(main, ["erase", "--reason", "request 7"], input=f"{PERSON}\n")
    assert done.exit_code == 0, done.output
    assert PERSON not in done.output
    assert erased.return_value.run.call_args.kwargs == {"dry_run": True}
    assert "s3://warehouse/staging/events.csv: 3 rows, 1 rejects" in done.output
    assert "delete yourself: s3://warehouse/staging/events.csv" in done.output
    assert "1 are of loads that are not recorded yet" in done.output
    assert "With --yes it is removed" in done.output


def test_an_erasure_says_what_is_to_be_done_next_and_how_far_back_tables_can_be_read(erased):
    done = CliRunner().invoke(main, ["erase", "--reason", "request 7", "--yes"], input=f"{PERSON}\n")
    assert erased.return_value.run.call_args.kwargs == {"dry_run": False}
    assert "removed: 4 records of 1 sources" in done.output
    assert "run this again after it" in done.output
    assert f"{BRONZE} can be read as it was since 2026-11-27 09:30 UTC" in done.output


def test_an_erasure_that_finds_nothing_says_so(erased):
    erased.return_value.run.side_effect = lambda *, dry_run: report(is_dry_run=dry_run, sources=())
    done = CliRunner().invoke(main, ["erase", "--reason", "request 7"], input=f"{PERSON}\n")
    assert "Nothing names the person." in done.output
    assert "With --yes" not in done.output


def test_the_report_of_an_erasure_is_json_for_programs(erased):
    done = CliRunner().invoke(main, ["erase", "--reason", "request 7", "--json"], input=f"{PERSON}\n")
    told = json.loads(done.output)
    assert (told["sources"][0]["rows"], told["removed"]["records"]) == (3, 0)


def test_what_names_nobody_is_refused_before_anything_is_asked(erased):
    done = CliRunner().invoke(main, ["erase", "--reason", "request 7"], input="123\n")
    assert (done.exit_code, erased.called) == (1, False)
    done = CliRunner().invoke(main, ["erase", "--reason", "  "], input=f"{PERSON}\n")
    assert (done.exit_code, erased.called) == (1, False)
