"""The source of an operator's day: its contract, as it is at first and corrected, and its files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from lakehouse.paths import CONTRACTS

SOURCE = "operator_day"
#: Where its objects lie; what is found there when a day begins is of one that did not end.
PREFIX = "staging/operator_day/"
BRONZE = "iceberg.bronze.service_events_raw"
SERVICE = "PGR"
#: Of all events: a day that is over, so that its small files are soon worth a rewrite.
DAY = date(2026, 1, 15)
#: A file that is loaded alone is merged in pieces of so many records, each of which leaves a file in bronze.
RECORDS_OF_A_MERGE = 10

_CONTRACT = f"""\
name: {SOURCE}
kind: files
description: The source of an operator's day (python -m stack operator-day); it is gone when the day ends
from: {{bucket: "${{LAKEHOUSE_BUCKET:-warehouse}}", key: "{PREFIX}*.jsonl*", format: jsonl}}
target: {BRONZE}
columns:
  event_time: {{required: true}}
  tenant_id: {{required: true}}
  service: {{value: {SERVICE}}}
  entity_type: {{value: complaint}}
  entity_id: {{required: true}}
  event_type: {{required: true}}
  status: {{required: true}}
  ward_id: {{required: %s}}
reject_budget: {{share: 0.5, day_share: 1}}
batch: {{records: {RECORDS_OF_A_MERGE}}}
schedule: "*/15 * * * *"
"""


@contextmanager
def contract_in_place() -> Iterator[None]:
    """Where this context is, the project has one source more: at first no record may be without a ward."""
    _write_contract(ward_is_required=True)
    try:
        yield
    finally:
        (CONTRACTS / f"{SOURCE}.yaml").unlink(missing_ok=True)


def correct_contract() -> None:
    """Let records be without a ward."""
    _write_contract(ward_is_required=False)


def _write_contract(*, ward_is_required: bool) -> None:
    (CONTRACTS / f"{SOURCE}.yaml").write_text(_CONTRACT % str(ward_is_required).lower(), encoding="utf-8")


@dataclass(frozen=True)
class DayFile:
    """A file of complaints: each has one event, or two.

    :param key: of its object, and what the ids of its complaints begin with.
    :param complaints: how many.
    :param without_ward: so many of them, which the first contract rejects.
    :param is_resolved: whether each complaint has its second event.
    :param broken_lines: after the events; no contract takes them.
    """

    key: str
    tenant: str
    complaints: int
    without_ward: int = 0
    is_resolved: bool = False
    broken_lines: int = 0

    @property
    def rows(self) -> int:
        """Events that the corrected contract takes."""
        return self.complaints * (2 if self.is_resolved else 1)

    @property
    def records(self) -> int:
        return self.rows + self.broken_lines

    def content(self, *, is_damaged: bool = False) -> bytes:
        """What is put: JSON lines, compressed as the key says.

        :param is_damaged: the end is missing, as after an upload that broke off; of a compressed file.
        """
        lines = [*self._events(), *["{broken"] * self.broken_lines]
        text = "".join(f"{line}\n" for line in lines).encode()
        if not self.key.endswith(".gz"):
            return text
        packed = gzip.compress(text)
        return packed[: len(packed) // 2] if is_damaged else packed

    def _events(self) -> Iterator[str]:
        steps = [("CaseSubmitted", "OPEN", "09")]
        if self.is_resolved:
            steps.append(("CaseResolved", "RESOLVED", "17"))
        for number in range(self.complaints):
            for event_type, status, hour in steps:
                entity = f"{self.key.removeprefix(PREFIX)}/{number}"
                event = {
                    "event_time": f"{DAY}T{hour}:00:00Z",
                    "tenant_id": self.tenant,
                    "entity_id": entity,
                    "event_type": event_type,
                    "status": status,
                    "channel": "WEB",
                    "attributes_json": {"event_id": f"{entity}-{event_type}", "sla_hours": 24},
                }
                yield json.dumps(event if number < self.without_ward else event | {"ward_id": f"W{number % 5}"})
