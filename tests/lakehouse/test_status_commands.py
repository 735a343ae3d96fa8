from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from lakehouse import status_commands
from lakehouse.cli import main
from lakehouse.watch.condition import Finding, Judgement, Kind
from lakehouse.watch.platform_check import CheckReport, PlatformCheck
from lakehouse.watch.status import PlatformStatus, SourceStatus
from tests.lakehouse.load.doubles import MOMENT
from tests.lakehouse.watch.doubles import ChecksEngine
from tests.lakehouse.watch.test_alert import OPENED

VISITS = SourceStatus(
    source="visits",
    kind="files",
    newest_load=MOMENT,
    freshness_seconds=7200,
    is_fresh=False,
    rows_today=1234,
    open_rejects=5,
    refused_files=None,
    lag=None,
    missing=None,
    conditions=("stale",),
)
TOPIC = SourceStatus(
    source="topic",
    kind="kafka",
    newest_load=None,
    freshness_seconds=None,
    is_fresh=None,
    rows_today=0,
    open_rejects=0,
    refused_files=0,
    lag=70,
    missing=3,
    conditions=(),
)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(status_commands, "TrinoEngine", lambda _connect: ChecksEngine())


def show(monkeypatch: pytest.MonkeyPatch, found: PlatformStatus, *options: str) -> Any:
    monkeypatch.setattr(status_commands, "read_status", lambda *_args, **_options: found)
    return CliRunner().invoke(main, ["status", *options])


def test_a_status_without_a_condition_succeeds(monkeypatch):
    shown = show(monkeypatch, PlatformStatus(sources=(TOPIC,), conditions=(), silent=()))
    assert shown.exit_code == 0, shown.output
    assert "no condition is open" in shown.output
    assert "70 (3 missing)" in shown.output


def test_a_status_with_a_condition_fails_and_says_what_to_do(monkeypatch):
    shown = show(monkeypatch, PlatformStatus(sources=(VISITS, TOPIC), conditions=(OPENED,), silent=("store",)))
    assert shown.exit_code == 1, shown.output
    for text in ("1,234", "2 h: MISSED", "2026-11-23 09:00 UTC", "store does not answer", OPENED.runbook):
        assert text in shown.output
    assert "docs/runbooks/source-stale.md; http://airflow/dags/ingest_files__visits" in shown.output


def test_what_is_found_is_shown_and_not_taken_for_markup(monkeypatch):
    odd = replace(OPENED, detail="[red]staging/[/red] [/]")
    shown = show(monkeypatch, PlatformStatus(sources=(VISITS,), conditions=(odd,), silent=()))
    assert "[red]staging/[/red] [/]" in shown.output


def test_a_status_is_json_for_programs(monkeypatch):
    shown = show(monkeypatch, PlatformStatus(sources=(VISITS,), conditions=(OPENED,), silent=()), "--json")
    assert shown.exit_code == 1
    told = json.loads(shown.output)
    assert told["sources"][0]["newest_load"] == "2026-11-23T09:00:00+00:00"
    assert told["conditions"][0]["condition_key"] == "stale/visits"


def test_a_check_by_hand_says_what_is_open_and_fails(monkeypatch):
    report = CheckReport(opened=(OPENED,), cleared=(), open=(OPENED,), told=0)
    monkeypatch.setattr(PlatformCheck, "run", lambda _check, **_options: report)
    shown = CliRunner().invoke(main, ["check"])
    assert (shown.exit_code, shown.output) == (1, "opened stale/visits: The newest load is old.\n")


def test_a_check_by_hand_that_finds_nothing_says_so(monkeypatch):
    report = CheckReport(opened=(), cleared=(), open=(), told=0)
    monkeypatch.setattr(PlatformCheck, "run", lambda _check, **_options: report)
    shown = CliRunner().invoke(main, ["check"])
    assert (shown.exit_code, shown.output) == (0, "no condition is open\n")


def test_an_objective_that_is_not_due_yet_is_not_said_to_be_kept(monkeypatch):
    young = replace(VISITS, newest_load=None, is_fresh=True, conditions=())
    shown = show(monkeypatch, PlatformStatus(sources=(young,), conditions=(), silent=()))
    assert "2 h: not due yet" in shown.output


def test_a_dry_check_that_finds_nothing_says_so_of_now(monkeypatch):
    monkeypatch.setattr(PlatformCheck, "judge", lambda _check, **_options: Judgement())
    shown = CliRunner().invoke(main, ["check", "--dry-run"])
    assert (shown.exit_code, shown.output) == (0, "nothing is the matter\n")


def test_a_dry_check_runs_none(monkeypatch):
    finding = Finding(Kind.STALE, "visits", "Old.", since=MOMENT - timedelta(hours=1))
    monkeypatch.setattr(PlatformCheck, "run", None)
    monkeypatch.setattr(PlatformCheck, "judge", lambda _check, **_options: Judgement((finding,)))
    shown = CliRunner().invoke(main, ["check", "--dry-run", "--json"])
    assert shown.exit_code == 1
    assert json.loads(shown.output) == {
        "kind": "stale",
        "source": "visits",
        "detail": "Old.",
        "since": "2026-11-23T08:00:00+00:00",
    }
