"""The certificate: of each source, what was read is in bronze, an open reject or removed, once, without a hole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lakehouse.engine import Engine
from lakehouse.statements import render


@dataclass(frozen=True)
class Account:
    """One source in one target, as ``iceberg.bronze.certificate`` sees it.

    :param source_id: None for the rows that were written by hand.
    :param problems: what is off, for people; empty when nothing is.
    :param removed_records: by retention or an erasure.
    """

    source_id: str | None
    target: str
    source: str | None
    contract: str | None
    ranges: int
    first_position: int | None
    next_position: int | None
    end_position: int | None
    gap_positions: int
    overlap_positions: int
    records_read: int
    bronze_rows: int
    doubled_rows: int
    open_rejects: int
    finished_at: datetime | None
    problems: str
    removed_records: int = 0

    @property
    def is_by_hand(self) -> bool:
        return self.source_id is None


@dataclass(frozen=True)
class Certificate:
    """Every source, those with problems first."""

    accounts: tuple[Account, ...]

    @property
    def sources(self) -> tuple[Account, ...]:
        return tuple(account for account in self.accounts if not account.is_by_hand)

    @property
    def by_hand(self) -> tuple[Account, ...]:
        return tuple(account for account in self.accounts if account.is_by_hand)

    @property
    def with_problems(self) -> tuple[Account, ...]:
        return tuple(account for account in self.accounts if account.problems)

    @property
    def is_clean(self) -> bool:
        return not self.with_problems

    @property
    def records_read(self) -> int:
        return sum(account.records_read for account in self.sources)

    @property
    def bronze_rows(self) -> int:
        return sum(account.bronze_rows for account in self.sources)

    @property
    def open_rejects(self) -> int:
        return sum(account.open_rejects for account in self.sources)

    @property
    def removed_records(self) -> int:
        return sum(account.removed_records for account in self.sources)

    @property
    def rows_by_hand(self) -> int:
        return sum(account.bronze_rows for account in self.by_hand)


def read_certificate(engine: Engine) -> Certificate:
    """Read the certificate. It holds at every moment no load is running.

    :raises LakehouseError: the engine does not answer, or the tables are not there.
    """
    rows = engine.execute(render("certificate/accounts.sql")).rows
    return Certificate(accounts=tuple(Account(*row) for row in rows))
