"""Plans of objects that need not exist."""

from __future__ import annotations

from lakehouse.load.plan import Batch, Plan, PlannedSource
from tests.lakehouse.load.doubles import MOMENT


def batch(*keys: str) -> Batch:
    return Batch(
        sources=tuple(
            PlannedSource(
                source_id=f"{number:016d}",
                bucket="warehouse",
                key=key,
                etag="e",
                size=10,
                last_modified=MOMENT,
                first_position=number,
            )
            for number, key in enumerate(keys)
        )
    )


def plan(*batches: Batch) -> Plan:
    return Plan(contract="pgr_events_csv", batches=batches, objects_seen=5, objects_loaded=3, objects_left=0)
