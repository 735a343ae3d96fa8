"""The truth about every case as a table: one row a case, what a gold table of cases must hold."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feed.case_history import CaseHistory

CASES_FILE_NAME = "cases.parquet"

Value: TypeAlias = str | int | bool | None

_TIME = pa.timestamp("us", tz="UTC")
_TIMES = {
    "submitted": "CaseSubmitted",
    "assigned": "CaseAssigned",
    "resolved": "CaseResolved",
    "closed": "CaseClosed",
    "rejected": "CaseRejected",
    "reopened": "CaseReopened",
    "escalated": "CaseEscalated",
}
_COUNTS = {
    "assignment_count": "CaseAssigned",
    "resolution_count": "CaseResolved",
    "reopen_count": "CaseReopened",
    "reassign_count": "CaseReassignRequested",
    "escalation_count": "CaseEscalated",
    "comment_count": "CaseCommented",
}
_COLUMNS: dict[str, pa.DataType] = {
    "tenant_id": pa.string(),
    "complaint_id": pa.string(),
    "complaint_type": pa.string(),
    "priority": pa.string(),
    "department": pa.string(),
    "channel": pa.string(),
    "ward_id": pa.string(),
    "locality_id": pa.string(),
    "sla_hours": pa.int32(),
    "sla_due_time": _TIME,
    **{f"{name}_time": _TIME for name in _TIMES},
    **{f"final_{name}_time": _TIME for name in _TIMES},
    "event_count": pa.int32(),
    **dict.fromkeys(_COUNTS, pa.int32()),
    "last_status": pa.string(),
    "last_state": pa.string(),
    "last_status_time": _TIME,
    "is_open": pa.bool_(),
    "breach_flag": pa.bool_(),
    "final_breach_flag": pa.bool_(),
    "rating": pa.int32(),
}
SCHEMA = pa.schema(_COLUMNS)
"""`<what>_time` is when it happened first, `final_<what>_time` when it happened last; null: never."""

_ROW_GROUP_ROWS = 10_000


class CaseTable:
    """Takes cases in any order and writes them a row group at a time.

    :param as_of_ms: when open cases are judged.
    """

    def __init__(self, writer: pq.ParquetWriter, *, as_of_ms: int) -> None:
        self._writer = writer
        self._as_of_ms = as_of_ms
        self._rows: list[dict[str, Value]] = []

    def add(self, history: CaseHistory) -> None:
        """Append the case's row."""
        self._rows.append(_row_of(history, as_of_ms=self._as_of_ms))
        if len(self._rows) == _ROW_GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows at hand."""
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
            self._rows = []


@contextmanager
def new_case_table(stream: IO[bytes], *, as_of_ms: int) -> Iterator[CaseTable]:
    """Give the table in a new file that is written to the stream, which stays open."""
    with pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
        table = CaseTable(writer, as_of_ms=as_of_ms)
        yield table
        table.flush()


def _row_of(history: CaseHistory, *, as_of_ms: int) -> dict[str, Any]:
    case, counts = history.case, history.counts
    return {
        "tenant_id": case.tenant.tenant_id,
        "complaint_id": case.entity_id,
        "complaint_type": case.complaint_type.code,
        "priority": case.priority,
        "department": case.complaint_type.department,
        "channel": case.channel.value,
        "ward_id": case.ward_id,
        "locality_id": case.locality_id,
        "sla_hours": case.complaint_type.sla_hours,
        "sla_due_time": case.due_ms * 1_000,
        **{f"{name}_time": _microseconds(history.first_ms.get(kind)) for name, kind in _TIMES.items()},
        **{f"final_{name}_time": _microseconds(history.final_ms.get(kind)) for name, kind in _TIMES.items()},
        "event_count": sum(counts.values()),
        **{name: counts.get(kind, 0) for name, kind in _COUNTS.items()},
        "last_status": history.status,
        "last_state": history.state.value,
        "last_status_time": history.status_ms * 1_000,
        "is_open": history.is_open,
        "breach_flag": history.is_breached(as_of_ms=as_of_ms),
        "final_breach_flag": history.is_finally_breached(as_of_ms=as_of_ms),
        "rating": history.rating,
    }


def _microseconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds * 1_000
