"""Checks one source, and kills itself with SIGKILL between storing what opened and telling it.

Usage: python check_worker.py CONTRACT SECONDS, with the stack's environment; so many seconds ahead of the clock.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from lakehouse.contracts.loading import load_contract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import system_clock
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import Settings
from lakehouse.store import store_of
from lakehouse.tables.definition import read_table_definitions
from lakehouse.watch.alert import Alert
from lakehouse.watch.platform_check import PlatformCheck


class Killer:
    """Is told, and dies instead of telling."""

    def send(self, _alert: Alert) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def main(contract_path: str, seconds: str) -> None:
    settings = Settings.from_environment()
    tables = read_table_definitions(BRONZE_TABLES)
    PlatformCheck(
        [load_contract(Path(contract_path), tables)],
        targets=tables,
        engine=TrinoEngine(connect_with(settings)),
        store=store_of(settings),
        notifier=Killer(),
        clock=lambda: system_clock() + timedelta(seconds=float(seconds)),
        run="check_worker",
    ).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
