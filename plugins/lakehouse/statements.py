"""SQL templates of ``include/sql/``, rendered to a text with bound parameters.

A template names values with ``{{ bind(value) }}``, which renders ``?`` and hands the value to the engine as a
parameter, and tables and columns with ``{{ name | identifier }}``, which quotes each part. Nothing else may put
a value into a statement; :func:`render` fails on an undefined name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import jinja2

from lakehouse.paths import SQL

#: What may be bound. Compound values travel as JSON text and are taken apart by the statement.
Parameter = str | int | float | bool | date | datetime | None


@dataclass(frozen=True)
class Statement:
    """A statement for Trino, without a final semicolon.

    :param name: the template's path under ``include/sql/``, for logs and errors.
    """

    name: str
    text: str
    parameters: tuple[Parameter, ...] = ()


def identifier(name: str) -> str:
    """Quote each dotted part of a name: ``a.b`` to ``"a"."b"``."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def literal(text: str) -> str:
    """Quote a text for DDL, where Trino binds no parameters."""
    return "'" + text.replace("'", "''") + "'"


@functools.cache
def _environment() -> jinja2.Environment:
    # Renders SQL, never HTML: autoescaping would damage it.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(SQL), undefined=jinja2.StrictUndefined, keep_trailing_newline=False
    )
    environment.filters["identifier"] = identifier
    environment.filters["literal"] = literal
    return environment


def render(template: str, /, **context: object) -> Statement:
    """Render a template of ``include/sql/`` (say, ``load/merge_rows.sql``).

    :raises jinja2.UndefinedError: the template uses a name that is not given.
    """
    parameters: list[Parameter] = []

    def bind(value: Parameter) -> str:
        parameters.append(value)
        return "?"

    binder: Callable[[Parameter], str] = bind
    text = _environment().get_template(template).render(context, bind=binder)
    return Statement(name=template, text=text.strip(), parameters=tuple(parameters))
