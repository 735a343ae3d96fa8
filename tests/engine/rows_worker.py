"""Inserts rows as a worker would, and kills itself with SIGKILL at the place it was told.

Usage: python rows_worker.py CONTRACT ROWS KEY PLACE, with the stack's environment. ROWS is a file of JSON. Places
are those of ``place_of_death.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from place_of_death import PlaceOfDeath

from lakehouse.contracts import RowsContract
from lakehouse.contracts.loading import load_contract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import Ledger
from lakehouse.load.rows import load_rows
from lakehouse.paths import BRONZE_TABLES
from lakehouse.readers.row_lines import lines_of_json
from lakehouse.settings import Settings
from lakehouse.store import store_of
from lakehouse.tables.definition import read_table_definitions


def main(contract_path: str, rows_path: str, key: str, place: str) -> None:
    death = PlaceOfDeath(place)
    settings = Settings.from_environment()
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contract(Path(contract_path), tables)
    assert isinstance(contract, RowsContract)
    engine = TrinoEngine(connect_with(settings), on_progress=death.on_progress)
    load_rows(
        lines_of_json(Path(rows_path).read_bytes()),
        idempotency_key=key,
        contract=contract,
        table=tables[contract.target],
        engine=engine,
        store=store_of(settings),
        ledger=Ledger(engine=engine, run="rows_worker"),
        names=settings.names,
        on_staged=death.on_staged,
        on_step=death.on_step,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
