"""The commands that put right what was loaded: ``lakehouse loads | rejects | unload | replay``."""

from __future__ import annotations

import dataclasses
import getpass
import json
import sys
from collections.abc import Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table

from lakehouse.contracts.reason import Reason
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import Ledger
from lakehouse.load.period import Period
from lakehouse.parameter_types import Moment
from lakehouse.repair.asking import asked_ranges, stated_reason
from lakehouse.repair.listing import LedgerEntry, OpenReject, list_loads, list_rejects
from lakehouse.repair.originals import missing_original
from lakehouse.repair.replay import Replay, ReplayFilter
from lakehouse.repair.unload import WHOLE, Unload
from lakehouse.settings import Settings
from lakehouse.sources import read_source
from lakehouse.store import store_of

_TIME = "%Y-%m-%d %H:%M:%S"
_KINDS = ("load", "gap", "unload_intent", "unload", "replay", "tag", "archive", "delete", "retention", "erasure")


_FORMAT = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a line each.",
)
_LIMIT = click.option("--limit", type=click.IntRange(min=1, max=100_000), default=50, show_default=True)
_FROM = click.option(
    "--from", "begin", type=Moment(), help="From this moment on, ISO 8601; UTC without an offset."
)
_TO = click.option("--to", "end", type=Moment(), help="Until before this moment.")
_REASON = click.option("--rejected-for", "reason", type=click.Choice([str(reason) for reason in Reason]))
_WHY = click.option("--reason", "why", required=True, help="Why, for whoever reads the ledger.")


def _engine() -> TrinoEngine:
    return TrinoEngine(connect_with(Settings.from_environment()))


@click.command()
@click.argument("source", required=False)
@click.option("--kind", type=click.Choice(_KINDS), help="Only rows of this kind.")
@_FROM
@_TO
@_LIMIT
@_FORMAT
def loads(  # noqa: PLR0917  (click passes options so)
    source: str | None, kind: str | None, begin: datetime | None, end: datetime | None, limit: int, output: str
) -> None:
    """Show what was loaded, taken out and replayed, newest first; of SOURCE alone, if it is named."""
    found = list_loads(_engine(), contract=source, kind=kind, period=Period(begin, end), most=limit)
    if output == "json":
        _print_json(found)
        return
    columns = ("finished", "kind", "source", "positions", "read", "rows", "rejects", "load", "by", "why")
    _print_table(columns, [_load_cells(entry) for entry in found], limit=limit)


@click.command()
@click.argument("source", required=False)
@click.option("--load", "load_id", help="Only of this load (`lakehouse loads` shows them).")
@_REASON
@_FROM
@_TO
@_LIMIT
@_FORMAT
def rejects(  # noqa: PLR0917  (click passes options so)
    source: str | None,
    load_id: str | None,
    reason: str | None,
    begin: datetime | None,
    end: datetime | None,
    limit: int,
    output: str,
) -> None:
    """Show the open rejects, newest first; of SOURCE alone, if it is named. Their records are not shown."""
    found = list_rejects(
        _engine(),
        contract=source,
        load_id=load_id,
        reason=None if reason is None else Reason(reason),
        period=Period(begin, end),
        most=limit,
    )
    if output == "json":
        _print_json(found)
        return
    columns = ("rejected", "source", "position", "line", "reason", "column", "detail", "bytes", "load")
    _print_table(columns, [_reject_cells(reject) for reject in found], limit=limit)


