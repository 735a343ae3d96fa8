"""Inserts rows as a worker would, and kills itself with SIGKILL at the place it was told.

Usage: python rows_worker.py CONTRACT ROWS KEY PLACE, with the stack's environment. ROWS is a file of JSON. Places
are those of ``load_worker.py``, without units.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lakehouse.contracts import RowsContract
from lakehouse.contracts.loading import load_contract
from lakehouse.engine import Progress, TrinoEngine, connect_with
from lakehouse.load.attempt import Manifest
from lakehouse.load.ledger import Ledger
from lakehouse.load.protocol import StepDone
from lakehouse.load.rows import load_rows
from lakehouse.paths import BRONZE_TABLES
from lakehouse.readers.row_lines import lines_of_json
from lakehouse.settings import Settings
from lakehouse.store import store_of
from lakehouse.tables.definition import read_table_definitions


def main(contract_path: str, rows_path: str, key: str, place: str) -> None:
    def die_at(here: str) -> None:
        if here == place:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_progress(progress: Progress) -> None:
        if progress.statement == "load/merge_rows.sql" and progress.state == "RUNNING":
            die_at("merging")

    def on_step(done: StepDone) -> None:
        die_at(str(done.step))

    def on_staged(_manifest: Manifest) -> None:
        die_at("staged")

    settings = Settings.from_environment()
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contract(Path(contract_path), tables)
    assert isinstance(contract, RowsContract)
    engine = TrinoEngine(connect_with(settings), on_progress=on_progress)
    load_rows(
        lines_of_json(Path(rows_path).read_bytes()),
        idempotency_key=key,
        contract=contract,
        table=tables[contract.target],
        engine=engine,
        store=store_of(settings),
        ledger=Ledger(engine=engine, run="rows_worker"),
        names=settings.names,
        on_staged=on_staged,
        on_step=on_step,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
