from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from lakehouse.errors import StoreUnavailableError
from lakehouse.identity import ObjectVersion
from lakehouse.operators import object_sensor
from lakehouse.operators.object_sensor import ObjectSensor

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Listing:
    """A store of which only the keys matter."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def list_objects(self, *, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
        for key in self.keys:
            if key.startswith(prefix):
                yield ObjectVersion(bucket=bucket, key=key, etag="e", size=1, last_modified=NOON)


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts objects of these keys into the store, and nothing else."""

    def put(*keys: str) -> None:
        monkeypatch.setattr(object_sensor, "object_store", lambda _connection: Listing(*keys))

    put()
    return put


def sensor(key: str, *, wait_minutes: int | str = "60") -> ObjectSensor:
    return ObjectSensor(
        task_id="wait", source="pgr_events_csv", key=key, wait_minutes=wait_minutes, poke_interval=15
    )


def started(*, minutes_ago: float = 0) -> Any:
    return {"ti": SimpleNamespace(start_date=datetime.now(UTC) - timedelta(minutes=minutes_ago))}


def test_a_run_that_names_no_key_passes_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(object_sensor, "object_store")
    assert sensor("").execute(started()) is None


@pytest.mark.parametrize(
    "key", ["staging/pgr_events_1.csv", "staging/pgr_events_*.csv", "s3://warehouse/staging/pgr_events_1.csv"]
)
def test_it_passes_when_the_object_is_there(put: Any, key: str):
    put("staging/pgr_events_1.csv")
    assert sensor(key).execute(started()) is None


def test_it_waits_for_an_exact_key_without_holding_a_worker(put: Any):
    put("staging/pgr_events_1.csv.gz")
    with pytest.raises(TaskDeferred) as deferred:
        sensor("staging/pgr_events_1.csv").execute(started(minutes_ago=20))
    _, trigger = deferred.value.trigger.serialize()
    assert trigger["bucket_key"] == "staging/pgr_events_1.csv"
    assert not trigger["wildcard_match"]
    assert timedelta(minutes=39) < deferred.value.timeout <= timedelta(minutes=40)


def test_a_near_miss_of_the_triggers_wildcards_goes_on_waiting_until_the_same_end(put: Any):
    put("staging/pgr_events_old/1.csv")
    with pytest.raises(TaskDeferred) as deferred:
        sensor("staging/pgr_events_*.csv").execute_complete(
            started(minutes_ago=50), {"status": "running", "files": [{"Key": "staging/pgr_events_old/1.csv"}]}
        )
    _, trigger = deferred.value.trigger.serialize()
    assert trigger["should_check_fn"], "the trigger would wake the task at once, again and again"
    assert deferred.value.timeout <= timedelta(minutes=10)


def test_a_bracket_in_a_glob_is_a_bracket_for_the_trigger_too(put: Any):
    with pytest.raises(TaskDeferred) as deferred:
        sensor("staging/pgr_events_[1]*.csv").execute(started())
    assert deferred.value.trigger.serialize()[1]["bucket_key"] == "staging/pgr_events_[[]1]*.csv"


@pytest.mark.parametrize(("minutes_ago", "wait_minutes"), [(0, 0), (61, 60)])
def test_an_object_that_does_not_come_in_time_skips_the_run(put: Any, minutes_ago: int, wait_minutes: int):
    with pytest.raises(AirflowSkipException, match="did not come within"):
        sensor("staging/pgr_events_1.csv", wait_minutes=wait_minutes).execute(started(minutes_ago=minutes_ago))


def test_the_end_of_the_wait_in_the_triggerer_skips_the_run():
    with pytest.raises(AirflowSkipException, match="did not come within 60 minutes"):
        sensor("staging/pgr_events_1.csv").resume_execution(
            "__fail__", {"error": "Trigger timeout"}, started(minutes_ago=61)
        )


def test_an_error_in_the_triggerer_is_no_timeout():
    with pytest.raises(StoreUnavailableError, match="connection refused"):
        sensor("staging/pgr_events_1.csv").execute_complete(
            started(), {"status": "error", "message": "connection refused"}
        )


def test_an_object_of_another_bucket_fails_the_run_at_once():
    with pytest.raises(AirflowFailException, match="is not an object of pgr_events_csv"):
        sensor("s3://elsewhere/pgr_events_1.csv").execute(started())
