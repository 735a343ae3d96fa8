from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from lakehouse.engine import Progress, TrinoEngine, connect_with
from lakehouse.errors import TransientError
from lakehouse.load.files import load_files
from stack.lifecycle import Stack
from stack.supervision import Supervisor
from tests.engine.conftest import Source, event, lines

pytestmark = [pytest.mark.engine, pytest.mark.disruptive]

RECORDS = 150_000


def kill(stack: Stack, program: str) -> None:
    psutil.Process(Supervisor(stack.layout).states()[program].pid).send_signal(signal.SIGKILL)


@pytest.mark.parametrize("program", ["trino", "seaweedfs"])
def test_an_engine_that_is_killed_in_mid_merge_costs_a_retry_at_most(
    make_source: Callable[..., Source], running_stack: Stack, program: str
):
    source = make_source()
    source.put("events.jsonl", lines(event(number) for number in range(RECORDS)))
    platform = source.platform
    merging = threading.Event()

    def on_progress(progress: Progress) -> None:
        if progress.statement == "load/merge_rows.sql" and progress.state == "RUNNING":
            merging.set()

    def load() -> None:
        engine = TrinoEngine(connect_with(platform.settings), on_progress=on_progress)
        for _report in load_files(
            source.contract,
            table=platform.table,
            engine=engine,
            store=platform.store,
            names=platform.settings.names,
        ):
            pass

    with ThreadPoolExecutor(max_workers=1) as pool:
        loading = pool.submit(load)
        assert merging.wait(300)
        kill(running_stack, program)
        # An engine that the supervisor brings back at once may be missed by nobody.
        with contextlib.suppress(TransientError):
            loading.result()
    running_stack.up()
    source.load()
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.problems) == (RECORDS, RECORDS, "")
