"""The demonstration: ``make demo``."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Load a generated feed through Airflow and prove what arrived."""
    message = "the demonstration is not written yet"
    raise click.ClickException(message)
