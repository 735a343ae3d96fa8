from __future__ import annotations

import pytest

from lakehouse.paths import BRONZE_TABLES, SQL
from lakehouse.settings import StorageNames
from lakehouse.tables.creation import TableConflictError, create_table, create_tables
from lakehouse.tables.definition import KEY_COLUMNS, CreatedTable, read_created_table
from tests.lakehouse.load.doubles import ScriptedEngine, named_parameters, rows_of

NAMES = StorageNames()
BRONZE = "iceberg.bronze.service_events_raw"
PATHS = [*sorted(BRONZE_TABLES.glob("*.sql")), *sorted((SQL / "tables" / "protocol").glob("*.sql"))]
DEFINED = {table.name: table for table in map(read_created_table, PATHS)}
BRONZE_PATH = BRONZE_TABLES / "service_events_raw.sql"
LOOK_AT_BRONZE = {"tables/views/1_open_rejects.sql", "tables/views/2_certificate.sql"}
#: What may be executed without changing a table that is there.
_HARMLESS = {"tables/show_columns.sql"}


def columns_of(table: CreatedTable, *, without: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in table.columns if column.name not in without]


def engine_with(tables: dict[str, list[tuple[str, str]]]) -> ScriptedEngine:
    """An engine in which these tables are there, with these columns."""

    def show_columns(statement):
        named = named_parameters(statement)
        return rows_of(*tables.get(f"{NAMES.catalog}.{named['schema']}.{named['table']}", ()))

    return ScriptedEngine({"tables/show_columns.sql": show_columns})


def test_everything_is_created_where_nothing_is():
    engine = engine_with({})
    changes = create_tables(engine, names=NAMES)
    assert [change.name for change in changes] == [
        *DEFINED,
        "iceberg.bronze.open_rejects",
        "iceberg.bronze.certificate",
        "iceberg.bronze.open_refusals",
        "iceberg.bronze.open_conditions",
    ]
    assert {change.action for change in changes[: len(DEFINED)]} == {"created"}
    created = [statement.text for statement in engine.executed if statement.text.startswith("create table")]
    assert created == [path.read_text(encoding="utf-8").strip() for path in PATHS]


def test_schemas_come_before_tables_and_tables_before_views():
    engine = engine_with({})
    create_tables(engine, names=NAMES)
    kinds = [statement.text.split("\n")[0].split()[:2] for statement in engine.executed]
    order = [" ".join(kind) for kind in kinds if kind[0] == "create"]
    assert order == ["create schema"] * 2 + ["create table"] * len(PATHS) + ["create or"] * 4


def test_bronze_schema_lies_where_settings_say():
    engine = engine_with({})
    create_tables(engine, names=StorageNames(bronze_location="s3://elsewhere/bronze"))
    assert engine.executed[0].text.endswith("with (location = 's3://elsewhere/bronze')")
    engine = engine_with({})
    create_tables(engine, names=StorageNames(bronze_location=""))
    assert "location" not in engine.executed[0].text


def test_table_of_the_guide_is_adopted_by_adding_the_key():
    engine = engine_with({BRONZE: columns_of(DEFINED[BRONZE], without=KEY_COLUMNS)})
    change = create_table(BRONZE_PATH, engine=engine)
    assert change.columns_added == KEY_COLUMNS
    assert change.action == "upgraded"
    assert str(change) == f"{BRONZE}: upgraded (added _source_id, _position, _load_id, _ingested_at)"
    added = [statement.text for statement in engine.executed if statement.name == "tables/add_column.sql"]
    assert [text.split(" comment ")[0] for text in added] == [
        f'alter table "iceberg"."bronze"."service_events_raw" add column "{name}" {kind}'
        for name, kind in columns_of(DEFINED[BRONZE])[-4:]
    ]


def test_table_that_is_as_defined_is_only_bounded():
    engine = engine_with({BRONZE: columns_of(DEFINED[BRONZE])})
    change = create_table(BRONZE_PATH, engine=engine)
    assert (change.action, change.columns_added) == ("is as defined", ())
    assert engine.names == ["tables/show_columns.sql", "tables/bound_metadata.sql"]


def test_running_again_changes_no_table():
    engine = engine_with({name: columns_of(table) for name, table in DEFINED.items()})
    changes = create_tables(engine, names=NAMES)
    assert {change.action for change in changes} == {"is as defined", "view refreshed"}
    assert not [name for name in engine.names if name == "tables/add_column.sql"]


def test_views_look_at_every_bronze_table():
    engine = engine_with({})
    create_tables(engine, names=NAMES)
    views = [statement.text for statement in engine.executed if statement.name in LOOK_AT_BRONZE]
    assert len(views) == len(LOOK_AT_BRONZE)
    for table in sorted(BRONZE_TABLES.glob("*.sql")):
        assert all(f"'iceberg.bronze.{table.stem}'" in text for text in views)


@pytest.mark.parametrize(
    ("column", "found"), [("event_date", "varchar"), ("_position", "integer"), ("event_time", "timestamp(3)")]
)
def test_column_of_another_type_is_refused_before_anything_is_changed(column, found):
    there = dict(columns_of(DEFINED[BRONZE], without=("_ingested_at",))) | {column: found}
    engine = engine_with({BRONZE: list(there.items())})
    with pytest.raises(TableConflictError) as caught:
        create_table(BRONZE_PATH, engine=engine)
    assert set(engine.names) <= _HARMLESS
    wanted = dict(columns_of(DEFINED[BRONZE]))[column]
    assert (caught.value.table, caught.value.column) == (BRONZE, column)
    assert (caught.value.found, caught.value.wanted) == (found, wanted)


def test_types_are_compared_whatever_their_case():
    there = [(name, kind.upper()) for name, kind in columns_of(DEFINED[BRONZE])]
    assert create_table(BRONZE_PATH, engine=engine_with({BRONZE: there})).action == "is as defined"


def test_columns_of_somebody_elses_are_left_alone():
    there = [*columns_of(DEFINED[BRONZE]), ("their_note", "varchar")]
    engine = engine_with({BRONZE: there})
    create_table(BRONZE_PATH, engine=engine)
    assert not [statement for statement in engine.executed if "drop" in statement.text]
