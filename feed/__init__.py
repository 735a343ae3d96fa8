"""Realistic complaint feeds with known truth, for the demo, the tests and the benchmarks.

`generate` gives the events, `deliver` what arrives of them, `write` the files; `Options` says which feed.
The same options give the same feed on every machine and Python version.
"""

from __future__ import annotations

from feed.case_table import CASES_FILE_NAME
from feed.cases import Case, Event
from feed.options import Compression, Format, InvalidOptionsError, Options
from feed.plants import Delivery, Kind
from feed.records import COLUMNS
from feed.timeline import generate
from feed.truth import (
    TRUTH_FILE_NAME,
    BacklogDay,
    CaseTruth,
    Counts,
    FileTruth,
    FunnelDay,
    TenantTruth,
    Truth,
    read_truth,
)
from feed.writing import OtherFeedError, deliver, plan_files, write

__all__ = [
    "CASES_FILE_NAME",
    "COLUMNS",
    "TRUTH_FILE_NAME",
    "BacklogDay",
    "Case",
    "CaseTruth",
    "Compression",
    "Counts",
    "Delivery",
    "Event",
    "FileTruth",
    "Format",
    "FunnelDay",
    "InvalidOptionsError",
    "Kind",
    "Options",
    "OtherFeedError",
    "TenantTruth",
    "Truth",
    "deliver",
    "generate",
    "plan_files",
    "read_truth",
    "write",
]
