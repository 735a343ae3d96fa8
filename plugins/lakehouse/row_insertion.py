"""Rows from a program's hand into bronze, each once: ``from lakehouse import insert_events``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from lakehouse.contracts import RowsContract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.errors import TooManyRowsError
from lakehouse.load.ledger import Ledger
from lakehouse.load.rows import MOST_ROWS, RowsReport, load_rows
from lakehouse.readers.row_lines import RowLines, lines_of_rows
from lakehouse.settings import Settings
from lakehouse.sources import read_source
from lakehouse.store import store_of

#: The shipped contract of rows; the fields of a row are the columns of the table.
DEFAULT_SOURCE = "pgr_events_rows"


def insert_events(
    rows: Iterable[Mapping[str, Any]],
    *,
    idempotency_key: str | None = None,
    source: str = DEFAULT_SOURCE,
    settings: Settings | None = None,
) -> RowsReport:
    """Insert rows into bronze, exactly once: make the same call again whenever you do not know how it ended.

    A row maps fields to values: text, numbers (``Decimal`` keeps its digits), booleans, dates, times (with an
    offset, else in the contract's zone), ``None``; lists and mappings for columns of JSON. A bad row is never an
    error: it is among the rejects that come back, and the others are loaded, unless the contract's
    ``reject_budget`` says otherwise.

    :param rows: at most 10,000.
    :param idempotency_key: names these rows in their source, for ever, on whatever day and machine: called again
        with the same rows, nothing is loaded and the same comes back; the rows are the same if their values are,
        field by field, in whatever order of fields. ``None`` takes a digest of the rows, so that equal calls are
        one.
    :param source: a contract of kind ``rows`` in ``include/contracts/``.
    :param settings: how to reach Trino and the object store; from the environment and ``.env`` by default.
    :raises OtherRowsError: the key was used for other rows.
    :raises TooManyRowsError: there are more than 10,000 rows.
    :raises IdempotencyKeyError: the key is empty, longer than 500 characters, or not printable.
    :raises RowsRefusedError: more rows are bad than the contract allows.
    :raises UnknownSourceError: no contract has this name.
    :raises OtherKindError: it is not a contract of rows.
    :raises TransientError: an engine did not answer; the same call finishes what this one began.
    :raises TypeError: ``rows`` is a text or a single mapping.
    """
    if isinstance(rows, str | bytes | Mapping):
        raise TypeError(f"rows is one {type(rows).__name__}; pass a list of mappings")
    taken = list(itertools.islice(rows, MOST_ROWS + 1))
    if len(taken) > MOST_ROWS:
        raise TooManyRowsError(most=MOST_ROWS)
    return insert_lines(
        lines_of_rows(taken),
        idempotency_key=idempotency_key,
        source=source,
        settings=settings,
        run="insert_events",
    )


def insert_lines(
    lines: RowLines,
    *,
    idempotency_key: str | None,
    source: str,
    settings: Settings | None = None,
    run: str,
) -> RowsReport:
    """The same for rows that are JSON lines already.

    :param run: who inserts, for the ledger.
    """
    found = read_source(source, kind=RowsContract)
    reached = settings or Settings.from_environment()
    engine = TrinoEngine(connect_with(reached))
    return load_rows(
        lines,
        idempotency_key=idempotency_key,
        contract=found.contract,
        table=found.table,
        engine=engine,
        store=store_of(reached),
        ledger=Ledger(engine=engine, run=run),
        names=reached.names,
    )
