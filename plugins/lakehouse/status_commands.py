"""The commands that say how the platform is: ``lakehouse status`` and ``lakehouse check``."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.broker import KafkaBroker, broker_settings
from lakehouse.contracts.contract import Contract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import system_clock
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import Settings, read_environment
from lakehouse.sources import usable_sources
from lakehouse.store import store_of
from lakehouse.tables.definition import read_table_definitions
from lakehouse.watch.checks import Checks, ConditionChange
from lakehouse.watch.condition import in_words, moment_in_words
from lakehouse.watch.inspection import Inspection
from lakehouse.watch.platform_check import PlatformCheck
from lakehouse.watch.status import PlatformStatus, SourceStatus, read_status

_EXIT_OPEN = 1
_WIDE = 200


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001  (click passes flags so)
    """Say of every source what came, how old it is, and what is the matter. Non-zero when a condition is open.

    Conditions are those that the newest check left open; everything else is asked now.
    """
    environment = read_environment()
    settings = Settings.from_environment(environment)
    engine = TrinoEngine(connect_with(settings))
    contracts = [source.contract for source in usable_sources(Contract)]
    now = system_clock()
    inspection = Inspection(
        contracts,
        targets=read_table_definitions(BRONZE_TABLES),
        engine=engine,
        store=store_of(settings),
        broker=_broker(environment),
        now=now,
    )
    states = Checks(engine=engine, check_id="").read()
    found = read_status(contracts, inspection=inspection, states=states, now=now)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), default=_written))
    else:
        _print_status(found)
    if found.conditions:
        ctx.exit(_EXIT_OPEN)


@click.command()
@click.option("--full", is_flag=True, help="Ask the certificate of everything, not only of new loads.")
@click.option("--dry-run", is_flag=True, help="Say what is the matter, and store nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each condition, a line each.")
@click.pass_context
def check(ctx: click.Context, full: bool, dry_run: bool, as_json: bool) -> None:  # noqa: FBT001
    """Check the platform now. Non-zero when a condition is open.

    What opened and what was cleared is stored; the next run of check_platform in Airflow, which has the
    connections, sends the alerts.
    """
    environment = read_environment()
    settings = Settings.from_environment(environment)
    platform_check = PlatformCheck.of_all_sources(
        engine=TrinoEngine(connect_with(settings)),
        store=store_of(settings),
        broker=_broker(environment),
        notifier=None,
        base_url=environment.get("AIRFLOW_URL", ""),
        run="lakehouse check",
    )
    if dry_run:
        findings = platform_check.judge(is_full=full).findings
        for finding in findings:
            _tell(finding.key, finding.detail, fields=dataclasses.asdict(finding), as_json=as_json)
        is_open = bool(findings)
    else:
        report = platform_check.run(is_full=full)
        for change in (*report.open, *report.cleared):
            _tell(
                f"{change.change} {change.condition_key}",
                change.detail,
                fields=dataclasses.asdict(change),
                as_json=as_json,
            )
        is_open = bool(report.open)
    if is_open:
        ctx.exit(_EXIT_OPEN)
    if not as_json:
        click.echo("nothing is the matter" if dry_run else "no condition is open")


def _broker(environment: Mapping[str, str]) -> partial[KafkaBroker] | None:
    configuration = broker_settings(environment)
    return partial(KafkaBroker, configuration) if "bootstrap.servers" in configuration else None


def _tell(name: str, detail: str, *, fields: Mapping[str, object], as_json: bool) -> None:
    click.echo(json.dumps(fields, default=_written) if as_json else f"{name}: {detail}")


def _written(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _print_status(found: PlatformStatus) -> None:
    # A pipe has no width; rich would cut its lines at 80.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    table = Table(box=None, header_style="bold")
    for name in ("source", "kind", "newest load", "objective"):
        table.add_column(name)
    for name in ("rows today", "open rejects", "refused files", "lag"):
        table.add_column(name, justify="right")
    table.add_column("open conditions")
    for source in found.sources:
        table.add_row(*(Text(cell) for cell in _cells(source)))
    console.print(table)
    for name in found.silent:
        console.print(Text(f"{name} does not answer"), style="red")
    if not found.conditions:
        console.print("[green]no condition is open[/green]")
    for opening in found.conditions:
        console.print(Text("\n".join(_lines(opening))))


def _cells(source: SourceStatus) -> Iterable[str]:
    yield source.source
    yield source.kind
    yield moment_in_words(source.newest_load) if source.newest_load else "never"
    yield _objective(source)
    yield f"{source.rows_today:,}"
    yield f"{source.open_rejects:,}"
    yield "?" if source.refused_files is None else f"{source.refused_files:,}"
    yield _lag(source)
    yield ", ".join(source.conditions)


def _objective(source: SourceStatus) -> str:
    if source.freshness_seconds is None:
        return "none"
    kept = "kept" if source.newest_load else "not due yet"
    return f"{in_words(timedelta(seconds=source.freshness_seconds))}: {kept if source.is_fresh else 'MISSED'}"


def _lag(source: SourceStatus) -> str:
    if source.kind != "kafka":
        return ""
    if source.lag is None:
        return "?"
    return f"{source.lag:,}" + (f" ({source.missing:,} missing)" if source.missing else "")


def _lines(opening: ConditionChange) -> Iterable[str]:
    yield f"{opening.condition_key}, open since {moment_in_words(opening.opened_at.astimezone(UTC))}"
    yield f"  {opening.detail}"
    yield f"  what to do: {opening.runbook}" + (f"; {opening.link}" if opening.link else "")
