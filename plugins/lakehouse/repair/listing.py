"""What there is to be put right: rows of the ledger and open rejects, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lakehouse.contracts.reason import Reason
from lakehouse.engine import Engine
from lakehouse.load.ledger import ProtocolTables, naive_utc
from lakehouse.load.period import Period
from lakehouse.statements import render


@dataclass(frozen=True)
class LedgerEntry:
    """One row of the ledger.

    :param finished_at: UTC; None of the intent to take something out, whose end is another row.
    :param first_position: None of rows that were written by hand, as is the next one.
    :param records_removed: by a retention or an erasure.
    """

    finished_at: datetime | None
    kind: str
    source: str | None
    contract: str | None
    first_position: int | None
    next_position: int | None
    records_read: int
    rows_loaded: int
    rejects: int
    load_id: str | None
    source_id: str | None
    run: str | None
    actor: str | None
    reason: str | None
    started_at: datetime | None
    records_removed: int | None = None


@dataclass(frozen=True)
class OpenReject:
    """A bad record that bronze has no row for.

    :param detail: one sentence for a person, with the value in it.
    :param is_kept: whether some of its original is kept.
    """

    rejected_at: datetime
    contract: str
    source: str
    position: int
    line: int | None
    reason: str
    column: str | None
    detail: str
    record_bytes: int
    load_id: str | None
    source_id: str
    is_kept: bool


def list_loads(
    engine: Engine,
    *,
    contract: str | None = None,
    kind: str | None = None,
    period: Period | None = None,
    most: int = 50,
    tables: ProtocolTables | None = None,
) -> tuple[LedgerEntry, ...]:
    """The newest rows of the ledger."""
    statement = render(
        "repair/list_loads.sql",
        ledger=(tables or ProtocolTables()).ledger,
        contract=contract,
        kind=kind,
        most=most,
        **_bounds(period),
    )
    return tuple(LedgerEntry(*row) for row in engine.execute(statement).rows)


def list_rejects(
    engine: Engine,
    *,
    contract: str | None = None,
    load_id: str | None = None,
    reason: Reason | None = None,
    period: Period | None = None,
    most: int = 50,
) -> tuple[OpenReject, ...]:
    """The newest open rejects."""
    statement = render(
        "repair/list_rejects.sql",
        contract=contract,
        load_id=load_id,
        reject_reason=None if reason is None else str(reason),
        most=most,
        **_bounds(period),
    )
    return tuple(OpenReject(*row) for row in engine.execute(statement).rows)


def _bounds(period: Period | None) -> dict[str, datetime | None]:
    begin, end = (None, None) if period is None else (period.begin, period.end)
    return {
        "from_time": None if begin is None else naive_utc(begin),
        "to_time": None if end is None else naive_utc(end),
    }
