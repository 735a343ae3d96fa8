"""Conditions on the real engines: opened, cleared and told once, whatever runs beside a check or kills it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lakehouse.broker import KafkaBroker
from lakehouse.cli import main
from lakehouse.contracts.contract import Contract
from lakehouse.engine import Outcome, TrinoEngine, connect_with
from lakehouse.statements import Statement
from lakehouse.watch.alert import Alert
from lakehouse.watch.checks import CHECKS, LEASE
from lakehouse.watch.condition import KAFKA
from lakehouse.watch.facts import LONGEST_SILENCE
from lakehouse.watch.platform_check import CheckReport, PlatformCheck
from tests.engine.conftest import BRONZE, Platform, Source, event, lines
from tests.engine.stream import Stream
from tests.lakehouse.watch.doubles import Told

pytestmark = pytest.mark.engine

WORKER = Path(__file__).parent / "check_worker.py"
LOAD_WORKER = Path(__file__).parent / "load_worker.py"
HOUR = timedelta(hours=1)
OBJECTIVE = "freshness: 2h\n"


@dataclass
class InterruptedEngine:
    """An engine in which something happens right before a check stores what it found."""

    engine: TrinoEngine
    happens: Callable[[], object]
    is_over: bool = False

    def execute(self, statement: Statement) -> Outcome:
        if statement.name == "watch/merge_checks.sql" and not self.is_over:
            self.is_over = True
            self.happens()
        return self.engine.execute(statement)


@dataclass
class Watcher:
    """Checks one source, at a time that the test chooses."""

    platform: Platform
    contract: Contract
    told: Told = field(default_factory=Told)
    ahead: timedelta = timedelta()

    def check(
        self, *, engine: Any = None, told: Told | None = None, is_full: bool = False, **options: Any
    ) -> CheckReport:
        return PlatformCheck(
            [self.contract],
            targets=[BRONZE],
            engine=engine or self.platform.engine,
            store=self.platform.store,
            notifier=told or self.told,
            clock=lambda: datetime.now(UTC) + self.ahead,
            **options,
        ).run(is_full=is_full)

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        return self.platform.rows(
            f"select {columns} from {CHECKS} where source like ? order by recorded_at, condition_key, step",
            f"%{self.contract.name}%",
        )

    def open(self) -> list[str]:
        """As the view shows it."""
        found = self.platform.rows(
            "select kind from iceberg.bronze.open_conditions where source like ? order by kind",
            f"%{self.contract.name}%",
        )
        return [kind for (kind,) in found]

    @property
    def alerts(self) -> list[Alert]:
        """Without those of other sources, which a check takes over when nobody else told them."""
        return [alert for alert in self.told.alerts if self.contract.name in alert.source or alert.source == KAFKA]

    @property
    def subjects(self) -> list[str]:
        return [alert.subject.replace(self.contract.name, "SOURCE") for alert in self.alerts]


@pytest.fixture
def watch(platform: Platform) -> Iterator[Callable[..., Watcher]]:
    """Watches a source while the test lasts; what was found of it is forgotten afterwards."""
    watched: list[str] = []

    def watch(source: Source | Stream) -> Watcher:
        watched.append(source.contract.name)
        return Watcher(platform=platform, contract=source.contract)

    yield watch
    for name in watched:
        platform.rows(f"delete from {CHECKS} where source like ?", f"%{name}%")


OPEN = "OPEN: SOURCE: no load within the objective"
CLEARED = "CLEARED: SOURCE: no load within the objective"


def test_a_source_that_goes_stale_is_told_once_over_two_checks_and_once_more_when_it_is_loaded(
    make_source: Callable[..., Source], watch: Callable[..., Watcher]
):
    source = make_source(text=OBJECTIVE)
    watcher = watch(source)
    watcher.check()
    assert (watcher.subjects, watcher.open()) == ([], [])
    # Nothing ever arrived.
    watcher.ahead = 3 * HOUR
    assert len(watcher.check().opened) == 1
    watcher.check()
    assert (watcher.subjects, watcher.open()) == ([OPEN], ["stale"])
    source.put("events.jsonl", lines(event(number) for number in range(3)))
    source.load()
    watcher.ahead = HOUR
    assert len(watcher.check().cleared) == 1
    watcher.check()
    assert (watcher.subjects, watcher.open()) == ([OPEN, CLEARED], [])
    # It arrived once, and no more.
    watcher.ahead = 6 * HOUR
    watcher.check()
    assert watcher.subjects == [OPEN, CLEARED, OPEN]
    assert "The newest load ended" in watcher.alerts[-1].what
    assert watcher.rows("change, step, episode") == [
        ("watched", "found", 0),
        ("cleared", "found", 1),
        ("cleared", "told", 1),
        ("opened", "found", 1),
        ("opened", "told", 1),
        ("opened", "found", 2),
        ("opened", "told", 2),
    ]


def test_checks_without_a_change_commit_nothing(make_source: Callable[..., Source], watch: Callable[..., Watcher]):
    watcher = watch(make_source(text=OBJECTIVE))
    watcher.check()
    watcher.ahead = 3 * HOUR
    watcher.check()
    before = watcher.rows("recorded_at")
    watcher.check()
    watcher.check()
    assert watcher.rows("recorded_at") == before
    assert len(before) == 3


def test_a_refused_file_is_told_until_it_is_put_again_or_deleted(
    make_source: Callable[..., Source], watch: Callable[..., Watcher]
):
    source = make_source()
    watcher = watch(source)
    key = source.put("bad.jsonl", "nothing of this is JSON\n" * 5).partition("/tests/")[2]
    source.load()
    watcher.check()
    watcher.check()
    assert watcher.subjects == ["OPEN: SOURCE: files were refused"]
    assert "RejectBudgetError" in watcher.alerts[0].what
    assert "nothing of this is JSON" not in watcher.alerts[0].text
    names = source.platform.settings.names
    source.platform.store.delete(bucket=names.bucket, key=f"tests/{key}")
    watcher.check()
    assert watcher.subjects[1:] == ["CLEARED: SOURCE: files were refused"]


def test_an_object_that_nobody_matches_is_told_until_it_is_gone(
    make_source: Callable[..., Source], watch: Callable[..., Watcher]
):
    source = make_source()
    watcher = watch(source)
    source.put("events.jsonl", lines([event(1)]))
    source.put("stray.csv", "of another format")
    source.put("folder/stray #1.jsonl", "of another folder")
    watcher.check()
    watcher.check()
    [alert] = watcher.alerts
    assert alert.source.endswith(source.prefix)
    assert "2 objects of no contract" in alert.what
    assert f"{source.prefix}folder/stray #1.jsonl" in alert.what
    names = source.platform.settings.names
    for name in ("stray.csv", "folder/stray #1.jsonl"):
        source.platform.store.delete(bucket=names.bucket, key=f"{source.prefix}{name}")
    watcher.check()
    assert [told.is_open for told in watcher.alerts] == [True, False]


def test_damage_is_told_by_the_certificate_of_what_was_touched_and_cleared_when_it_is_mended(
    make_source: Callable[..., Source], watch: Callable[..., Watcher]
):
    source = make_source()
    watcher = watch(source)
    source.put("events.jsonl", lines(event(number) for number in range(5)))
    source.load()
    watcher.check()
    assert watcher.subjects == []
    [(source_id,)] = watcher.platform.rows(
        "select source_id from iceberg.bronze.sources where contract = ?", source.contract.name
    )
    watcher.platform.rows(f"delete from {BRONZE} where _source_id = ? and _position = 3", source_id)
    try:
        watcher.check()
        watcher.check()
        assert watcher.subjects == ["OPEN: SOURCE: the certificate has problems"]
        assert "rows missing" in watcher.alerts[0].what
    finally:
        watcher.platform.rows(f"delete from {BRONZE} where _source_id = ?", source_id)
        watcher.platform.rows("delete from iceberg.bronze.ledger where source_id = ?", source_id)
    watcher.check()
    assert watcher.subjects[1:] == ["CLEARED: SOURCE: the certificate has problems"]


def test_what_a_load_left_half_done_is_told_when_nobody_goes_on_with_it(
    make_source: Callable[..., Source], watch: Callable[..., Watcher], tmp_path: Path
):
    source = make_source()
    watcher = watch(source)
    source.put("events.jsonl", lines(event(number) for number in range(5)))
    command = [sys.executable, str(LOAD_WORKER), str(tmp_path / f"{source.contract.name}.yaml"), "rows"]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    watcher.check(is_full=True)
    assert watcher.subjects == []
    watcher.ahead = LONGEST_SILENCE + timedelta(minutes=1)
    watcher.check(is_full=True)
    assert watcher.subjects == ["OPEN: SOURCE: the certificate has problems"]
    assert "rows or rejects without a ledger row" in watcher.alerts[0].what
    source.load()
    watcher.check()
    assert watcher.subjects[1:] == ["CLEARED: SOURCE: the certificate has problems"]


def test_a_hole_in_the_ledger_is_told(make_source: Callable[..., Source], watch: Callable[..., Watcher]):
    source = make_source()
    watcher = watch(source)
    source.put("events.jsonl", lines(event(number) for number in range(5)))
    source.load()
    watcher.platform.rows(
        "update iceberg.bronze.ledger set first_position = 2 where contract = ?", source.contract.name
    )
    try:
        watcher.check()
        assert watcher.subjects == ["OPEN: SOURCE: a gap in the ledger"]
        assert "2 positions of 1 source" in watcher.alerts[0].what
    finally:
        watcher.platform.rows(
            "update iceberg.bronze.ledger set first_position = 0 where contract = ?", source.contract.name
        )
    watcher.check()
    assert watcher.subjects[1:] == ["CLEARED: SOURCE: a gap in the ledger"]


def test_too_many_rejects_of_a_day_are_told_and_name_no_record(
    make_source: Callable[..., Source], watch: Callable[..., Watcher]
):
    source = make_source(text="reject_budget: {share: 0.9, day_share: 0.1}\n")
    watcher = watch(source)
    source.put("events.jsonl", lines(event(number) for number in range(8)) + '{"phone": "9876543210"\n' * 2)
    source.load()
    watcher.check()
    assert watcher.subjects == ["OPEN: SOURCE: too many rejects"]
    assert "2 of 10 records" in watcher.alerts[0].what
    assert "9876543210" not in watcher.alerts[0].text


def test_of_two_checks_at_once_one_opens_and_tells(
    make_source: Callable[..., Source], watch: Callable[..., Watcher], platform: Platform
):
    watcher = watch(make_source(text=OBJECTIVE))
    watcher.check()
    watcher.ahead = 3 * HOUR
    other = Told()
    own = TrinoEngine(connect_with(platform.settings, source="tests"))
    watcher.check(engine=InterruptedEngine(own, happens=lambda: watcher.check(told=other)))
    assert (OPEN.replace("SOURCE", watcher.contract.name) in other.subjects, watcher.subjects) == (True, [])
    assert watcher.rows("change, step")[1:] == [("opened", "found"), ("opened", "told")]


def test_a_check_that_is_killed_between_storing_and_telling_is_followed_by_one_that_tells(
    make_source: Callable[..., Source], watch: Callable[..., Watcher], tmp_path: Path
):
    source = make_source(text=OBJECTIVE)
    watcher = watch(source)
    watcher.check()
    contract = tmp_path / f"{source.contract.name}.yaml"
    command = [sys.executable, str(WORKER), str(contract), str((3 * HOUR).total_seconds())]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    watcher.ahead = 3 * HOUR
    watcher.check()
    assert (watcher.subjects, watcher.open()) == ([], ["stale"])
    watcher.ahead += LEASE + timedelta(minutes=1)
    watcher.check()
    watcher.check()
    assert watcher.subjects == [OPEN]


def test_a_drain_that_is_behind_and_messages_that_are_gone_are_told(
    make_stream: Callable[..., Stream], watch: Callable[..., Watcher]
):
    stream = make_stream(text="lag: 5\n")
    watcher = watch(stream)
    check = partial(watcher.check, broker=lambda: stream.broker)
    stream.send(event(number) for number in range(4))
    stream.drain()
    stream.send(event(number) for number in range(4, 9))
    check()
    assert watcher.subjects == []
    stream.send([event(9)])
    check()
    assert watcher.subjects == ["OPEN: SOURCE: the drain is behind"]
    stream.forget(before=8)
    check()
    assert watcher.subjects[1:] == [
        "CLEARED: SOURCE: the drain is behind",
        "OPEN: SOURCE: messages were deleted before they were read",
    ]


def test_brokers_that_are_down_are_a_condition_and_leave_what_was_open(
    make_stream: Callable[..., Stream], watch: Callable[..., Watcher]
):
    stream = make_stream(text="lag: 1\n")
    watcher = watch(stream)
    stream.send(event(number) for number in range(3))
    watcher.check(broker=lambda: stream.broker)
    down = KafkaBroker({"bootstrap.servers": "127.0.0.1:1", "socket.connection.setup.timeout.ms": 1000})
    watcher.check(broker=lambda: down)
    assert watcher.subjects == ["OPEN: SOURCE: the drain is behind", "OPEN: kafka: does not answer"]
    watcher.check(broker=lambda: stream.broker)
    assert watcher.subjects[2:] == ["CLEARED: kafka: does not answer"]
    assert watcher.open() == ["lag"]


def test_the_status_names_every_source_and_fails_while_a_condition_is_open(
    make_source: Callable[..., Source], watch: Callable[..., Watcher]
):
    source = make_source(text=OBJECTIVE)
    watcher = watch(source)
    watcher.check()
    watcher.ahead = 3 * HOUR
    watcher.check()
    shown = CliRunner().invoke(main, ["status"])
    told = CliRunner().invoke(main, ["status", "--json"])
    assert shown.exit_code == told.exit_code == 1, shown.output
    assert f"stale/{source.contract.name}, open since" in shown.output
    assert "docs/runbooks/source-stale.md" in shown.output
    status = json.loads(told.stdout)
    assert {"pgr_events_csv", "pgr_events_kafka"} <= {each["source"] for each in status["sources"]}
    assert f"stale/{source.contract.name}" in {each["condition_key"] for each in status["conditions"]}


def test_a_dry_check_by_hand_says_what_is_the_matter_and_stores_nothing(platform: Platform):
    before = platform.rows(f"select count(*) from {CHECKS}")
    outcome = CliRunner().invoke(main, ["check", "--dry-run"])
    assert outcome.exit_code in {0, 1}, outcome.output
    assert not outcome.exception or isinstance(outcome.exception, SystemExit)
    assert platform.rows(f"select count(*) from {CHECKS}") == before
