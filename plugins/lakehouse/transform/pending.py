"""Is there anything to transform? Answered from what the models noted as taken, in one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from lakehouse.engine import Engine
from lakehouse.settings import StorageNames
from lakehouse.statements import render
from lakehouse.transform.errors import BronzeMissingError
from lakehouse.transform.manifest import Node

#: Models that note what they take are built by this materialization of the project.
_NOTES_WHAT_IT_TAKES = "touched"
_FIRST_LAYER = "silver"
_TAKEN_INPUTS = "silver.taken_inputs"
_BRONZE = "bronze.service_events_raw"
_LEDGER = "bronze.ledger"


@dataclass(frozen=True)
class Pending:
    """What no model has taken yet.

    :param counts: how much of what, in words; empty when there is nothing.
    :param is_first: nothing has ever been taken.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    is_first: bool = False

    def __bool__(self) -> bool:
        return self.is_first or bool(self.counts)

    def __str__(self) -> str:
        if self.is_first:
            return "everything, for the first time"
        return ", ".join(f"{count} {what}" for what, count in self.counts.items()) or "nothing"


def read_pending(engine: Engine, *, nodes: Mapping[str, Node], names: StorageNames) -> Pending:
    """What silver has not taken of bronze, and the models after it not of silver.

    :raises BronzeMissingError: the tables have not been created.
    :raises LakehouseError: as the engine does.
    """
    touched = [node for node in nodes.values() if node.materialized == _NOTES_WHAT_IT_TAKES]
    if not _has_table(engine, _TAKEN_INPUTS, names=names):
        if not _has_table(engine, _LEDGER, names=names):
            raise BronzeMissingError(table=f"{names.catalog}.{_LEDGER}")
        return Pending(is_first=True)
    [first] = [node.name for node in touched if node.layer == _FIRST_LAYER]
    found = engine.execute(
        render(
            "transform/pending.sql",
            taken_inputs=f"{names.catalog}.{_TAKEN_INPUTS}",
            ledger=f"{names.catalog}.{_LEDGER}",
            bronze=f"{names.catalog}.{_BRONZE}",
            snapshots=f"{names.catalog}.{_BRONZE}$refs",
            first_model=first,
            later_models=json.dumps([node.name for node in touched if node.name != first]),
        )
    )
    return Pending(counts={row["what"]: row["pending"] for row in found.records()})


def _has_table(engine: Engine, name: str, *, names: StorageNames) -> bool:
    schema, table = name.split(".")
    tables = f"{names.catalog}.information_schema.tables"
    found = engine.execute(render("transform/has_table.sql", tables=tables, schema=schema, table=table))
    return bool(found.scalar)
