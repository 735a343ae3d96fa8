"""Each template of include/sql, rendered with a value for each of its names, made from how it uses them."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from jinja2 import meta, nodes

from lakehouse import statements
from lakehouse.compaction import PartitionValue
from lakehouse.paths import BRONZE_TABLES, SQL
from lakehouse.statements import Statement, render
from lakehouse.tables.definition import Column, ColumnType, TableDefinition, read_table_definition

TABLE: TableDefinition = read_table_definition(BRONZE_TABLES / "service_events_raw.sql")
TEMPLATES = sorted(path.relative_to(SQL).as_posix() for path in SQL.rglob("*.sql"))

#: Stands for every value: no text may show it.
VALUE = "it's ? ; -- a value"
#: Break out of whatever does not quote them.
HOSTILE_TABLE = 'iceberg.bro"nze.raw;drop'
HOSTILE_COLUMN = 'a"b;c'
HOSTILE_TEXT = "it's; text"

_PLAIN = {"table": "iceberg.bronze.some_table", "column": "event_date", "text": "7d"}
_HOSTILE = {"table": HOSTILE_TABLE, "column": HOSTILE_COLUMN, "text": HOSTILE_TEXT}
#: What templates put into a text unquoted, because only code and table definitions decide it.
TRUSTED: dict[str, object] = {"format_version": 2, "rounds": 4, "column_type": "varchar"}


def rendered(template: str) -> Statement:
    """A template with ordinary names."""
    return render(template, **_context(template, _PLAIN))


def rendered_with_hostile_names(template: str) -> Statement:
    """A template with names and texts that break whatever does not quote them."""
    return render(template, **_context(template, _HOSTILE))


def syntax_tree(template: str) -> nodes.Template:
    """A template as Jinja reads it."""
    return statements._environment().parse((SQL / template).read_text(encoding="utf-8"))


@functools.cache
def bound_names(template: str) -> list[str]:
    """What a template binds, in order of appearance: its statements' parameters are in this order."""
    calls = syntax_tree(template).find_all(nodes.Call)
    return [name for call in calls for name in _names_in(call.args) if _is_bind(call)]


def _context(template: str, samples: dict[str, str]) -> dict[str, object]:
    tree = syntax_tree(template)
    bound = set(bound_names(template))
    literals = {name for use in _filters(tree, "literal") for name in _names_in([use.node])}
    context: dict[str, object] = {}
    for name in meta.find_undeclared_variables(tree) - {"bind"}:
        if name in TRUSTED:
            context[name] = TRUSTED[name]
        elif name in bound:
            context[name] = VALUE
        elif name == "columns":
            context[name] = _columns(template, samples["column"])
        elif name == "rows":
            context[name] = [[VALUE]]
        elif name == "values":
            context[name] = [PartitionValue(column=samples["column"], type="varchar", text=samples["text"])]
        elif name == "targets":
            context[name] = [samples["table"], "iceberg.bronze.other_table"]
        elif name in literals:
            context[name] = samples["text"]
        else:
            context[name] = samples["column" if name == "column" else "table"]
    return context


def _columns(template: str, added: str) -> tuple[object, ...]:
    """Columns, or their names where the template wants no more."""
    attributes = (use.node for use in syntax_tree(template).find_all(nodes.Getattr))
    if any(isinstance(of, nodes.Name) and of.name == "column" for of in attributes):
        return (*TABLE.columns, Column(name=f"{added}2", type=ColumnType.VARCHAR))
    return (*TABLE.column_names, f"{added}2")


def _filters(tree: nodes.Template, name: str) -> Iterator[nodes.Filter]:
    return (use for use in tree.find_all(nodes.Filter) if use.name == name)


def _names_in(expressions: list[nodes.Expr]) -> Iterator[str]:
    for expression in expressions:
        if isinstance(expression, nodes.Name):
            yield expression.name
        for name in expression.find_all(nodes.Name):
            yield name.name


def _is_bind(call: nodes.Call) -> bool:
    return isinstance(call.node, nodes.Name) and call.node.name == "bind"
