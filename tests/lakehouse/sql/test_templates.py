"""What every template of include/sql keeps to."""

from __future__ import annotations

import re

import pytest
from jinja2 import nodes

from lakehouse.statements import identifier, literal
from tests.lakehouse.sql.rendering import (
    HOSTILE_COLUMN,
    HOSTILE_TABLE,
    HOSTILE_TEXT,
    TEMPLATES,
    TRUSTED,
    VALUE,
    bound_names,
    rendered,
    rendered_with_hostile_names,
    syntax_tree,
)

_QUOTED_TEXT = re.compile(r"'(?:[^']|'')*'")


def test_there_are_templates():
    assert {"load/merge_rows.sql", "load/merge_ledger.sql", "plan/register_sources.sql"} <= set(TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_renders_to_one_statement_without_a_semicolon(template):
    text = rendered(template).text
    assert text
    # Trino refuses a statement that ends with one; inside a quoted text it is a character like others.
    assert ";" not in _QUOTED_TEXT.sub("", text)


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_has_a_mark_for_each_parameter(template):
    statement = rendered(template)
    assert statement.text.count("?") == len(statement.parameters) == len(bound_names(template))
    assert statement.name == template


@pytest.mark.parametrize("template", TEMPLATES)
def test_values_are_bound_and_never_in_the_text(template):
    statement = rendered(template)
    assert set(statement.parameters) <= {VALUE}
    assert VALUE not in statement.text
    assert literal(VALUE) not in statement.text


@pytest.mark.parametrize("template", TEMPLATES)
def test_names_and_texts_are_quoted(template):
    text = rendered_with_hostile_names(template).text
    for part in (HOSTILE_TABLE, f"{HOSTILE_TABLE}$properties", HOSTILE_COLUMN, f"{HOSTILE_COLUMN}2", HOSTILE_TEXT):
        text = text.replace(identifier(part), "").replace(literal(part), "")
    assert ";" not in _QUOTED_TEXT.sub("", text)
    for broken in ('bro"nze', 'a"b', "it's"):
        assert broken not in text


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_expression_is_bound_or_quoted(template):
    bare = {
        _dotted(node)
        for output in syntax_tree(template).find_all(nodes.Output)
        for node in output.nodes
        if not isinstance(node, nodes.TemplateData) and not _is_bound_or_quoted(node)
    }
    assert bare <= set(TRUSTED) | {"column.type.value", "value.type"}


def _is_bound_or_quoted(node: nodes.Expr) -> bool:
    match node:
        case nodes.Call(node=nodes.Name(name="bind")):
            return True
        case nodes.Filter(name="identifier" | "literal"):
            return True
        case nodes.Filter(
            name="join",
            args=[nodes.Const()],
            node=nodes.Filter(name="map", args=[nodes.Const(value="identifier" | "literal")]),
        ):
            return True
        case nodes.CondExpr(expr1=nodes.Const(), expr2=nodes.Const()):
            return True
    return False


def _dotted(node: nodes.Expr) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_dotted(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else repr(node)
