"""The commands that remove what was loaded and may be kept no longer: ``lakehouse retain | erase``."""

from __future__ import annotations

import dataclasses
import getpass
import json
import re
import sys
from datetime import timedelta
from typing import Any

import click

from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import Ledger
from lakehouse.paths import BRONZE_TABLES
from lakehouse.repair.asking import stated_reason
from lakehouse.repair.erasure import Erasure, ErasureReport
from lakehouse.repair.retention import Retention, RetentionReport
from lakehouse.repair.selector import Selector
from lakehouse.settings import Settings, read_environment, retention
from lakehouse.store import store_of
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


@click.command()
@_YES
@click.option("--json", "as_json", is_flag=True, help="Tell what came of it as one JSON object.")
@click.option(
    "--reason", "why", required=True, help="Why, for whoever reads the ledger; not who: a case number, say."
)
def erase(yes: bool, as_json: bool, why: str) -> None:  # noqa: FBT001  (click passes flags so)
    """Remove one person's records from every layer.

    What names the person (a complaint's id, a user's uuid, a mobile number, a mail address) is asked for, or read
    from a line of standard input, so that no history of commands has it. It is kept nowhere. Without --yes,
    nothing is done. Run the same again after silver and gold have followed, until it says that nothing is left.
    """
    typed = getpass.getpass("What names the person (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()
    settings = Settings.from_environment()
    engine = TrinoEngine(connect_with(settings))
    report = Erasure(
        Selector(typed),
        tables=read_table_definitions(BRONZE_TABLES),
        engine=engine,
        store=store_of(settings),
        ledger=Ledger(engine=engine, run="lakehouse erase"),
        names=settings.names,
        actor=getpass.getuser(),
        reason=stated_reason(why),
    ).run(dry_run=not yes)
    _tell_erasure(report, as_json=as_json)


def _tell_erasure(report: ErasureReport, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), default=str, ensure_ascii=False))
        return
    for line in report.told:
        click.echo(line)
    if report.is_dry_run and not report.is_nothing:
        click.echo("With --yes it is removed.")
