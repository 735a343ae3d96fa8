"""What ``lakehouse`` itself has to give."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lakehouse
from lakehouse import RowReject, RowsReport, insert_events
from lakehouse.load import rows
from lakehouse.row_insertion import insert_events as its_own


def test_the_library_gives_what_programs_insert_rows_with():
    assert insert_events is its_own
    assert (RowReject, RowsReport) == (rows.RowReject, rows.RowsReport)
    assert all(hasattr(lakehouse, name) for name in lakehouse.__all__)


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'insert_evnets'"):
        _ = lakehouse.insert_evnets


def test_importing_the_library_imports_none_of_its_rooms():
    code = "import lakehouse, sys; print([name for name in sys.modules if name.startswith('lakehouse.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
