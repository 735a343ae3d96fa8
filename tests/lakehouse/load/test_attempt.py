from __future__ import annotations

from dataclasses import replace

import pytest

from lakehouse.load.attempt import AttemptPlaces, Failure, Manifest, Unit
from tests.lakehouse.load.examples import ATTEMPT, load, manifest_of


def test_unit_spans_its_loads():
    unit = Unit(
        loads=(
            load("0k9c_b", 3, 9, rows=4, rejects=2),
            load("0k9c_a", 0, 5, rows=5),
            load("0k9c_c", 0, 20, rows=17, rejects=3),
        ),
        statements=1,
    )
    assert (unit.source_from, unit.source_to) == ("0k9c_a", "0k9c_c")
    assert (unit.first_position, unit.next_position) == (0, 20)
    assert (unit.rows_loaded, unit.rejects) == (26, 5)


def test_manifest_counts_its_units():
    manifest = manifest_of(
        Unit(loads=(load("a", 0, 5, rows=4, rejects=1),), statements=1),
        Unit(loads=(load("b", 0, 5, rows=2, rejects=3),), statements=1),
    )
    assert (manifest.rows_loaded, manifest.rejects) == (6, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"end_position": None, "source_bytes": None},
        {"touched": ()},
        {"unknown_columns": {"größe": 3}, "null_counts": {}},
        {"source": 's3://warehouse/staging/ünï "quoted".csv'},
    ],
)
def test_manifest_survives_as_json(changes):
    manifest = replace(
        manifest_of(Unit(loads=(replace(load("a", 0, 5, rows=5), **changes),), statements=2)),
        failures=(Failure(source="s3://warehouse/b", message="Damaged.", is_terminal=True),),
    )
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_everything_of_an_attempt_carries_its_name(names):
    places = AttemptPlaces(attempt=ATTEMPT, names=names)
    assert places.rows_prefix == f"_spool/{ATTEMPT}/rows/"
    assert places.rejects_prefix == f"_spool/{ATTEMPT}/rejects/"
    assert places.manifest_key == f"_spool/{ATTEMPT}/manifest.json"
    assert places.rows_table == f"staging.attempts.rows_{ATTEMPT}"
    assert places.rejects_table == f"staging.attempts.rejects_{ATTEMPT}"
    assert places.location(places.rows_prefix) == f"s3://warehouse/_spool/{ATTEMPT}/rows/"


def test_manifest_lies_outside_of_what_staging_tables_show(names):
    # A file among the Parquet files would be read as one of them.
    places = AttemptPlaces(attempt=ATTEMPT, names=names)
    assert not places.manifest_key.startswith((places.rows_prefix, places.rejects_prefix))
