"""What the SQL templates call, as sqlfluff is to render it: quoted names, and a number for each value.

It must all stand here: of a package, sqlfluff takes filters from nowhere else.
"""

from __future__ import annotations

from lakehouse.statements import identifier, literal


def _identifier(name: object) -> str:
    # A name that only a load knows arrives as sqlfluff's own stand-in, which is not a string.
    return identifier(str(name))


def _literal(text: object) -> str:
    return literal(str(text))


def bind(_value: object) -> str:
    """Render a bound value as what sqlfluff's grammar takes wherever a value may stand, which is not a ``?``."""
    return "1"


SQLFLUFF_JINJA_FILTERS = {"identifier": _identifier, "literal": _literal}
