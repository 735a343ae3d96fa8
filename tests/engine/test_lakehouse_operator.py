"""What becomes of the query of a task that Airflow stops."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout

from lakehouse.engine import TrinoEngine, connect_with, statement_of
from lakehouse.errors import StatementCancelledError
from lakehouse.operators.lakehouse_operator import LakehouseOperator
from tests.engine.conftest import Platform

pytestmark = pytest.mark.engine


class SlowOperator(LakehouseOperator):
    """Sends a query that would run for minutes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mark = uuid.uuid4().hex

    def perform(self, context: Any) -> None:
        self.engine.execute(
            statement_of(
                "select count(*) from tpch.sf1.lineitem as a cross join tpch.sf1.lineitem as b "
                f"where a.comment < b.comment and a.comment <> '{self.mark}'"
            )
        )


def final_state(platform: Platform, operator: SlowOperator) -> tuple[str, str]:
    [found] = platform.rows(
        "select state, error_code from system.runtime.queries where query_id = ?", operator.hook.query_ids[-1]
    )
    return found


@pytest.fixture
def once_it_runs(platform: Platform) -> Iterator[Callable[[SlowOperator, signal.Signals], None]]:
    """Sends this process a signal as soon as the operator's query runs, as the supervisor of a task does."""
    engine = TrinoEngine(connect_with(platform.settings, source="tests"))
    threads: list[threading.Thread] = []
    over = threading.Event()
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}

    def watch(operator: SlowOperator, number: signal.Signals) -> None:
        running = statement_of(
            "select count(*) from system.runtime.queries "
            "where state = 'RUNNING' and strpos(query, ?) > 0 and strpos(query, 'system.runtime') = 0",
            operator.mark,
        )
        while not over.is_set():
            if engine.execute(running).scalar:
                os.kill(os.getpid(), number)
                return

    def once_it_runs(operator: SlowOperator, number: signal.Signals) -> None:
        threads.append(threading.Thread(target=watch, args=(operator, number)))
        threads[-1].start()

    yield once_it_runs
    over.set()
    for thread in threads:
        thread.join()
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_killing_the_task_cancels_its_query(platform: Platform, once_it_runs: Callable[..., None]):
    operator = SlowOperator(task_id="slow")
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    once_it_runs(operator, signal.SIGTERM)
    with pytest.raises(StatementCancelledError):
        operator.execute({})
    assert final_state(platform, operator) == ("FAILED", "USER_CANCELED")


def test_the_end_of_the_tasks_time_cancels_its_query(platform: Platform, once_it_runs: Callable[..., None]):
    operator = SlowOperator(task_id="slow")

    def time_out(*_: object) -> None:
        raise AirflowTaskTimeout

    signal.signal(signal.SIGUSR1, time_out)
    once_it_runs(operator, signal.SIGUSR1)
    with pytest.raises(AirflowTaskTimeout):
        operator.execute({})
    assert final_state(platform, operator) == ("FAILED", "USER_CANCELED")
