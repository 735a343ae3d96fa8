"""Exactly-once ingestion of civic events into Iceberg, through Trino."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.load.rows import RowReject as RowReject
    from lakehouse.load.rows import RowsReport as RowsReport
    from lakehouse.row_insertion import insert_events as insert_events

__all__ = ["RowReject", "RowsReport", "insert_events"]

#: Where the names above are made. They are imported when they are asked for: whoever imports a part of the library
#: (Airflow, at each parse of a DAG) must not pay for all of it.
_MODULES = {
    "RowReject": "lakehouse.load.rows",
    "RowsReport": "lakehouse.load.rows",
    "insert_events": "lakehouse.row_insertion",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
