"""A bronze table as its ``CREATE TABLE`` statement in ``include/sql/tables/`` defines it.

The statement is the only place that lists the columns: code, contracts and statements take them from here, so a
second bronze table is another file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import sqlglot
from sqlglot import expressions

from lakehouse.errors import TerminalError

#: What the protocol appends to the columns of a source.
KEY_COLUMNS = ("_source_id", "_position", "_load_id", "_ingested_at")


class ColumnType(StrEnum):
    """The column types a bronze table may have, as Trino spells them."""

    VARCHAR = "varchar"
    DATE = "date"
    TIMESTAMP = "timestamp(6)"
    BIGINT = "bigint"
    INTEGER = "integer"
    DOUBLE = "double"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class Column:
    """One column of a bronze table."""

    name: str
    type: ColumnType
    comment: str = ""


@dataclass(frozen=True)
class TableDefinition:
    """A bronze table: ``catalog.schema.table``, the source's own columns in order, and the partitioning."""

    name: str
    columns: tuple[Column, ...]
    partitioning: tuple[str, ...]
    path: Path

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of this name; raises :class:`KeyError`."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class TableDefinitionError(TerminalError):
    """A statement in ``include/sql/tables/`` does not define a bronze table."""

    def __init__(self, *, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}.",
            remedy="Compare it with include/sql/tables/bronze/service_events_raw.sql.",
        )
        self.path = path


@dataclass(frozen=True)
class CreatedColumn:
    """One column of a ``CREATE TABLE`` statement, its type as Trino spells it."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class CreatedTable:
    """What a ``CREATE TABLE`` statement creates."""

    name: str
    columns: tuple[CreatedColumn, ...]
    partitioning: tuple[str, ...]


def read_created_table(path: Path) -> CreatedTable:
    """Parse one ``CREATE TABLE`` statement.

    :raises TableDefinitionError: it is no such statement.
    """
    try:
        statement = sqlglot.parse_one(path.read_text(encoding="utf-8"), dialect="trino")
    except sqlglot.ParseError as error:
        raise TableDefinitionError(path=path, problem=f"not a statement: {error}") from error
    schema = statement.this
    if not isinstance(statement, expressions.Create) or not isinstance(schema, expressions.Schema):
        raise TableDefinitionError(path=path, problem="not a CREATE TABLE statement with columns")
    table = schema.this
    return CreatedTable(
        name=f"{table.catalog}.{table.db}.{table.name}",
        columns=tuple(_column(path, definition) for definition in schema.expressions),
        partitioning=_partitioning(statement),
    )


def read_table_definition(path: Path) -> TableDefinition:
    """Read the definition of a bronze table.

    :raises TableDefinitionError: it is no ``CREATE TABLE`` statement, has an unsupported type, or lacks a key
        column or the partitioning.
    """
    created = read_created_table(path)
    names = tuple(column.name for column in created.columns)
    if names[-len(KEY_COLUMNS) :] != KEY_COLUMNS:
        raise TableDefinitionError(path=path, problem=f"the last columns must be {', '.join(KEY_COLUMNS)}")
    if not created.partitioning:
        raise TableDefinitionError(path=path, problem="no partitioning = array[...] among its properties")
    return TableDefinition(
        name=created.name,
        columns=tuple(
            Column(name=column.name, type=_supported_type(path, column), comment=column.comment)
            for column in created.columns[: -len(KEY_COLUMNS)]
        ),
        partitioning=created.partitioning,
        path=path,
    )


def _column(path: Path, definition: expressions.Expression) -> CreatedColumn:
    if not isinstance(definition, expressions.ColumnDef) or definition.kind is None:
        raise TableDefinitionError(path=path, problem=f"not a column: {definition.sql(dialect='trino')}")
    comments = (
        constraint.kind.name
        for constraint in definition.args.get("constraints") or ()
        if isinstance(constraint.kind, expressions.CommentColumnConstraint)
    )
    return CreatedColumn(
        name=definition.name,
        type=definition.kind.sql(dialect="trino").lower(),
        comment=next(comments, ""),
    )


def _supported_type(path: Path, column: CreatedColumn) -> ColumnType:
    try:
        return ColumnType(column.type)
    except ValueError as error:
        raise TableDefinitionError(
            path=path,
            problem=f"column {column.name} has type {column.type}; supported are {', '.join(ColumnType)}",
        ) from error


def _partitioning(statement: expressions.Create) -> tuple[str, ...]:
    for property_ in statement.find_all(expressions.Property):
        if property_.name.lower() == "partitioning":
            return tuple(item.name for item in property_.args["value"].expressions)
    return ()


def read_table_definitions(directory: Path) -> Mapping[str, TableDefinition]:
    """Every bronze table of a directory, by its full name."""
    definitions = (read_table_definition(path) for path in sorted(directory.glob("*.sql")))
    return {definition.name: definition for definition in definitions}
