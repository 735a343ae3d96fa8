"""What tests ask of a source that is theirs alone, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.certificate import Account, read_certificate
from lakehouse.contracts.contract import Contract

if TYPE_CHECKING:
    from tests.engine.conftest import Platform

BRONZE = "iceberg.bronze.service_events_raw"


@dataclass(frozen=True)
class SourceOfOneTest:
    """A source that only one test loads from, and what became of it."""

    platform: Platform
    contract: Contract

    def accounts(self) -> list[Account]:
        """The certificate's lines of this source."""
        found = read_certificate(self.platform.engine).accounts
        return [account for account in found if account.contract == self.contract.name]

    def bronze(self, columns: str) -> list[tuple[Any, ...]]:
        """Columns of this source's bronze rows, in the order of objects or requests, and records."""
        return self.platform.rows(
            f"select {columns} from {BRONZE} join iceberg.bronze.sources as s on _source_id = s.source_id "
            "where s.contract = ? order by s.source, _position",
            self.contract.name,
        )

    def rejects(self, columns: str) -> list[tuple[Any, ...]]:
        return self.platform.rows(
            f"select {columns} from iceberg.bronze.open_rejects where contract = ? "
            "order by source, record_position",
            self.contract.name,
        )
