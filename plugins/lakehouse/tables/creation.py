"""Creates and upgrades the tables and views: the only place that runs DDL on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lakehouse.engine import Engine
from lakehouse.errors import TerminalError
from lakehouse.paths import BRONZE_TABLES, PROTOCOL_TABLES, SQL
from lakehouse.settings import StorageNames
from lakehouse.statements import Statement, render
from lakehouse.tables.definition import read_created_table, read_table_definitions


class TableConflictError(TerminalError):
    """A table that is there has a column of another type than its definition."""

    def __init__(self, *, table: str, column: str, found: str, wanted: str) -> None:
        super().__init__(
            f"{table} has column {column} as {found}; its definition says {wanted}.",
            remedy="Nothing was changed. Rename the table, or change the column, then run this again.",
        )
        self.table = table
        self.column = column
        self.found = found
        self.wanted = wanted


@dataclass(frozen=True)
class TableChange:
    """What was done to one table or view."""

    name: str
    action: str
    columns_added: tuple[str, ...] = ()

    def __str__(self) -> str:
        added = f" (added {', '.join(self.columns_added)})" if self.columns_added else ""
        return f"{self.name}: {self.action}{added}"


def create_tables(engine: Engine, *, names: StorageNames) -> list[TableChange]:
    """Create what is missing, add the columns that are, and refresh the views. May be run at any time.

    An existing bronze table of the source's columns alone is adopted: the key columns are added, and its rows
    count as written by hand.

    :raises TableConflictError: an existing column has another type.
    """
    engine.execute(render("tables/schemas/bronze.sql", catalog=names.catalog, location=names.bronze_location))
    engine.execute(render("tables/schemas/attempts.sql", staging_catalog=names.staging_catalog))
    paths = [*sorted(BRONZE_TABLES.glob("*.sql")), *sorted(PROTOCOL_TABLES.glob("*.sql"))]
    changes = [create_table(path, engine=engine) for path in paths]
    targets = sorted(read_table_definitions(BRONZE_TABLES))
    for path in sorted((SQL / "tables" / "views").glob("*.sql")):
        statement = render(_template(path), targets=targets)
        engine.execute(statement)
        changes.append(TableChange(name=_created_name(statement.text), action="view refreshed"))
    return changes


def create_table(path: Path, *, engine: Engine) -> TableChange:
    """Create the table of one ``CREATE TABLE`` file, or add the columns that it lacks.

    :raises TableConflictError: an existing column has another type; nothing was changed.
    """
    created = read_created_table(path)
    name, wanted = created.name, created.columns
    found = existing_columns(name, engine=engine)
    if not found:
        engine.execute(Statement(name=path.name, text=path.read_text(encoding="utf-8").strip()))
        return TableChange(name=name, action="created")
    for column in wanted:
        if column.name in found and found[column.name] != column.type:
            raise TableConflictError(table=name, column=column.name, found=found[column.name], wanted=column.type)
    missing = [column for column in wanted if column.name not in found]
    for column in missing:
        engine.execute(
            render(
                "tables/add_column.sql",
                table=name,
                column=column.name,
                column_type=column.type,
                comment=column.comment,
            )
        )
    engine.execute(render("tables/bound_metadata.sql", table=name))
    return TableChange(
        name=name,
        action="upgraded" if missing else "is as defined",
        columns_added=tuple(column.name for column in missing),
    )


def existing_columns(name: str, *, engine: Engine) -> dict[str, str]:
    """The columns that a table has, with their types; none where there is no such table."""
    catalog, schema, table = name.split(".")
    outcome = engine.execute(render("tables/show_columns.sql", catalog=catalog, schema=schema, table=table))
    return {column: str(column_type).lower() for column, column_type in outcome.rows}


def _template(path: Path) -> str:
    return path.relative_to(SQL).as_posix()


def _created_name(text: str) -> str:
    return text.split(" view ", 1)[1].split(None, 1)[0]
