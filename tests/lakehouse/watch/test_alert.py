from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from lakehouse.paths import INCLUDE
from lakehouse.watch.alert import Alert, AlertNotSentError, EveryNotifier, LogNotifier, failed_check
from lakehouse.watch.checks import Change, ConditionChange, clearing_of
from lakehouse.watch.condition import Kind
from tests.lakehouse.load.doubles import MOMENT
from tests.lakehouse.watch.doubles import Told

OPENED = ConditionChange(
    condition_key="stale/visits",
    kind="stale",
    source="visits",
    episode=3,
    change=Change.OPENED,
    opened_at=MOMENT,
    since=MOMENT - timedelta(hours=1),
    detail="The newest load is old.",
    runbook="docs/runbooks/source-stale.md",
    link="http://airflow/dags/ingest_files__visits",
)


def test_an_alert_names_source_what_since_when_what_to_do_and_where():
    assert Alert.of(OPENED).text == (
        "OPEN: visits: no load within the objective\n"
        "What: The newest load is old.\n"
        "Since: 2026-11-23 08:00 UTC\n"
        "What to do: docs/runbooks/source-stale.md\n"
        "Link: http://airflow/dags/ingest_files__visits"
    )


def test_an_alert_of_a_clearing_says_what_it_was_and_until_when():
    alert = Alert.of(clearing_of(OPENED, now=MOMENT + timedelta(hours=1)))
    assert alert.subject == "CLEARED: visits: no load within the objective"
    assert "It was: The newest load is old." in alert.text
    assert "Until: 2026-11-23 10:00 UTC" in alert.text


def test_an_alert_is_the_same_however_often_it_is_sent():
    assert Alert.of(OPENED).alert_id == Alert.of(replace(OPENED, detail="")).alert_id == "stale/visits#3/opened"


def test_a_kind_of_another_version_can_be_told():
    assert Alert.of(replace(OPENED, kind="odd")).subject == "OPEN: visits: odd"


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_page_that_says_what_to_do(kind: Kind):
    assert kind.headline
    assert (INCLUDE.parent / kind.runbook).is_file()


def test_the_log_has_openings_as_warnings(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    LogNotifier().send(Alert.of(OPENED))
    LogNotifier().send(Alert.of(clearing_of(OPENED, now=MOMENT)))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_an_alert_is_sent_when_one_way_took_it():
    told, deaf = Told(), Told(is_deaf=True)
    EveryNotifier([deaf, told]).send(Alert.of(OPENED))
    assert len(told.alerts) == 1
    with pytest.raises(AlertNotSentError):
        EveryNotifier([deaf, deaf]).send(Alert.of(OPENED))


def test_a_check_that_failed_is_told_with_what_to_do():
    alert = failed_check(base_url="http://airflow/", now=MOMENT)
    assert alert.link == "http://airflow/dags/check_platform"
    assert alert.runbook == "docs/runbooks/engine-unreachable.md"
