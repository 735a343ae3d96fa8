"""Which seeds the engine has already as the project has them: the table of a seed says what it was filled from."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.engine import Engine
from lakehouse.settings import StorageNames
from lakehouse.statements import render
from lakehouse.transform.manifest import Node


def loaded_seeds(engine: Engine, *, nodes: Mapping[str, Node], names: StorageNames) -> frozenset[str]:
    """The seeds whose tables were filled from the files that the manifest knows, by unique id.

    A table of which somebody changed rows by hand still says so: a full refresh fills it again.

    :raises LakehouseError: as the engine does.
    """
    seeds = {unique_id: node for unique_id, node in nodes.items() if node.resource_type == "seed"}
    found = {
        seed: checksum
        for schema in sorted({node.table.partition(".")[0] for node in seeds.values()})
        for checksum, seed in engine.execute(
            render("transform/seed_checksums.sql", catalog=names.catalog, schema=schema)
        ).rows
    }
    return frozenset(
        unique_id for unique_id, node in seeds.items() if node.checksum and found.get(node.table) == node.checksum
    )
