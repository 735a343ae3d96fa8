from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import ProtocolTables
from lakehouse.maintenance import maintain_table
from lakehouse.paths import BRONZE_TABLES
from lakehouse.tables.creation import TableConflictError, create_table, create_tables
from lakehouse.tables.definition import KEY_COLUMNS
from tests.engine.conftest import BRONZE, Platform

pytestmark = pytest.mark.engine

GUIDE_COLUMNS = (
    "event_date",
    "event_time",
    "tenant_id",
    "service",
    "entity_type",
    "entity_id",
    "event_type",
    "status",
    "actor_type",
    "actor_id",
    "channel",
    "ward_id",
    "locality_id",
    "attributes_json",
    "raw_payload",
)


@pytest.fixture
def second_table(platform: Platform, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A bronze table of another name, and its definition; dropped afterwards."""
    name = f"service_events_{uuid.uuid4().hex[:8]}"
    definition = (BRONZE_TABLES / "service_events_raw.sql").read_text().replace("service_events_raw", name)
    path = tmp_path / f"{name}.sql"
    path.write_text(definition)
    yield f"iceberg.bronze.{name}", path
    platform.rows(f"drop table if exists iceberg.bronze.{name}")


def columns_of(platform: Platform, table: str) -> tuple[str, ...]:
    return tuple(name for name, *_ in platform.rows(f"describe {table}"))


def test_bronze_has_the_columns_of_the_guide_in_its_order_then_the_key(platform: Platform):
    assert columns_of(platform, BRONZE) == (*GUIDE_COLUMNS, *KEY_COLUMNS)


def test_creating_the_tables_again_changes_nothing(platform: Platform):
    changes = create_tables(platform.engine, names=platform.settings.names)
    assert {change.action for change in changes} == {"is as defined", "view refreshed"}


def test_a_table_of_the_old_platform_is_adopted_with_its_rows(platform: Platform, second_table: tuple[str, Path]):
    name, path = second_table
    types = {"event_date": "date", "event_time": "timestamp(6)"}
    columns = ", ".join(f"{column} {types.get(column, 'varchar')}" for column in GUIDE_COLUMNS)
    platform.rows(
        f"create table {name} ({columns}) with (format = 'PARQUET', partitioning = array['event_date', 'service'])"
    )
    platform.rows(f"insert into {name} (event_date, tenant_id, service) values (date '2024-12-01', 'T', 'PGR')")
    change = create_table(path, engine=platform.engine)
    assert change.columns_added == KEY_COLUMNS
    assert columns_of(platform, name) == (*GUIDE_COLUMNS, *KEY_COLUMNS)
    assert platform.rows(f"select tenant_id, _source_id, _position from {name}") == [("T", None, None)]


def test_a_column_of_another_type_is_refused_before_anything_changes(
    platform: Platform, second_table: tuple[str, Path]
):
    name, path = second_table
    platform.rows(f"create table {name} (event_date varchar, service varchar)")
    with pytest.raises(TableConflictError, match="event_date as varchar"):
        create_table(path, engine=platform.engine)
    assert columns_of(platform, name) == ("event_date", "service")


def test_metadata_stays_bounded_however_many_commits_there_are(platform: Platform, second_table: tuple[str, Path]):
    name, path = second_table
    create_table(path, engine=platform.engine)
    for number in range(30):
        platform.rows(f"insert into {name} (event_date, service) values (date '2024-12-01', '{number}')")
    schema, table = name.rsplit(".", 1)
    location = dict(platform.rows(f'select key, value from {schema}."{table}$properties"'))["location"]
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    at_once = {
        "iceberg.expire_snapshots_min_retention": "0s",
        "iceberg.remove_orphan_files_min_retention": "0s",
    }
    engine = TrinoEngine(connect_with(platform.settings, session=at_once))
    maintain_table(engine, name=name, snapshot_retention=timedelta(0), orphan_retention=timedelta(0))
    files = [version.key for version in platform.store.list_objects(bucket=bucket, prefix=f"{prefix}/metadata/")]
    assert len([key for key in files if key.endswith(".json")]) <= 22
    assert len(platform.rows(f'select snapshot_id from {schema}."{table}$snapshots"')) == 1
    assert platform.rows(f"select count(*) from {name}") == [(30,)]


@pytest.mark.parametrize("table", [BRONZE, *vars(ProtocolTables()).values()])
def test_every_table_of_the_protocol_bounds_its_metadata(platform: Platform, table: str):
    schema, name = table.rsplit(".", 1)
    properties = dict(platform.rows(f'select key, value from {schema}."{name}$properties"'))
    assert properties["write.metadata.previous-versions-max"] == "20"
    assert properties["write.metadata.delete-after-commit.enabled"] == "true"
    assert properties["commit.retry.num-retries"] == "20"
