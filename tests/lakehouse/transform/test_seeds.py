from __future__ import annotations

from unittest import mock

import pytest

from lakehouse.engine import Engine, Outcome
from lakehouse.settings import StorageNames
from lakehouse.transform.manifest import Node, read_nodes
from lakehouse.transform.seeds import loaded_seeds

ZONES, CHANNELS, SILVER = "seed.lakehouse.zones", "seed.lakehouse.channels", "model.lakehouse.silver"


def node(unique_id: str, *, checksum: str = "") -> Node:
    resource_type, _, name = unique_id.split(".")
    return Node(
        unique_id=unique_id,
        name=name,
        resource_type=resource_type,
        layer="",
        table=f"reference.{name}",
        description="",
        materialized="",
        parents=(),
        sources=(),
        data_tests=(),
        checksum=checksum,
    )


NODES = {
    ZONES: node(ZONES, checksum="a" * 64),
    CHANNELS: node(CHANNELS, checksum="b" * 64),
    SILVER: node(SILVER),
}


def loaded(comments: dict[str, str | None]) -> frozenset[str]:
    engine = mock.create_autospec(Engine, instance=True)
    rows = tuple((comment, table) for table, comment in comments.items())
    engine.execute.return_value = Outcome(columns=("checksum", "seed"), rows=rows, query_id=None, updated=None)
    return loaded_seeds(engine, nodes=NODES, names=StorageNames())


def test_a_seed_whose_table_was_filled_from_its_file_is_loaded():
    assert loaded({"reference.zones": "a" * 64, "reference.channels": "b" * 64}) == {ZONES, CHANNELS}


@pytest.mark.parametrize("comment", ["c" * 64, "a" * 63, "", None], ids=["other file", "cut", "empty", "none"])
def test_a_seed_whose_table_does_not_say_so_is_not(comment: str | None):
    assert loaded({"reference.zones": comment}) == frozenset()


def test_where_no_table_is_there_no_seed_is_loaded():
    assert loaded({}) == frozenset()


def test_a_manifest_from_before_seeds_had_checksums_has_none_loaded():
    nodes = {ZONES: node(ZONES)}
    engine = mock.create_autospec(Engine, instance=True)
    engine.execute.return_value = Outcome(
        columns=("checksum", "seed"), rows=(("", "reference.zones"),), query_id=None, updated=None
    )
    assert loaded_seeds(engine, nodes=nodes, names=StorageNames()) == frozenset()


def test_the_manifest_that_is_kept_knows_the_file_of_each_seed():
    seeds = [found for found in read_nodes().values() if found.resource_type == "seed"]
    assert seeds
    assert all(len(seed.checksum) == len("a" * 64) for seed in seeds)
