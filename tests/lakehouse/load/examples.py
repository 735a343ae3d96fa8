"""Loads, units and manifests that tests of the protocol begin with."""

from __future__ import annotations

from datetime import date

from lakehouse.identity import framing_mark, load_id
from lakehouse.load.attempt import Load, Manifest, Partition, Unit
from tests.lakehouse.load.doubles import MOMENT

ATTEMPT = "20261123_090000_0123456789abcdef"
FINGERPRINT = "f" * 16
FRAMING = '["jsonl", {}]'


def load(
    source_id: str, first: int, next_position: int, *, rows: int, rejects: int = 0, end_position: int | None = None
) -> Load:
    return Load(
        source_id=source_id,
        first_position=first,
        next_position=next_position,
        end_position=end_position,
        load_id=load_id(
            source_id=source_id,
            first=first,
            next_position=next_position,
            fingerprint=FINGERPRINT,
            framing=FRAMING,
            columns="event_date date",
        ),
        source_kind="object",
        source=f"s3://warehouse/staging/{source_id}.jsonl",
        identity=f'{{"key": "{source_id}"}}',
        source_bytes=100,
        records_read=rows + rejects,
        rows_loaded=rows,
        rejects=rejects,
        null_counts={"ward_id": rows},
        touched=(Partition(event_date=date(2026, 10, 1), service="PGR"), Partition(event_date=None, service=None)),
        unknown_columns={"colour": 1},
    )


def unit_of(*loads: Load, statements: int = 1) -> Unit:
    return Unit(loads=loads, statements=statements)


def manifest_of(*units: Unit) -> Manifest:
    return Manifest(
        attempt=ATTEMPT,
        contract="parking_fines",
        contract_fingerprint=FINGERPRINT,
        framing_mark=framing_mark(FRAMING),
        target="iceberg.bronze.service_events_raw",
        started_at=MOMENT,
        units=units,
        failures=(),
    )
