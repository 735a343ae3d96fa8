"""The commands that put right what was loaded, without engines."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from lakehouse import repair_commands
from lakehouse.cli import main
from lakehouse.contracts.reason import Reason
from lakehouse.errors import CommitConflictError
from lakehouse.load.period import Period
from lakehouse.repair.listing import LedgerEntry, OpenReject
from lakehouse.repair.replay import ReplayFilter, ReplayReport
from lakehouse.repair.unload import WHOLE, UnloadRange, UnloadReport

MOMENT = datetime(2026, 11, 27, 9, 30)  # noqa: DTZ001 (as the tables hold it)
FOUND = UnloadRange(
    source_id="0k9c000000000000",
    source_kind="object",
    source="s3://warehouse/staging/wrong.csv",
    identity="{}",
    target="iceberg.bronze.service_events_raw",
    contract="pgr_events_csv",
    first_position=0,
    next_position=WHOLE,
    loads=1,
    records_read=1_002,
    rows=1_000,
    rejects=2,
    touched=(),
    is_begun=False,
    is_ended=False,
)
LOADED = LedgerEntry(
    finished_at=MOMENT,
    kind="load",
    source=FOUND.source,
    contract="pgr_events_csv",
    first_position=0,
    next_position=1_002,
    records_read=1_002,
    rows_loaded=1_000,
    rejects=2,
    load_id="0k9c0000000abcd",
    source_id=FOUND.source_id,
    run="lakehouse load",
    actor=None,
    reason="[bold]not markup",
    started_at=MOMENT,
)
REJECTED = OpenReject(
    rejected_at=MOMENT,
    contract="pgr_events_csv",
    source=FOUND.source,
    position=7,
    line=9,
    reason="missing_field",
    column="ward_id",
    detail="there is none",
    record_bytes=1_234,
    load_id="0k9c0000000abcd",
    source_id=FOUND.source_id,
    is_kept=False,
)


@pytest.fixture(autouse=True)
def without_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimpleNamespace(names=mock.sentinel.names)
    monkeypatch.setattr(repair_commands, "Settings", SimpleNamespace(from_environment=lambda: settings))
    monkeypatch.setattr(repair_commands, "connect_with", mock.Mock())
    monkeypatch.setattr(repair_commands, "TrinoEngine", mock.Mock())
    monkeypatch.setattr(repair_commands, "store_of", mock.Mock())
    monkeypatch.setattr(repair_commands.getpass, "getuser", lambda: "asha")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    asked = mock.Mock(return_value=(FOUND,))
    monkeypatch.setattr(repair_commands, "asked_ranges", asked)
    return asked


@pytest.fixture
def taken_out(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    unload = mock.Mock()
    unload.return_value.run.return_value = UnloadReport(range=FOUND, rows=1_000, rejects=2, reloads_as=None)
    monkeypatch.setattr(repair_commands, "Unload", unload)
    return unload


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    replay = mock.Mock()
    replay.return_value.run.return_value = ReplayReport(
        rejects=6, rows=3, failed={"invalid_json": 2}, not_replayable={"their bytes are not kept": 1}
    )
    monkeypatch.setattr(repair_commands, "Replay", replay)
    return replay


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_an_unload_says_what_would_go_and_does_nothing_unless_told(asked, taken_out):
    done = run("unload", "pgr_events_csv", "--key", "staging/wrong.csv", "--reason", "wrong month")
    assert done.exit_code == 0
    assert "1,000 rows in bronze" in done.output
    assert "Nothing was done" in done.output
    assert asked.call_args.kwargs["key"] == "staging/wrong.csv"
    assert not taken_out.called


@pytest.mark.parametrize("reload", [False, True])
def test_an_unload_that_is_told_to_takes_out_what_it_said(asked, taken_out, reload):
    if reload:
        report = dataclasses.replace(taken_out.return_value.run.return_value, reloads_as="1k9c000000000000")
        taken_out.return_value.run.return_value = report
    done = run(
        "unload", "pgr_events_csv", "--load", "7", "--reason", " wrong month ", "--yes", *["--reload"] * reload
    )
    assert done.exit_code == 0
    assert taken_out.call_args.kwargs["actor"] == "asha"
    assert taken_out.call_args.kwargs["reason"] == "wrong month"
    assert taken_out.return_value.run.call_args == mock.call(FOUND, reload=reload)
    assert "1,000 rows and 2 judgements taken out" in done.output
    assert ("the next load takes it again" if reload else "it stays out") in done.output


def test_an_unload_that_lost_every_race_may_be_run_again(asked, taken_out):
    taken_out.return_value.run.side_effect = CommitConflictError(message="again", query_id=None)
    done = run("unload", "pgr_events_csv", "--load", "7", "--reason", "wrong month", "--yes")
    assert done.exit_code == 75


@pytest.mark.parametrize("command", [("unload", "--load", "7", "--yes"), ("replay",)])
@pytest.mark.usefixtures("asked")
def test_nothing_is_put_right_without_a_reason(taken_out, replayed, command):
    name, *options = command
    assert run(name, "pgr_events_csv", *options).exit_code == 2
    assert run(name, "pgr_events_csv", *options, "--reason", "  ").exit_code == 1
    assert (taken_out.called, replayed.called) == (False, False)


def test_what_is_taken_out_has_one_name(taken_out):
    done = run("unload", "pgr_events_csv", "--reason", "wrong month", "--yes")
    assert done.exit_code == 1
    assert "has no name, or more than one" in done.output
    assert not taken_out.called


def test_a_replay_tells_what_passed_what_failed_and_what_it_could_not_judge(replayed):
    done = run("replay", "pgr_events_csv", "--reason", "ward is optional")
    assert done.exit_code == 0
    assert (replayed.call_args.kwargs["actor"], replayed.call_args.kwargs["why"]) == ("asha", "ward is optional")
    assert replayed.return_value.run.call_args == mock.call(ReplayFilter(), dry_run=False)
    assert "6 open rejects: 3 are rows in bronze" in done.output
    assert "2 fail again: invalid_json" in done.output
    assert "1 cannot be replayed: their bytes are not kept" in done.output


def test_a_replay_is_narrowed_by_its_options(replayed):
    done = run(
        "replay", "pgr_events_csv", "--reason", "ward is optional", "--dry-run", "--load", "7",
        "--rejected-for", "missing_field", "--from", "2026-11-27T09:30+05:30", "--to", "2026-11-28",
    )  # fmt: skip
    wanted = ReplayFilter(
        load_id="7",
        reason=Reason.MISSING_FIELD,
        rejected_from=datetime(2026, 11, 27, 4, tzinfo=UTC),
        rejected_to=datetime(2026, 11, 28, tzinfo=UTC),
    )
    assert replayed.return_value.run.call_args == mock.call(wanted, dry_run=True)
    assert "3 would be rows in bronze" in done.output


def test_what_is_no_moment_is_refused_with_an_example():
    done = run("loads", "--from", "yesterday")
    assert done.exit_code == 2
    assert "'yesterday' is no moment" in done.output
    assert "2026-11-27T09:30+05:30" in done.output


def listing(monkeypatch: pytest.MonkeyPatch, name: str, *found: Any) -> mock.Mock:
    asked = mock.Mock(return_value=found)
    monkeypatch.setattr(repair_commands, name, asked)
    return asked


def test_loads_are_shown_as_the_ledger_has_them(monkeypatch):
    unfinished = dataclasses.replace(
        LOADED, kind="unload_intent", finished_at=None, next_position=WHOLE, actor="asha", load_id=None
    )
    asked = listing(monkeypatch, "list_loads", LOADED, unfinished)
    done = run("loads", "pgr_events_csv", "--kind", "load", "--to", "2026-11-28", "--limit", "2")
    assert done.exit_code == 0
    assert asked.call_args.kwargs == {
        "contract": "pgr_events_csv",
        "kind": "load",
        "period": Period(None, datetime(2026, 11, 28, tzinfo=UTC)),
        "most": 2,
    }
    shown = " ".join(done.output.split())
    for text in ("2026-11-27 09:30:00 load", "0-1002", "1,000", "[bold]not markup", "all", "asha"):
        assert text in shown
    assert "begun 2026-11-27 09:30:00 unload_intent" in shown
    assert "--limit shows more" in done.output


def test_rejects_are_shown_without_their_records(monkeypatch):
    asked = listing(monkeypatch, "list_rejects", REJECTED)
    done = run("rejects", "pgr_events_csv", "--rejected-for", "missing_field", "--load", "7")
    assert asked.call_args.kwargs["reason"] is Reason.MISSING_FIELD
    assert asked.call_args.kwargs["load_id"] == "7"
    for text in ("missing_field", "ward_id", "there is none", "1,234, not kept"):
        assert text in done.output


@pytest.mark.parametrize(("command", "found"), [("loads", LOADED), ("rejects", REJECTED)])
def test_what_is_shown_to_tools_is_a_json_object_a_line(monkeypatch, command, found):
    listing(monkeypatch, f"list_{command}", found, found)
    shown = [json.loads(line) for line in run(command, "--format", "json").output.splitlines()]
    assert [line["source_id"] for line in shown] == [FOUND.source_id] * 2
    assert shown[0].keys() == {field.name for field in dataclasses.fields(found)}
