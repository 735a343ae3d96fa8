from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from lakehouse import statements
from lakehouse.engine import statement_of
from lakehouse.statements import Statement, identifier, literal, render


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Write a template and make it the only one there is."""
    monkeypatch.setattr(statements, "SQL", tmp_path)
    statements._environment.cache_clear()

    def write(text: str) -> str:
        (tmp_path / "typed.sql").write_text(text, encoding="utf-8")
        return "typed.sql"

    yield write
    statements._environment.cache_clear()


def test_bound_value_becomes_a_parameter_and_never_text(template):
    hostile = "x'; drop table bronze --"
    statement = render(template("select {{ bind(value) }} as v, {{ bind(other) }}"), value=hostile, other=None)
    assert statement == Statement(name="typed.sql", text="select ? as v, ?", parameters=(hostile, None))


def test_parameters_stand_in_the_order_of_their_marks(template):
    text = "{% for value in values %}{{ bind(value) }} {% endfor %}{{ bind(last) }}"
    assert render(template(text), values=[3, 1, 2], last=0).parameters == (3, 1, 2, 0)


def test_parameters_of_one_rendering_do_not_leak_into_the_next(template):
    name = template("select {{ bind(value) }}")
    render(name, value=1)
    assert render(name, value=2).parameters == (2,)


def test_name_that_is_not_given_is_an_error(template):
    with pytest.raises(jinja2.UndefinedError, match="target"):
        render(template("select * from {{ target }}"))


def test_text_is_not_escaped_as_html_would_be(template):
    assert render(template("select 1 where 1 < 2 and {{ text | literal }} > ''"), text="<&>").text == (
        "select 1 where 1 < 2 and '<&>' > ''"
    )


def test_template_is_rendered_without_space_around_it(template):
    assert render(template("\n  select 1\n\n")).text == "select 1"


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("iceberg.bronze.ledger", '"iceberg"."bronze"."ledger"'),
        ("iceberg.bronze.ledger$properties", '"iceberg"."bronze"."ledger$properties"'),
        ('say "hello"', '"say ""hello"""'),
        ("a;b", '"a;b"'),
        ("event_date", '"event_date"'),
    ],
)
def test_identifier_quotes_each_part(name, quoted):
    assert identifier(name) == quoted


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters=".\0"), min_size=1))
def test_no_name_breaks_out_of_its_quotes(name):
    parsed = parse_one(f"select * from {identifier(name)}", dialect="trino")
    assert [table.name for table in parsed.find_all(exp.Table)] == [name]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_no_text_breaks_out_of_its_quotes(text):
    quoted = literal(text)
    assert quoted[0] == quoted[-1] == "'"
    assert quoted[1:-1].replace("''", "").count("'") == 0
    assert quoted[1:-1].replace("''", "'") == text


def test_typed_statement_loses_the_semicolon_that_trino_refuses():
    assert statement_of("  select ';' ;\n", 1) == Statement(name="typed", text="select ';'", parameters=(1,))
