"""The commands that remove what was loaded and may be kept no longer: ``lakehouse retain | erase``."""

from __future__ import annotations

import getpass
import re
from datetime import timedelta
from typing import Any

import click

from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import Ledger
from lakehouse.paths import BRONZE_TABLES
from lakehouse.repair.asking import stated_reason
from lakehouse.repair.retention import Retention, RetentionReport
from lakehouse.settings import Settings, read_environment, retention
from lakehouse.tables.definition import read_table_definitions

_YES = click.option("--yes", is_flag=True, help="Do it; without this it is only said.")


class Days(click.ParamType):  # type: ignore[type-arg]
    """A number of days, as in ``3650d``."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        if not re.fullmatch(r"[0-9]{1,6}d", str(value)):
            self.fail(f"{value!r} is not a number of days, as in 3650d.", param, ctx)
        return timedelta(days=int(str(value)[:-1]))


@click.command()
@click.option(
    "--older-than", "asked", metavar="3650d", type=Days(), help="Else what LAKEHOUSE_RETENTION says; only to look."
)
@_YES
def retain(asked: timedelta | None, yes: bool) -> None:  # noqa: FBT001  (click passes flags so)
    """Remove rows of bronze that are older than LAKEHOUSE_RETENTION, by the day of their event.

    Without --yes, nothing is done. Loads may go on meanwhile; silver and gold follow with their next run.
    `maintain_tables` does the same every half an hour.
    """
    age = retention(read_environment())
    if asked is not None and yes:
        raise click.UsageError("--older-than only looks: what is removed is what LAKEHOUSE_RETENTION says.")
    age = asked if asked is not None else age
    if age is None:
        click.echo("LAKEHOUSE_RETENTION is off: rows are kept for ever. --older-than says what would go.")
        return
    engine = TrinoEngine(connect_with(Settings.from_environment()))
    what = Retention(
        engine=engine,
        ledger=Ledger(engine=engine, run="lakehouse retain"),
        age=age,
        actor=getpass.getuser(),
        reason=stated_reason(f"LAKEHOUSE_RETENTION is {age.days}d"),
    )
    for table in sorted(read_table_definitions(BRONZE_TABLES)):
        _tell(what.run(table) if yes else what.look(table), is_done=yes)
    if not yes:
        click.echo("Nothing was done. With --yes it is removed.")


def _tell(report: RetentionReport, *, is_done: bool) -> None:
    click.echo(f"{report.table}: {report.days:,} days before {report.before} have {report.rows:,} rows")
    if is_done:
        click.echo(f"  {report.records:,} records of sources and {report.by_hand:,} rows by hand are removed")
        if report.left:
            click.echo(f"  {report.left:,} rows are of loads that are not recorded yet: the next time takes them")
