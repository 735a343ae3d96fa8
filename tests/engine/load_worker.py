"""Loads one source as a worker would, and kills itself with SIGKILL at the place it was told.

Usage: python load_worker.py CONTRACT PLACE, with the stack's environment. Places are those of
``place_of_death.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from place_of_death import PlaceOfDeath

from lakehouse.contracts.loading import load_contract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.files import load_files
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import Settings
from lakehouse.store import store_of
from lakehouse.tables.definition import read_table_definitions


def main(contract_path: str, place: str) -> None:
    death = PlaceOfDeath(place)
    settings = Settings.from_environment()
    tables = read_table_definitions(BRONZE_TABLES)
    contract = load_contract(Path(contract_path), tables)
    for _report in load_files(
        contract,
        table=tables[contract.target],
        engine=TrinoEngine(connect_with(settings), on_progress=death.on_progress),
        store=store_of(settings),
        names=settings.names,
        run="load_worker",
        on_staged=death.on_staged,
        on_step=death.on_step,
    ):
        pass


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
