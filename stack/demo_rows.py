"""The step of the demonstration that hands over rows: the same call twice, and the key used for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakehouse.errors import OtherRowsError
from lakehouse.load.rows import RowsReport
from lakehouse.row_insertion import insert_events
from stack.demo_scene import DemoOutcome, DemoScene

KEY = "make demo"
#: Of its own, so that figures of the generated cities stay those of the generator.
TENANT = "demo.rows"
ROWS: tuple[dict[str, Any], ...] = (
    {
        "event_time": "2026-09-30T09:00:00+05:30",
        "tenant_id": TENANT,
        "service": "PGR",
        "entity_type": "complaint",
        "entity_id": "DEMO-ROW-1",
        "event_type": "CaseSubmitted",
        "status": "OPEN",
        "channel": "COUNTER",
        "attributes_json": {"complaint_type": "StreetLightNotWorking", "sla_hours": 336},
    },
    {"tenant_id": TENANT, "entity_type": "complaint", "entity_id": "DEMO-ROW-2"},
)
GOOD_ROWS = 1


@dataclass(frozen=True)
class RowsStep:
    """Inserts a good row and a bad one under a key, twice, then other rows under the same key."""

    def run(self, scene: DemoScene) -> DemoOutcome:
        with scene.clock.part("Insert rows, and again under the same key"):
            first = insert_events(ROWS, idempotency_key=KEY, settings=scene.settings)
            again = insert_events(ROWS, idempotency_key=KEY, settings=scene.settings)
            is_refused = _other_rows_are_refused(scene)
            for reject in first.rejects:
                scene.console.print(f"  row {reject.index} comes back: {reject.reason} {reject.column or ''}")
        told = (
            f"Rows: {first.rows} in bronze, {len(first.rejects)} returned with index and reason; the same call "
            "again loaded nothing, other rows under its key were refused."
        )
        return DemoOutcome(shown=[told], differences=_differences(first, again, is_refused=is_refused))


def _other_rows_are_refused(scene: DemoScene) -> bool:
    try:
        insert_events(ROWS[:1], idempotency_key=KEY, settings=scene.settings)
    except OtherRowsError:
        return True
    return False


def _differences(first: RowsReport, again: RowsReport, *, is_refused: bool) -> list[str]:
    wrong = []
    if (first.rows, len(first.rejects)) != (GOOD_ROWS, len(ROWS) - GOOD_ROWS):
        wrong.append(f"{first.rows} of {GOOD_ROWS} good rows were inserted")
    if not again.already_loaded or (again.source_id, again.rows) != (first.source_id, first.rows):
        wrong.append("the same rows under the same key were inserted again")
    if not is_refused:
        wrong.append("other rows were taken under a key that was used")
    return wrong
