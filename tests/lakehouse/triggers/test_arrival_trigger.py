from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import module_loading
from airflow.triggers.base import TriggerEvent

from lakehouse.arrival.watch import Look, Watch
from lakehouse.errors import StoreUnavailableError
from lakehouse.store import StoreRefusedError
from lakehouse.triggers import arrival_trigger
from lakehouse.triggers.arrival_trigger import ArrivalTrigger

NEWS = Look(objects=3, news=1, example="staging/a.csv", ends_cycle=True)
NOTHING = Look(objects=3, news=0, example="", ends_cycle=True)
DOWN = StoreUnavailableError(operation="list", message="down")
REFUSED = StoreRefusedError(operation="list", message="AccessDenied")


def trigger() -> ArrivalTrigger:
    return ArrivalTrigger(
        source="pgr_events_csv", bucket="warehouse", key="staging/*.csv", every=3, pages=10, s3_conn_id="s3"
    )


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the trigger slept, each time; it takes no time."""
    slept: list[float] = []
    yield_to_others = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await yield_to_others(0)

    monkeypatch.setattr(arrival_trigger.asyncio, "sleep", sleep)
    return slept


def first_event(watching: ArrivalTrigger, looks: list[Any]) -> TriggerEvent:
    """The first event of a trigger whose looks find this."""
    watching._watch = mock.create_autospec(Watch, instance=True)
    watching._watch.look.side_effect = looks

    async def first() -> TriggerEvent:
        events = watching.run()
        try:
            return await anext(events)
        finally:
            await events.aclose()

    return asyncio.run(first())


def test_it_is_made_again_from_names_alone():
    path, arguments = trigger().serialize()
    again = module_loading.import_string(path)(**arguments)
    assert again.serialize() == (path, arguments)
    assert json.loads(json.dumps(arguments)) == {
        "source": "pgr_events_csv",
        "bucket": "warehouse",
        "key": "staging/*.csv",
        "every": 3,
        "pages": 10,
        "s3_conn_id": "s3",
    }


def test_it_fires_when_objects_came_and_says_which(slept: list[float]):
    event = first_event(trigger(), [NOTHING, NEWS])
    assert event.payload == {"source": "pgr_events_csv", "objects": 1, "example": "staging/a.csv"}
    assert slept == [3]


@pytest.mark.parametrize(("error", "seconds"), [(DOWN, 10), (REFUSED, 60)], ids=["down", "refused"])
def test_a_store_that_fails_is_looked_at_again_after_a_while(slept: list[float], error: Exception, seconds: float):
    assert first_event(trigger(), [error, error, NEWS]).payload["objects"] == 1
    assert slept == [seconds, seconds]


def test_a_look_does_not_hold_up_the_loop_and_neither_does_asking_for_the_connection(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
):
    threads: dict[str, int] = {}

    def noting(name: str, result: Any) -> Callable[..., Any]:
        def note(*_arguments: Any, **_named: Any) -> Any:
            threads[name] = threading.get_ident()
            return result

        return note

    hook = mock.Mock(get_conn=noting("connection", mock.Mock()))
    monkeypatch.setattr(arrival_trigger, "S3Hook", mock.Mock(return_value=hook))
    monkeypatch.setattr(Watch, "look", noting("look", NEWS))

    async def first() -> int:
        events = trigger().run()
        await anext(events)
        await events.aclose()
        return threading.get_ident()

    loop_thread = asyncio.run(first())
    assert threads.keys() == {"connection", "look"}
    assert loop_thread not in threads.values()
