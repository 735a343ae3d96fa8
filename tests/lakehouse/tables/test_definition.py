from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.paths import BRONZE_TABLES, SQL
from lakehouse.tables.definition import (
    KEY_COLUMNS,
    Column,
    ColumnType,
    TableDefinition,
    TableDefinitionError,
    read_created_table,
    read_table_definition,
    read_table_definitions,
)

COLUMNS_OF_THE_GUIDE = (
    ("event_date", ColumnType.DATE),
    ("event_time", ColumnType.TIMESTAMP),
    ("tenant_id", ColumnType.VARCHAR),
    ("service", ColumnType.VARCHAR),
    ("entity_type", ColumnType.VARCHAR),
    ("entity_id", ColumnType.VARCHAR),
    ("event_type", ColumnType.VARCHAR),
    ("status", ColumnType.VARCHAR),
    ("actor_type", ColumnType.VARCHAR),
    ("actor_id", ColumnType.VARCHAR),
    ("channel", ColumnType.VARCHAR),
    ("ward_id", ColumnType.VARCHAR),
    ("locality_id", ColumnType.VARCHAR),
    ("attributes_json", ColumnType.VARCHAR),
    ("raw_payload", ColumnType.VARCHAR),
)
KEYS = "_source_id varchar, _position bigint, _load_id varchar, _ingested_at timestamp(6)"
KEYS_OUT_OF_ORDER = "_position bigint, _source_id varchar, _load_id varchar, _ingested_at timestamp(6)"
PARTITIONED = "with (partitioning = array['day'])"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        path = tmp_path / "parking.sql"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_service_events_have_the_columns_of_the_guide_in_its_order():
    table = read_table_definition(BRONZE_TABLES / "service_events_raw.sql")
    assert tuple((column.name, column.type) for column in table.columns) == COLUMNS_OF_THE_GUIDE
    assert table.name == "iceberg.bronze.service_events_raw"
    assert table.partitioning == ("event_date", "service")
    assert table.path == BRONZE_TABLES / "service_events_raw.sql"


@pytest.mark.parametrize("path", sorted(BRONZE_TABLES.glob("*.sql")), ids=lambda path: path.stem)
def test_shipped_tables_end_with_the_key(path):
    created = read_created_table(path)
    assert [(column.name, column.type) for column in created.columns[-4:]] == [
        ("_source_id", "varchar"),
        ("_position", "bigint"),
        ("_load_id", "varchar"),
        ("_ingested_at", "timestamp(6)"),
    ]
    assert created.name == f"iceberg.bronze.{path.stem}"


@pytest.mark.parametrize(
    "path",
    [*sorted(BRONZE_TABLES.glob("*.sql")), *sorted((SQL / "tables" / "protocol").glob("*.sql"))],
    ids=lambda path: path.stem,
)
def test_shipped_tables_have_the_properties_that_loads_rest_on(path):
    text = path.read_text(encoding="utf-8")
    for wanted in ("format = 'PARQUET'", "format_version = 2", "max_commit_retry = 20"):
        assert wanted in text
    assert "write.metadata.previous-versions-max" in text
    assert "isolation-level" not in text


def test_comments_are_read(written):
    path = written(f"create table a.b.parking (day date comment 'it''s a day', fine double, {KEYS}) {PARTITIONED}")
    assert read_table_definition(path).columns == (
        Column(name="day", type=ColumnType.DATE, comment="it's a day"),
        Column(name="fine", type=ColumnType.DOUBLE, comment=""),
    )


def test_every_type_may_be_used(written):
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(ColumnType))
    path = written(f"create table a.b.parking (day date, {columns}, {KEYS}) {PARTITIONED}")
    assert tuple(column.type for column in read_table_definition(path).columns[1:]) == tuple(ColumnType)


def test_column_is_found_by_its_name():
    table = read_table_definition(BRONZE_TABLES / "service_events_raw.sql")
    assert table.column("event_time").type is ColumnType.TIMESTAMP
    assert table.column_names[0] == "event_date"
    with pytest.raises(KeyError, match="_source_id"):
        table.column("_source_id")


def test_nested_types_of_the_ledger_are_spelled_as_trino_spells_them():
    ledger = read_created_table(SQL / "tables" / "protocol" / "ledger.sql")
    types = {column.name: column.type for column in ledger.columns}
    assert types["touched"] == "array(row(event_date date, service varchar))"
    assert types["unknown_columns"] == "map(varchar, bigint)"
    assert ledger.partitioning == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("create table (", "not a statement"),
        ("select 1", "not a CREATE TABLE statement with columns"),
        ("create table a.b.c as select 1 as x", "not a CREATE TABLE statement with columns"),
        (f"create table a.b.c (day date) {PARTITIONED}", "the last columns must be _source_id, _position"),
        (f"create table a.b.c (day date, {KEYS_OUT_OF_ORDER}) {PARTITIONED}", "the last columns must be"),
        (f"create table a.b.c ({KEYS}, day date) {PARTITIONED}", "the last columns must be"),
        (f"create table a.b.c (day date, {KEYS})", "no partitioning"),
        (f"create table a.b.c (day date, {KEYS}) with (partitioning = array[])", "no partitioning"),
        (
            f"create table a.b.c (day real, {KEYS}) {PARTITIONED}",
            "column day has type real; supported are varchar",
        ),
        (f"create table a.b.c (day timestamp(3), {KEYS}) {PARTITIONED}", "column day has type timestamp"),
        (f"create table a.b.c (day date, primary key (day), {KEYS}) {PARTITIONED}", "not a column"),
    ],
)
def test_wrong_definition_is_refused_with_file_and_problem(written, text, problem):
    path = written(text)
    with pytest.raises(TableDefinitionError) as caught:
        read_table_definition(path)
    assert problem in caught.value.problem
    assert str(path) in caught.value.problem
    assert caught.value.path == path


def test_definitions_of_a_directory_are_found_by_their_full_names(tmp_path):
    for name in ("parking", "water"):
        text = f"create table a.b.{name} (day date, {KEYS}) {PARTITIONED}"
        (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not a table", encoding="utf-8")
    tables = read_table_definitions(tmp_path)
    assert list(tables) == ["a.b.parking", "a.b.water"]
    assert all(isinstance(table, TableDefinition) for table in tables.values())


def test_key_columns_are_those_of_the_protocol():
    assert KEY_COLUMNS == ("_source_id", "_position", "_load_id", "_ingested_at")
