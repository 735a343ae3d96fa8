"""Readers: bytes in, judged records out. Streaming, in bounded memory; nothing of Airflow."""

from __future__ import annotations

from lakehouse.contracts.reason import Reason
from lakehouse.readers.errors import (
    DamagedFileError,
    ForeignFileError,
    SchemaMismatchError,
    TemporarySpaceError,
)
from lakehouse.readers.json_judge import JsonJudge
from lakehouse.readers.judged_batch import JudgedBatch, Reject
from lakehouse.readers.reader import Reader, reader_for

__all__ = [
    "DamagedFileError",
    "ForeignFileError",
    "JsonJudge",
    "JudgedBatch",
    "Reader",
    "Reason",
    "Reject",
    "SchemaMismatchError",
    "TemporarySpaceError",
    "reader_for",
]
