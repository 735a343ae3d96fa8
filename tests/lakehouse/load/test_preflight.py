from __future__ import annotations

import pytest

from lakehouse.engine import Outcome
from lakehouse.errors import UnsafeEngineError
from lakehouse.load.ledger import ProtocolTables
from lakehouse.load.preflight import (
    check_columns,
    check_engine,
    check_tables,
    preflight,
    refuse_properties,
    refuse_version,
)
from lakehouse.tables.definition import KEY_COLUMNS
from tests.lakehouse.load.doubles import ScriptedEngine, rows_of

TABLE = "iceberg.bronze.service_events_raw"
SOUND = {"format-version": "2", "write.format.default": "PARQUET", "commit.retry.num-retries": "20"}
SESSION = "iceberg.file_based_conflict_detection_enabled"


def session_rows(default: str) -> Outcome:
    """What `show session like …` gives."""
    columns = ("Name", "Value", "Default", "Type", "Description")
    return rows_of((SESSION, "false", default, "boolean", "…"), columns=columns)


def properties_of(table: str, properties: dict[str, str]) -> Outcome:
    return rows_of(*((table, key, value) for key, value in properties.items()))


@pytest.fixture
def engine(table) -> ScriptedEngine:
    """An engine on which loads are exactly-once."""
    return ScriptedEngine(
        {
            "preflight/engine_version.sql": rows_of(("476",)),
            "preflight/session_property.sql": session_rows("false"),
            "tables/show_columns.sql": rows_of(
                *((name, "varchar") for name in (*table.column_names, *KEY_COLUMNS))
            ),
            "preflight/table_properties.sql": properties_of(TABLE, SOUND),
        }
    )


@pytest.mark.parametrize("version", ["470", "476", "476-SNAPSHOT", "478", "483", "476.1-vendor"])
def test_version_that_passed_is_taken(version):
    refuse_version(version)


@pytest.mark.parametrize(
    ("version", "finding"),
    [
        ("477", "duplicates rows in MERGE"),
        ("477-vendor.3", "duplicates rows in MERGE"),
        ("469", "older than 470"),
        ("435", "older than 470"),
        ("", "calls its version ''"),
        ("dev", "calls its version 'dev'"),
    ],
)
def test_version_that_breaks_loads_is_refused_by_name(version, finding):
    with pytest.raises(UnsafeEngineError, match=finding) as caught:
        refuse_version(version)
    assert "Use " in caught.value.remedy


@pytest.mark.parametrize(
    "properties",
    [
        {},
        SOUND,
        SOUND | {"write.format.default": "orc"},
        SOUND | {"write.delete.isolation-level": "serializable"},
        SOUND | {"write.delete.isolation-level": "SERIALIZABLE"},
    ],
)
def test_sound_properties_are_taken(properties):
    refuse_properties(TABLE, properties)


@pytest.mark.parametrize(
    ("properties", "finding"),
    [
        ({"write.delete.isolation-level": "snapshot"}, "validates nothing and doubles rows"),
        ({"write.delete.isolation-level": "SNAPSHOT"}, "validates nothing and doubles rows"),
        ({"format-version": "1"}, "format version 1"),
        ({"format-version": "3"}, "format version 3"),
        ({"write.format.default": "AVRO"}, "has no bounds"),
        ({"write.format.default": "avro"}, "has no bounds"),
    ],
)
def test_properties_that_break_loads_are_refused_by_name(properties, finding):
    with pytest.raises(UnsafeEngineError, match=finding) as caught:
        refuse_properties(TABLE, SOUND | properties)
    assert TABLE in caught.value.finding
    assert caught.value.remedy


def test_table_whose_properties_break_loads_is_named(engine):
    ledger = "iceberg.bronze.ledger"
    sound, unsound = properties_of(TABLE, SOUND), properties_of(ledger, {"format-version": "1"})
    engine.answers["preflight/table_properties.sql"] = rows_of(*sound.rows, *unsound.rows)
    with pytest.raises(UnsafeEngineError, match=r"iceberg\.bronze\.ledger has Iceberg format version 1"):
        check_tables(engine, names=[TABLE, ledger])


def test_engine_that_keeps_the_guarantee_tells_its_version(engine):
    assert check_engine(engine, catalog="iceberg") == 476
    assert f"'{SESSION}'" in engine.executed[-1].text


@pytest.mark.parametrize(
    ("rows", "default"),
    [(session_rows("true"), "true"), (session_rows("TRUE"), "true"), (rows_of(), "missing")],
    ids=["true", "TRUE", "missing"],
)
def test_catalog_that_narrows_conflicts_is_refused_whatever_the_session_says(engine, rows, default):
    # Our sessions say false; other writers of the same catalog do not.
    engine.answers["preflight/session_property.sql"] = rows
    with pytest.raises(UnsafeEngineError, match=f"{SESSION} is {default} by default") as caught:
        check_engine(engine, catalog="iceberg")
    assert "iceberg.file-based-conflict-detection=false in iceberg.properties" in caught.value.remedy


@pytest.mark.parametrize(
    ("found", "finding"),
    [
        ((), f"{TABLE} does not exist"),
        (("event_date", "service"), f"{TABLE} lacks event_time"),
    ],
)
def test_table_without_its_columns_is_refused(engine, table, found, finding):
    engine.answers["tables/show_columns.sql"] = rows_of(*((name, "varchar") for name in found))
    with pytest.raises(UnsafeEngineError, match=finding) as caught:
        check_columns(engine, table=table)
    assert "lakehouse tables" in caught.value.remedy


def test_table_that_was_not_adopted_yet_lacks_the_key(engine, table):
    engine.answers["tables/show_columns.sql"] = rows_of(*((name, "varchar") for name in table.column_names))
    with pytest.raises(UnsafeEngineError, match=", ".join(KEY_COLUMNS)):
        check_columns(engine, table=table)


def test_preflight_looks_at_every_table_that_a_load_writes(engine, table):
    preflight(engine, catalog="iceberg", table=table, tables=ProtocolTables())
    (statement,) = [
        statement for statement in engine.executed if statement.name == "preflight/table_properties.sql"
    ]
    tables = [f"iceberg.bronze.{name}" for name in ("service_events_raw", "sources", "ledger", "rejects")]
    selects = statement.text.split("union all")
    assert len(selects) == len(tables)
    for name, select in zip(tables, selects, strict=True):
        assert f"'{name}' as table_name" in select
        assert f'from "{name}$properties"'.replace(".", '"."') in select


@pytest.mark.parametrize(
    ("template", "answer"),
    [
        ("preflight/engine_version.sql", rows_of(("477",))),
        ("preflight/session_property.sql", session_rows("true")),
        ("tables/show_columns.sql", rows_of()),
        ("preflight/table_properties.sql", properties_of(TABLE, {"write.delete.isolation-level": "snapshot"})),
    ],
)
def test_preflight_refuses_whatever_one_of_its_checks_refuses(engine, table, template, answer):
    engine.answers[template] = answer
    with pytest.raises(UnsafeEngineError):
        preflight(engine, catalog="iceberg", table=table, tables=ProtocolTables())
