"""What is opened, cleared and told, over checks that follow each other, run at once, or die."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lakehouse.broker import BrokerUnavailableError
from lakehouse.errors import StoreUnavailableError
from lakehouse.watch.alert import AlertNotSentError
from lakehouse.watch.checks import LEASE
from lakehouse.watch.platform_check import CheckReport, PlatformCheck
from tests.lakehouse.load.doubles import MemoryStore, rows_of
from tests.lakehouse.watch.doubles import ChecksEngine, Clock, Told, contract_of, naive

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
VISITS = contract_of(freshness="2h")
OPEN = "OPEN: visits: no load within the objective"
CLEARED = "CLEARED: visits: no load within the objective"


class DyingError(BaseException):
    """The check dies here: nothing catches it."""


class Dying:
    """Whom a check that dies would have told."""

    def send(self, alert: Any) -> None:
        raise DyingError


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine() -> ChecksEngine:
    return ChecksEngine()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def check(engine, store, clock, told) -> Callable[..., CheckReport]:
    def check(*contracts, notifier: Any = told, **options: Any) -> CheckReport:
        return PlatformCheck(
            contracts or (VISITS,),
            targets=["iceberg.bronze.visits"],
            engine=engine,
            store=store,
            notifier=notifier,
            clock=clock,
            **options,
        ).run()

    return check


@pytest.fixture
def loaded(engine, clock) -> Callable[[], None]:
    def loaded() -> None:
        engine.answers["watch/loads.sql"] = rows_of(("visits", naive(clock.now), 1, 1, 0))

    return loaded


def go_stale(check, clock) -> None:
    check()
    clock.now += 3 * HOUR


def test_a_source_that_goes_stale_is_told_once_and_once_more_when_it_is_loaded(check, clock, engine, told, loaded):
    go_stale(check, clock)
    assert [change.condition_key for change in check().opened] == ["stale/visits"]
    clock.now += 5 * MINUTE
    second = check()
    assert (second.opened, len(second.open)) == ((), 1)
    assert told.subjects == [OPEN]
    loaded()
    assert [change.condition_key for change in check().cleared] == ["stale/visits"]
    assert (check().open, told.subjects) == ((), [OPEN, CLEARED])
    alert = told.alerts[0]
    assert (alert.since, alert.runbook) == (clock.now - 65 * MINUTE, "docs/runbooks/source-stale.md")


def test_nothing_is_written_while_nothing_changes(check, clock, engine):
    go_stale(check, clock)
    # That the source is watched; that it is stale, and that this was told.
    check()
    assert engine.commits == 3
    for _ in range(5):
        clock.now += 5 * MINUTE
        check()
    assert engine.commits == 3


def test_a_condition_that_comes_back_is_another_one(check, clock, told, loaded):
    go_stale(check, clock)
    check()
    loaded()
    check()
    clock.now += 3 * HOUR
    assert [change.episode for change in check().opened] == [2]
    assert told.subjects == [OPEN, CLEARED, OPEN]
    assert len({alert.alert_id for alert in told.alerts}) == 3


def test_of_two_checks_at_once_one_opens_and_tells(check, clock, engine, told):
    go_stale(check, clock)
    other = Told()
    engine.before_merge = lambda: check(notifier=other)
    check()
    assert (other.subjects, told.subjects) == ([OPEN], [])


def test_what_a_dead_check_stored_and_did_not_tell_is_told_by_a_later_one(check, clock, told):
    go_stale(check, clock)
    with pytest.raises(DyingError):
        check(notifier=Dying())
    clock.now += 5 * MINUTE
    # For all that is known, the other one is about to tell.
    check()
    assert told.subjects == []
    clock.now += LEASE
    check()
    check()
    assert told.subjects == [OPEN]


def test_of_two_checks_that_take_over_at_once_one_tells(check, clock, engine, told):
    go_stale(check, clock)
    with pytest.raises(DyingError):
        check(notifier=Dying())
    clock.now += 2 * LEASE
    other = Told()
    engine.before_merge = lambda: check(notifier=other)
    check()
    assert (other.subjects, told.subjects) == ([OPEN], [])


def test_a_check_that_dies_taking_over_is_followed_by_the_next(check, clock, told):
    go_stale(check, clock)
    for _ in range(3):
        with pytest.raises(DyingError):
            check(notifier=Dying())
        clock.now += 2 * LEASE
    check()
    assert told.subjects == [OPEN]


def test_a_clearing_is_never_told_before_its_opening(check, clock, told, loaded):
    go_stale(check, clock)
    with pytest.raises(DyingError):
        check(notifier=Dying())
    clock.now += MINUTE
    loaded()
    check()
    assert told.subjects == []
    for _ in range(6):
        clock.now += 5 * MINUTE
        check()
    assert told.subjects == [OPEN, CLEARED]


def test_an_alert_that_cannot_be_sent_fails_the_check_and_is_sent_later(check, clock, told):
    go_stale(check, clock)
    told.is_deaf = True
    with pytest.raises(AlertNotSentError):
        check()
    told.is_deaf = False
    clock.now += 2 * LEASE
    check()
    assert told.subjects == [OPEN]


def test_a_clearing_is_not_sent_when_its_opening_could_not_be(check, clock, told, loaded):
    go_stale(check, clock)
    check(notifier=None)
    loaded()
    check(notifier=None)

    class DeafToOpenings(Told):
        def send(self, alert: Any) -> None:
            self.is_deaf = alert.is_open
            super().send(alert)

    deaf = DeafToOpenings()
    with pytest.raises(AlertNotSentError):
        check(notifier=deaf)
    assert deaf.alerts == []
    clock.now += 2 * LEASE
    loaded()
    check()
    assert told.subjects == [OPEN, CLEARED]


def test_a_check_by_hand_leaves_its_alerts_to_the_next_one_that_can_tell(check, clock, told):
    go_stale(check, clock)
    by_hand = check(notifier=None)
    assert (len(by_hand.opened), by_hand.told) == (1, 0)
    assert check().told == 1
    assert told.subjects == [OPEN]


def test_judging_stores_and_tells_nothing(engine, store, clock, told, check):
    go_stale(check, clock)
    commits = engine.commits
    judged = PlatformCheck([VISITS], targets=[], engine=engine, store=store, notifier=told, clock=clock).judge()
    assert [finding.key for finding in judged.findings] == ["stale/visits"]
    assert (engine.commits, told.alerts) == (commits, [])


def test_the_certificate_is_asked_of_what_was_touched_and_of_everything_while_it_has_problems(
    check, clock, engine, told
):
    engine.answers["watch/touched_sources.sql"] = rows_of(("s1",))
    engine.answers["watch/problems_of_touched.sql"] = rows_of(
        ("s1", "s3://warehouse/a", "visits", naive(clock.now), "rows missing")
    )
    check()
    assert "watch/problems_of_all.sql" not in engine.names
    assert told.subjects == ["OPEN: visits: the certificate has problems"]
    engine.answers["watch/problems_of_touched.sql"] = rows_of()
    engine.answers["watch/problems_of_all.sql"] = rows_of(
        ("s1", "s3://warehouse/a", "visits", naive(clock.now), "rows missing")
    )
    assert check().cleared == ()
    engine.answers["watch/problems_of_all.sql"] = rows_of()
    assert [change.kind for change in check().cleared] == ["certificate"]


def test_a_problem_that_a_second_look_does_not_find_is_none(check, clock, engine):
    engine.answers["watch/touched_sources.sql"] = rows_of(("s1",))
    found = rows_of(("s1", "s3://warehouse/a", "visits", naive(clock.now), "rows missing"))
    engine.answers["watch/problems_of_touched.sql"] = [found, rows_of()]
    assert check().opened == ()


def test_problems_of_contracts_that_are_not_watched_are_not_told(check, clock, engine):
    engine.answers["watch/touched_sources.sql"] = rows_of(("s1",))
    engine.answers["watch/problems_of_touched.sql"] = rows_of(
        ("s1", "s3://warehouse/a", "somebody_elses", naive(clock.now), "rows missing")
    )
    assert check().opened == ()


def test_a_refused_file_that_was_deleted_is_nobodys_matter_any_more(check, clock, engine, store, told):
    store.put(b"bad", bucket="warehouse", key="staging/visits_1.csv")
    engine.answers["watch/refused_files.sql"] = rows_of(
        ("visits", "s3://warehouse/staging/visits_1.csv", "DamagedFileError", naive(clock.now), None)
    )
    check()
    store.delete(bucket="warehouse", key="staging/visits_1.csv")
    check()
    assert told.subjects == ["OPEN: visits: files were refused", "CLEARED: visits: files were refused"]


def test_a_refused_file_that_was_put_back_as_it_was_is_well_again(check, clock, engine, store, told):
    store.put(b"bad", bucket="warehouse", key="staging/visits_1.csv")
    refused = store.head(bucket="warehouse", key="staging/visits_1.csv")
    engine.answers["watch/refused_files.sql"] = rows_of(
        ("visits", refused.uri, "DamagedFileError", naive(clock.now), refused.identity)
    )
    check()
    store.put(b"as it was", bucket="warehouse", key="staging/visits_1.csv")
    check()
    assert told.subjects == ["OPEN: visits: files were refused", "CLEARED: visits: files were refused"]


def test_a_store_that_does_not_answer_is_a_condition_and_hides_no_other(check, clock, engine, store, told):
    store.put(b"x", bucket="warehouse", key="staging/stray.bin")
    check()
    monkey = pytest.MonkeyPatch()
    error = StoreUnavailableError(operation="list", message="connection to 10.0.0.7 refused")

    def fail(**_arguments: Any) -> Any:
        raise error

    with monkey.context() as patch:
        patch.setattr(store, "list_objects", fail)
        check()
    assert told.subjects[1:] == ["OPEN: store: does not answer"]
    assert "10.0.0.7" not in told.alerts[-1].text
    check()
    assert told.subjects[2:] == ["CLEARED: store: does not answer"]


def test_brokers_that_do_not_answer_are_a_condition_and_no_crash(check, told):
    def down() -> Any:
        raise BrokerUnavailableError(operation="cluster metadata", message="_TRANSPORT")

    topic = contract_of("messages", kind="kafka", lag=1)
    check(topic, broker=down)
    check(topic, broker=down)
    assert told.subjects == ["OPEN: kafka: does not answer"]


def test_conditions_of_sources_that_are_gone_are_cleared_and_those_of_others_are_left_alone(check, clock, told):
    go_stale(check, clock)
    check()
    other = contract_of("other")
    assert check(other).cleared == ()
    assert len(check(other, is_gone=lambda source: source == "visits").cleared) == 1
