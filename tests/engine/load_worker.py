"""Loads one source as a worker would, and kills itself with SIGKILL at the place it was told.

Usage: python load_worker.py CONTRACT PLACE, with the stack's environment. Places: staged, the steps of
``lakehouse.load.protocol.Step`` (right after each), and merging (while the merge into bronze runs in Trino). A
number after a step, as in ``record 0``, is that of the unit.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lakehouse.contracts.loading import load_contract
from lakehouse.engine import Progress, TrinoEngine, connect_with
from lakehouse.load.attempt import Manifest
from lakehouse.load.files import load_files
from lakehouse.load.protocol import StepDone
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import Settings
from lakehouse.store import store_of
from lakehouse.tables.definition import read_table_definitions


def main(contract_path: str, place: str) -> None:
    def die_at(here: str) -> None:
        if here == place:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_progress(progress: Progress) -> None:
        if progress.statement == "load/merge_rows.sql" and progress.state == "RUNNING":
            die_at("merging")

    def on_step(done: StepDone) -> None:
        die_at(str(done.step))
        die_at(f"{done.step} {done.unit}")

    def on_staged(_manifest: Manifest) -> None:
        die_at("staged")

    settings = Settings.from_environment()
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contract(Path(contract_path), tables)
    for _report in load_files(
        contract,
        table=tables[contract.target],
        engine=TrinoEngine(connect_with(settings), on_progress=on_progress),
        store=store_of(settings),
        names=settings.names,
        run="load_worker",
        on_staged=on_staged,
        on_step=on_step,
    ):
        pass


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
