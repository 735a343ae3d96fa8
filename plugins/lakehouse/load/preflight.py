"""What must be true of engine, catalog and tables before the first load of a process.

The load statement is exactly-once only under these conditions (load-protocol, "It holds under these conditions");
each was broken once to see rows double.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lakehouse.engine import Engine
from lakehouse.errors import UnsafeEngineError
from lakehouse.load.ledger import ProtocolTables
from lakehouse.statements import render
from lakehouse.tables.creation import existing_columns
from lakehouse.tables.definition import KEY_COLUMNS, TableDefinition

#: MERGE pins below this version were never tried; 470 brought max_commit_retry.
OLDEST_VERSION = 470
#: trinodb/trino#26968: MERGE duplicates rows.
REFUSED_VERSIONS = frozenset({477})
_FORMATS = frozenset({"PARQUET", "ORC"})


def check_engine(engine: Engine, *, catalog: str) -> int:
    """Check the engine's version and the catalog's setting; returns the version.

    :raises UnsafeEngineError: one of them breaks the guarantee.
    """
    text = str(engine.execute(render("preflight/engine_version.sql")).scalar)
    refuse_version(text)
    name = f"{catalog}.file_based_conflict_detection_enabled"
    rows = engine.execute(render("preflight/session_property.sql", name=name)).records()
    default = str(rows[0]["Default"]).lower() if rows else "missing"
    if default != "false":
        raise UnsafeEngineError(
            finding=f"Catalog {catalog} narrows conflict detection to written partitions "
            f"({name} is {default} by default): other writers could double rows.",
            remedy=f"Set iceberg.file-based-conflict-detection=false in {catalog}.properties and restart Trino.",
        )
    return _version_number(text)


def refuse_version(text: str) -> None:
    """Refuse a Trino version that is known to break the load.

    :raises UnsafeEngineError: it is one.
    """
    version = _version_number(text)
    if version in REFUSED_VERSIONS:
        raise UnsafeEngineError(
            finding=f"Trino {text} duplicates rows in MERGE (trinodb/trino#26968).",
            remedy="Use Trino 476, or one later than 477 that passes `lakehouse verify-engine`.",
        )
    if version < OLDEST_VERSION:
        raise UnsafeEngineError(
            finding=f"Trino {text} is older than {OLDEST_VERSION}.",
            remedy="Use Trino 476, or a later one that passes `lakehouse verify-engine`.",
        )


def check_tables(engine: Engine, *, names: Sequence[str]) -> None:
    """Check the properties of tables that loads write.

    :raises UnsafeEngineError: isolation level, format version or file format of one breaks the guarantee.
    """
    properties: dict[str, dict[str, str]] = {name: {} for name in names}
    for name, key, value in engine.execute(render("preflight/table_properties.sql", targets=list(names))).rows:
        properties[name][key] = str(value)
    for name, of_table in properties.items():
        refuse_properties(name, of_table)


def refuse_properties(name: str, properties: dict[str, str]) -> None:
    """Refuse a table whose properties break the load.

    :raises UnsafeEngineError: they do.
    """
    isolation = properties.get("write.delete.isolation-level", "serializable").lower()
    if isolation != "serializable":
        raise UnsafeEngineError(
            finding=f"{name} has write.delete.isolation-level={isolation}: MERGE validates nothing and doubles "
            "rows in silence.",
            remedy="Remove the property, or set it to serializable.",
        )
    if properties.get("format-version", "2") != "2":
        raise UnsafeEngineError(
            finding=f"{name} has Iceberg format version {properties['format-version']}; the load is proven on 2.",
            remedy=f"ALTER TABLE {name} SET PROPERTIES format_version = 2, or make the table anew.",
        )
    file_format = properties.get("write.format.default", "PARQUET").upper()
    if file_format not in _FORMATS:
        raise UnsafeEngineError(
            finding=f"{name} writes {file_format}, which has no bounds: every load conflicts with every other.",
            remedy=f"ALTER TABLE {name} SET PROPERTIES format = 'PARQUET'.",
        )


def check_columns(engine: Engine, *, table: TableDefinition) -> None:
    """Check that a bronze table has the columns of its definition.

    :raises UnsafeEngineError: it is missing, or lacks columns.
    """
    found = existing_columns(table.name, engine=engine)
    missing = [column for column in (*table.column_names, *KEY_COLUMNS) if column not in found]
    if missing:
        finding = f"{table.name} lacks {', '.join(missing)}" if found else f"{table.name} does not exist"
        raise UnsafeEngineError(finding=f"{finding}.", remedy="Run `lakehouse tables` once.")


def preflight(engine: Engine, *, catalog: str, table: TableDefinition, tables: ProtocolTables) -> None:
    """All checks, before the first load of a process.

    :raises UnsafeEngineError: a load would not be exactly-once here.
    """
    if table.name.split(".")[0] != catalog:
        raise UnsafeEngineError(
            finding=f"{table.name} is not in catalog {catalog}, for which loads set their session properties.",
            remedy=f"Set TRINO_CATALOG={table.name.split('.')[0]}.",
        )
    check_engine(engine, catalog=catalog)
    check_columns(engine, table=table)
    check_tables(engine, names=(table.name, tables.sources, tables.ledger, tables.rejects))


def _version_number(text: str) -> int:
    match = re.match(r"\d+", text)
    if match is None:
        raise UnsafeEngineError(finding=f"Trino calls its version {text!r}.", remedy="Use a released version.")
    return int(match.group())
