"""Macros that ask the engine or return lists, as sqlfluff renders them: a run that finds every kind of rows."""

from __future__ import annotations

from typing import Any


class _Plan(dict[str, Any]):
    """A plan whose keys read like attributes, as in dbt."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def bronze_plan(_settings: object) -> _Plan:
    """Return an incremental plan that reads every kind of rows."""
    dates = ["2026-10-01"]
    return _Plan(load_dates=dates, hand_dates=dates, changed_dates=dates, other_dates=dates)


def cases_plan(_events: object, _settings: object) -> _Plan:
    """Return an incremental plan."""
    return _Plan(days=["2026-10-01"])


def settings_digest(_seeds: object, _values: object) -> str:
    """Return a digest."""
    return "settings"


def plan_comment(_plan: object) -> str:
    """Return the plan's comment."""
    return "-- takes: {}"


def at_snapshot(_snapshot: object) -> str:
    """Return nothing: the newest snapshot."""
    return ""


def stored_relation() -> str:
    """Return a table's name."""
    return "stored_relation"


def taken_inputs() -> str:
    """Return its name."""
    return "taken_inputs"


def case_changes() -> str:
    """Return its name."""
    return "case_changes"


def in_chunk(column: object) -> str:
    """Return a predicate."""
    return f"{column} is not null"


def ledger_key() -> str:
    """Return a column of the ledger."""
    return "ledger.load_id"


def untaken_loads(_plan: object) -> str:
    """Return a common table expression."""
    return "untaken as (\n    select * from ledger\n)"


def untaken_changes(_plan: object) -> str:
    """Return a query."""
    return "select * from case_changes"


def date_in(column: object, _dates: object) -> str:
    """Return a predicate on one date."""
    return f"({column} in (date '2026-10-01'))"


def silver_columns() -> list[str]:
    """Return some columns of silver."""
    return ["event_id", "tenant_id", "_arrival", "_copy_dates"]


def lifecycle_columns() -> list[str]:
    """Return some columns of cases."""
    return ["tenant_id", "complaint_id", "last_status"]


def next_events() -> dict[str, list[str]]:
    """Return a state machine of one arrow."""
    return {"CaseSubmitted": ["CaseAssigned"]}


def stored_behind() -> list[tuple[str, str]]:
    """Return one pair."""
    return [("silver_pgr_events", "silver_pgr_events")]
