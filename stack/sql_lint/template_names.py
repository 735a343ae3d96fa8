"""What the SQL templates call, as sqlfluff is to render it: quoted names, and a placeholder for each value."""

from __future__ import annotations

from lakehouse.statements import identifier, literal


def _identifier(name: object) -> str:
    # A name that only a load knows arrives as sqlfluff's own stand-in, which is not a string.
    return identifier(str(name))


def _literal(text: object) -> str:
    return literal(str(text))


def bind(_value: object) -> str:
    """Render a bound value as a load does."""
    return "?"


SQLFLUFF_JINJA_FILTERS = {"identifier": _identifier, "literal": _literal}
