"""Realistic complaint feeds with known truth, for the demo, the tests and the benchmarks.

`generate` gives the events, `deliver` what arrives of them, `write` makes files of it, and `feed.sending.send`
messages; `Options` says which feed.
The same options give the same feed on every machine and Python version.
"""

from __future__ import annotations

from feed.case_table import CASES_FILE_NAME
from feed.cases import Case, Event
from feed.errors import BadDestinationError, BrokerError, FeedError, OtherFeedError, StoreError
from feed.options import Compression, Format, InvalidOptionsError, Options
from feed.pace import Pace
from feed.passage import Conduct, TruthFiles
from feed.plants import Delivery, Kind
from feed.records import COLUMNS
from feed.storage.local_directory import LocalDirectory
from feed.timeline import generate
from feed.truth import (
    TRUTH_FILE_NAME,
    BacklogDay,
    CaseTruth,
    Counts,
    FileTruth,
    FunnelDay,
    PartitionTruth,
    TenantTruth,
    Truth,
    read_truth,
)
from feed.writing import deliver, plan_files, write, write_files

__all__ = [
    "CASES_FILE_NAME",
    "COLUMNS",
    "TRUTH_FILE_NAME",
    "BacklogDay",
    "BadDestinationError",
    "BrokerError",
    "Case",
    "CaseTruth",
    "Compression",
    "Conduct",
    "Counts",
    "Delivery",
    "Event",
    "FeedError",
    "FileTruth",
    "Format",
    "FunnelDay",
    "InvalidOptionsError",
    "Kind",
    "LocalDirectory",
    "Options",
    "OtherFeedError",
    "Pace",
    "PartitionTruth",
    "StoreError",
    "TenantTruth",
    "Truth",
    "TruthFiles",
    "deliver",
    "generate",
    "plan_files",
    "read_truth",
    "write",
    "write_files",
]
