"""Drains one topic as a worker would, and kills itself with SIGKILL right after the step that it was told.

Usage: python drain_worker.py CONTRACT [STEP], with the stack's environment. Steps: planned, polled, judged,
staged, those of ``lakehouse.load.protocol.Step``, dropped, committed, and merging (while the merge runs in Trino).
Without one it lives to the end, and prints the most bytes of memory that it and its judges can have held.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from lakehouse.broker import KafkaBroker, broker_settings
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.contracts.loading import load_contract
from lakehouse.drain.drain import Drain
from lakehouse.drain.limits import DrainWindow, FlushLimits
from lakehouse.engine import Progress, TrinoEngine, connect_with
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import Settings, read_environment
from lakehouse.store import store_of
from lakehouse.tables.definition import read_table_definitions


def main(contract_path: str, step: str | None = None) -> None:
    def die_at(here: str) -> None:
        if here == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_progress(progress: Progress) -> None:
        if progress.statement == "load/merge_rows.sql" and progress.state == "RUNNING":
            die_at("merging")

    settings = Settings.from_environment()
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contract(Path(contract_path), tables)
    assert isinstance(contract, KafkaContract)
    Drain(
        contract,
        table=tables[contract.target],
        broker=KafkaBroker(broker_settings(read_environment())),
        engine=TrinoEngine(connect_with(settings), on_progress=on_progress),
        store=store_of(settings),
        names=settings.names,
        limits=FlushLimits.of(contract, environment={}),
        window=DrainWindow(until_end=True),
        run="drain_worker",
        on_step=die_at,
    ).run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