@click.command()
@click.argument("source")
@click.option("--load", "load_id", help="The load to take out; of a file, all of the file.")
@click.option("--key", help="The object (s3://bucket/key, or its key) or, of rows, the idempotency key.")
@click.option(
    "--range", "offsets", metavar="TOPIC/PARTITION:FIRST-NEXT", help="Offsets; NEXT is the first that stays."
)
@click.option("--reload", is_flag=True, help="The next load takes it again. Of files and rows.")
@click.option("--yes", is_flag=True, help="Do it; without this it is only said.")
@_WHY
def unload(  # noqa: PLR0917  (click passes options so)
    source: str,
    load_id: str | None,
    key: str | None,
    offsets: str | None,
    reload: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    why: str,
) -> None:
    """Take what SOURCE loaded out of bronze again, and keep it out. Loads of SOURCE may go on meanwhile.

    Without --yes, nothing is done. Run the same again whenever you do not know how it ended. Silver and gold
    follow with their next run.
    """
    settings = Settings.from_environment()
    engine = _engine()
    ledger = Ledger(engine=engine, run="lakehouse unload")
    found = asked_ranges(
        read_source(source).contract,
        engine=engine,
        ledger=ledger,
        load_id=load_id,
        key=key,
        offsets=offsets,
        reload=reload,
    )
    for each in found:
        click.echo(each.told)
    if not yes:
        click.echo("Nothing was done. With --yes it is taken out.")
        return
    what = Unload(engine=engine, ledger=ledger, actor=getpass.getuser(), reason=stated_reason(why))
    for each in found:
        report = what.run(each, reload=reload)
        stays = "the next load takes it again" if report.reloads_as else "it stays out"
        click.echo(f"{each.source}: {report.rows:,} rows and {report.rejects:,} judgements taken out; {stays}")
        if report.reloads_as and (
            missing := missing_original(each, engine=engine, store=store_of(settings), ledger=ledger)
        ):
            click.echo(missing, err=True)


@click.command()
@click.argument("source")
@click.option("--load", "load_id", help="Only rejects of this load.")
@_REASON
@_FROM
@_TO
@click.option("--dry-run", is_flag=True, help="Judge them, and write nothing.")
@_WHY
def replay(  # noqa: PLR0917  (click passes options so)
    source: str,
    load_id: str | None,
    reason: str | None,
    begin: datetime | None,
    end: datetime | None,
    dry_run: bool,  # noqa: FBT001
    why: str,
) -> None:
    """Judge the open rejects of SOURCE again, by its contract as it is now; what passes is in bronze.

    Run the same again whenever you do not know how it ended: nothing doubles.
    """
    settings = Settings.from_environment()
    found = read_source(source)
    engine = _engine()
    report = Replay(
        found.contract,
        table=found.table,
        engine=engine,
        store=store_of(settings),
        ledger=Ledger(engine=engine, run="lakehouse replay"),
        names=settings.names,
        actor=getpass.getuser(),
        why=stated_reason(why),
    ).run(
        ReplayFilter(
            load_id=load_id,
            reason=None if reason is None else Reason(reason),
            rejected_from=begin,
            rejected_to=end,
        ),
        dry_run=dry_run,
    )
    does = "would be" if dry_run else "are"
    click.echo(f"{report.rejects:,} open rejects: {report.rows:,} {does} rows in bronze")
    for name, count in sorted(report.failed.items()):
        click.echo(f"  {count:,} fail again: {name}")
    for problem, count in sorted(report.not_replayable.items()):
        click.echo(f"  {count:,} cannot be replayed: {problem}", err=True)


def _print_json(found: Sequence[LedgerEntry] | Sequence[OpenReject]) -> None:
    for each in found:
        click.echo(json.dumps(dataclasses.asdict(each), default=str, ensure_ascii=False))


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, limit: int) -> None:
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # A half-open range, or somebody's text, may read as markup to rich.
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    # A pipe has no width; rich would cut its lines at 80.
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)
    if len(rows) == limit:
        click.echo(f"the newest {limit}; --limit shows more", err=True)


def _load_cells(entry: LedgerEntry) -> tuple[str, ...]:
    behind = "all" if entry.next_position == WHOLE else f"{entry.first_position}-{entry.next_position}"
    behind = "" if entry.first_position is None else behind
    # An intent is begun, and has another row for its end.
    when = f"begun {entry.started_at:{_TIME}}" if entry.finished_at is None else f"{entry.finished_at:{_TIME}}"
    return (
        when,
        entry.kind,
        entry.source or entry.source_id or "",
        behind,
        f"{entry.records_read:,}",
        f"{entry.rows_loaded:,}" if entry.records_removed is None else f"-{entry.records_removed:,}",
        f"{entry.rejects:,}",
        entry.load_id or "",
        entry.actor or entry.run or "",
        entry.reason or "",
    )


def _reject_cells(reject: OpenReject) -> tuple[str, ...]:
    return (
        f"{reject.rejected_at:{_TIME}}",
        reject.source,
        str(reject.position),
        "" if reject.line is None else str(reject.line),
        reject.reason,
        reject.column or "",
        reject.detail,
        f"{reject.record_bytes:,}" if reject.is_kept else f"{reject.record_bytes:,}, not kept",
        reject.load_id or "",
    )
