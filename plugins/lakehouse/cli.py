"""The command line: ``lakehouse --help``."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.table import Table

from lakehouse.arrival.after_load import AfterLoading
from lakehouse.certificate import Account, Certificate, read_certificate
from lakehouse.contracts import FilesContract
from lakehouse.contracts.after_load import AfterLoadAction
from lakehouse.drain_commands import drain, lag
from lakehouse.engine import Progress, TrinoEngine, connect_with
from lakehouse.engine_check import EngineCheck
from lakehouse.errors import LakehouseError, TerminalError, TransientError
from lakehouse.load.files import load_files
from lakehouse.load.ledger import Ledger
from lakehouse.load.period import Period
from lakehouse.load.plan import Plan, plan_files
from lakehouse.load.protocol import StepDone
from lakehouse.load.rows import RowsReport
from lakehouse.parameter_types import Moment
from lakehouse.paths import BRONZE_TABLES, DBT_MANIFEST
from lakehouse.readers.row_lines import lines_of_json
from lakehouse.readers.source_text import open_source_text
from lakehouse.removal_commands import erase, retain
from lakehouse.repair.supersede import supersede
from lakehouse.repair_commands import loads, rejects, replay, unload
from lakehouse.row_insertion import DEFAULT_SOURCE, insert_lines
from lakehouse.settings import Settings, StorageNames
from lakehouse.sources import read_source, usable_sources
from lakehouse.sql_shell import OutputFormat, run_prompt, run_text
from lakehouse.status_commands import check, status
from lakehouse.store import ObjectStore, store_of
from lakehouse.tables.creation import create_tables
from lakehouse.tables.definition import read_table_definitions
from lakehouse.transform.errors import ManifestMissingError
from lakehouse.transform.manifest import build_manifest

#: Sources without a problem that the certificate prints unless asked for all.
_SHOWN_SOURCES = 40
#: Exit codes: something must be changed first; the same command may succeed when it is run again (EX_TEMPFAIL).
_EXIT_TERMINAL = 1
_EXIT_TRANSIENT = 75
_WIDE = 200

_LOAD_RUN = "lakehouse load"
_DEFAULT_TARGET = "iceberg.bronze.service_events_raw"


class LakehouseGroup(click.Group):
    """Commands whose expected errors are told in a sentence or two, not as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LakehouseError as error:
            click.secho(error.problem, fg="red", err=True)
            click.echo(error.remedy, err=True)
            ctx.exit(_EXIT_TRANSIENT if isinstance(error, TransientError) else _EXIT_TERMINAL)


def _console() -> Console:
    # A pipe has no width; rich would cut its lines at 80.
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_WIDE)


def _engine(settings: Settings) -> TrinoEngine:
    return TrinoEngine(connect_with(settings))


@click.group(cls=LakehouseGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Land civic events exactly once in Iceberg, and see that they arrived.

    Hosts and credentials come from the environment, else from the nearest .env above the working directory.
    Exit codes: 0 all is well; 1 something must be changed first; 75 try the same again.
    """


main.add_command(drain)
main.add_command(lag)
for command in (status, check, loads, rejects, unload, replay, retain, erase):
    main.add_command(command)


@main.command()
def tables() -> None:
    """Create or upgrade the tables and views. May be run at any time."""
    settings = Settings.from_environment()
    for change in create_tables(_engine(settings), names=settings.names):
        click.echo(change)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to", "destination", metavar="PREFIX", help="Where to, s3://bucket/prefix/; else the landing prefix."
)
def put(files: tuple[Path, ...], destination: str | None) -> None:
    """Put files into the object store, where the sources look for them."""
    settings = Settings.from_environment()
    bucket, prefix = _destination(destination, default_bucket=settings.names.bucket)
    store = store_of(settings)
    contracts = {found.contract.name: found.contract for found in usable_sources(FilesContract)}
    for file in files:
        key = f"{prefix}{file.name}"
        store.put_file(file, bucket=bucket, key=key)
        source = next((name for name, contract in contracts.items() if contract.matches(bucket, key)), None)
        taken = f"taken by {source}" if source else "NO SOURCE takes this name, see include/contracts/"
        click.echo(f"{file} -> s3://{bucket}/{key} ({file.stat().st_size:,} bytes; {taken})")


def _destination(destination: str | None, *, default_bucket: str) -> tuple[str, str]:
    if destination is None:
        return default_bucket, "staging/"
    if not destination.startswith("s3://"):
        raise click.BadParameter("give it as s3://bucket/prefix/", param_hint="--to")
    bucket, _, prefix = destination.removeprefix("s3://").partition("/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix else ""


@main.command()
@click.argument("statement", required=False)
@click.option(
    "--file", "-f", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A script."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice([output.value for output in OutputFormat]),
    default=OutputFormat.TABLE.value,
    show_default=True,
)
def sql(statement: str | None, file: Path | None, output_format: str) -> None:
    """Run SQL on Trino: a STATEMENT, a --file of statements, or a prompt."""
    if statement is not None and file is not None:
        raise click.UsageError("Give a statement or a file, not both.")
    settings = Settings.from_environment()
    engine = _engine(settings)
    output = OutputFormat(output_format)
    if statement is not None:
        run_text(statement, engine=engine, output=output, console=_console())
    elif file is not None:
        run_text(file.read_text(encoding="utf-8"), engine=engine, output=output, console=_console())
    elif sys.stdin.isatty():
        run_prompt(engine=engine, output=output, console=_console())
    else:
        run_text(sys.stdin.read(), engine=engine, output=output, console=_console())


@main.command("dbt-manifest")
@click.option("--check", is_flag=True, help="Write nothing; fail when the models have changed since it was built.")
def dbt_manifest(check: bool) -> None:  # noqa: FBT001  (click passes flags so)
    """Build the graph of the dbt project that Airflow draws. It needs no engine."""
    built = build_manifest()
    is_current = DBT_MANIFEST.is_file() and DBT_MANIFEST.read_text(encoding="utf-8") == built
    if check and not is_current:
        raise ManifestMissingError(path=str(DBT_MANIFEST), problem="is not that of the models as they are now")
    if not is_current:
        DBT_MANIFEST.write_text(built, encoding="utf-8")
    click.echo(f"{DBT_MANIFEST}: {'as it was' if is_current else 'built'}")


@main.command()
@click.argument("source")
@click.option("--key", "pattern", help="A key or glob of the source's bucket, or s3://bucket/key; else all of it.")
@click.option("--from", "begin", type=Moment(), help="Only objects put from this moment on, ISO 8601.")
@click.option("--to", "end", type=Moment(), help="Only objects put before this moment.")
@click.option("--dry-run", is_flag=True, help="Say what would be loaded, and load nothing.")
def load(
    source: str,
    pattern: str | None,
    begin: datetime | None,
    end: datetime | None,
    dry_run: bool,  # noqa: FBT001  (click passes flags so)
) -> None:
    """Load what is there for SOURCE and not in bronze yet, without Airflow.

    What was refused earlier is tried again where --key, --from or --to ask for it. Afterwards the contract's
    overwrite and after_load are seen to.
    """
    settings = Settings.from_environment()
    engine, store = _engine(settings), store_of(settings)
    found = read_source(source, kind=FilesContract)
    contract = found.contract
    modified = Period.of(begin, end)
    if dry_run:
        plan = plan_files(
            contract,
            store=store,
            ledger=Ledger(engine=engine),
            pattern=pattern,
            modified=modified,
            register=False,
        )
        click.echo(f"{plan.objects_planned} of {plan.objects_seen} objects would be loaded:")
        for planned in (planned for batch in plan.batches for planned in batch.sources):
            click.echo(f"  {planned.version.uri} ({planned.size:,} bytes) from record {planned.first_position}")
        _tell_refused(plan)
        if plan.objects_unloaded:
            click.echo(f"{plan.objects_unloaded} objects were taken out by `lakehouse unload`, and stay out.")
        _see_to_loaded(contract, engine=engine, store=store, names=settings.names, dry_run=True)
        return
    failed = 0
    reports = load_files(
        contract,
        table=found.table,
        engine=engine,
        store=store,
        names=settings.names,
        pattern=pattern,
        modified=modified,
        run=_LOAD_RUN,
        on_planned=_tell_refused,
        on_step=_tell_step,
    )
    for report in reports:
        click.echo(f"{report.sources} objects: {report.rows:,} rows, {report.rejects:,} rejects")
        if report.units_taken:
            click.echo(
                f"  another load recorded a part of {report.units_taken} units; run again for the rest", err=True
            )
        for failure in report.failures:
            failed += failure.is_terminal
            click.secho(
                f"  {failure.source}: {failure.message}", fg="red" if failure.is_terminal else None, err=True
            )
    _see_to_loaded(contract, engine=engine, store=store, names=settings.names, dry_run=False)
    if failed:
        raise SourcesLeftOutError(count=failed)
    click.echo("done")


def _see_to_loaded(
    contract: FilesContract, *, engine: TrinoEngine, store: ObjectStore, names: StorageNames, dry_run: bool
) -> None:
    """What the contract wants once objects are loaded, by this call or an earlier one."""
    ledger = Ledger(engine=engine, run=_LOAD_RUN)
    does = "would be" if dry_run else "are"
    superseded = supersede(contract, engine=engine, ledger=ledger, dry_run=dry_run)
    count = len(superseded.found) if dry_run else len(superseded.unloads)
    if superseded.found:
        left = "" if dry_run or not superseded.left else f"; {superseded.left} are left, run again"
        click.echo(f"{count} older versions {does} taken out{left}")
    report = AfterLoading(contract, engine=engine, store=store, ledger=ledger, names=names).run(dry_run=dry_run)
    if report.action is not AfterLoadAction.KEEP:
        click.echo(
            f"after_load, {report.action}: {report.done} objects {does} done; {report.held} stay for their open "
            f"rejects, {report.waiting} until their day, {report.unnamed} as the key would be too long, "
            f"{report.changed} as they changed meanwhile, {report.left} for the next call"
        )


@main.command()
@click.option(
    "--file",
    "-f",
    "file",
    type=click.File("rb"),
    default="-",
    show_default="standard input",
    help="JSON: an array of rows, or one row a line; may be compressed. - is standard input.",
)
@click.option(
    "--key",
    "idempotency_key",
    help="Names these rows for ever: called again with the same rows, nothing doubles. Else a digest of the rows.",
)
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="A contract of kind rows.")
@click.option("--json", "as_json", is_flag=True, help="Tell what came of it as one JSON object.")
@click.pass_context
def insert(
    ctx: click.Context,
    file: BinaryIO,
    idempotency_key: str | None,
    source: str,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Insert rows, at most 10,000, each exactly once; run the same again whenever you do not know how it ended.

    The good rows are loaded, the others are told with their index (from 0) and reason. Exit code 1 when there are
    any: correct those, and insert them alone under another key.
    """
    text = open_source_text(file)
    report = insert_lines(
        lines_of_json(b"".join(iter(text.read, b""))),
        idempotency_key=idempotency_key,
        source=source,
        run="lakehouse insert",
    )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), ensure_ascii=False))
    else:
        _print_rows_report(report)
    if report.rejects:
        ctx.exit(_EXIT_TERMINAL)


def _print_rows_report(report: RowsReport) -> None:
    when = " (an earlier call did it)" if report.already_loaded else ""
    click.echo(f"{report.rows:,} rows are in bronze, {len(report.rejects):,} were rejected{when}")
    click.echo(f"key {report.idempotency_key}, source id {report.source_id}")
    for reject in report.rejects:
        place = f" {reject.column}" if reject.column else ""
        click.secho(f"  row {reject.index}: {reject.reason}{place}: {reject.detail}", fg="red", err=True)


class SourcesLeftOutError(TerminalError):
    """Some objects could not be loaded; the others were."""

    def __init__(self, *, count: int) -> None:
        super().__init__(f"{count} objects were left out.", remedy="The reasons are above; the others are loaded.")
        self.count = count


def _tell_refused(plan: Plan) -> None:
    for refusal in plan.refused:
        click.echo(
            f"  refused earlier ({refusal.refused_at:%Y-%m-%d %H:%M}; --key tries it again): "
            f"{refusal.source}: {refusal.message}",
            err=True,
        )


def _tell_step(done: StepDone) -> None:
    click.echo(
        f"  {done.step} {done.unit + 1}/{done.units}: {done.rows:,} rows, {done.rejects:,} rejects", err=True
    )


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, every source.")
@click.option("--all", "show_all", is_flag=True, help="Every source, not only the newest.")
@click.pass_context
def certificate(ctx: click.Context, as_json: bool, show_all: bool) -> None:  # noqa: FBT001  (click passes flags so)
    """Prove that every record read is in bronze, an open reject or removed, once. Not 0 when anything is off."""
    found = read_certificate(_engine(Settings.from_environment()))
    if as_json:
        for account in found.accounts:
            click.echo(json.dumps(dataclasses.asdict(account), default=str))
    else:
        _print_certificate(found, show_all=show_all)
    if not found.is_clean:
        ctx.exit(_EXIT_TERMINAL)


def _print_certificate(found: Certificate, *, show_all: bool) -> None:
    console = _console()
    table = Table(title="Certificate", box=None, header_style="bold")
    table.add_column("source", overflow="fold")
    table.add_column("contract")
    for name in ("ranges", "positions", "gaps", "overlaps", "read", "= bronze", "+ open rejects", "+ removed"):
        table.add_column(name, justify="right")
    table.add_column("problems")
    clean = [account for account in found.sources if not account.problems]
    shown = clean if show_all else clean[-_SHOWN_SOURCES:]
    for account in [*found.with_problems, *shown, *found.by_hand]:
        table.add_row(*_account_cells(account))
    console.print(table)
    if len(shown) < len(clean):
        console.print(f"… and {len(clean) - len(shown)} older sources without a problem (--all shows them)")
    console.print(
        f"{len(found.sources)} sources: read {found.records_read:,} = bronze {found.bronze_rows:,} "
        f"+ open rejects {found.open_rejects:,} + removed {found.removed_records:,}; "
        f"{found.rows_by_hand:,} rows written by hand"
    )
    if found.is_clean:
        console.print("[green]clean[/green]: no gap, no overlap, no row doubled or missing")
    else:
        console.print(f"[red]{len(found.with_problems)} sources with problems[/red]")


def _account_cells(account: Account) -> tuple[str, ...]:
    positions = "" if account.next_position is None else f"[{account.first_position}, {account.next_position})"
    return (
        account.source or f"source id {account.source_id}",
        account.contract or "",
        str(account.ranges) if account.ranges else "",
        # A half-open range reads as markup to rich.
        positions.replace("[", r"\["),
        str(account.gap_positions),
        str(account.overlap_positions),
        f"{account.records_read:,}",
        f"{account.bronze_rows:,}",
        f"{account.open_rejects:,}",
        f"{account.removed_records:,}",
        account.problems,
    )


@main.command("verify-engine")
@click.option("--host", help="Trino's host; else TRINO_HOST.")
@click.option("--port", type=int, help="Trino's port; else TRINO_PORT.")
@click.option("--user", help="Trino's user; else TRINO_USER.")
@click.option("--scheme", type=click.Choice(["http", "https"]), help="Else TRINO_SCHEME, or http.")
@click.option("--catalog", help="The Iceberg catalog to check; else TRINO_CATALOG.")
@click.option("--location", help="Where the scratch schema may lie; empty leaves it to the catalog.")
@click.option("--case", "case", help="Only cases whose name contains this.")
@click.pass_context
def verify_engine(  # noqa: PLR0917  (click passes options so)
    ctx: click.Context,
    host: str | None,
    port: int | None,
    user: str | None,
    scheme: str | None,
    catalog: str | None,
    location: str | None,
    case: str | None,
) -> None:
    """Check, in scratch tables, that this Trino and this catalog keep the promise that loads rest on."""
    settings = Settings.from_environment()
    settings = dataclasses.replace(
        settings,
        trino_host=host or settings.trino_host,
        trino_port=port or settings.trino_port,
        trino_user=user or settings.trino_user,
        trino_scheme=scheme or settings.trino_scheme,
        names=dataclasses.replace(settings.names, catalog=catalog or settings.names.catalog),
    )

    def connect(
        *, on_progress: Callable[[Progress], None] | None = None, session: Mapping[str, str] | None = None
    ) -> TrinoEngine:
        return TrinoEngine(connect_with(settings, session=session), on_progress=on_progress)

    engine_check = EngineCheck(
        connect=connect,
        table=read_table_definitions(BRONZE_TABLES)[_DEFAULT_TARGET],
        catalog=settings.names.catalog,
        # Another platform's catalog has places of its own.
        location=location if location is not None else "" if host else _scratch_location(settings),
    )
    click.echo(f"Trino {settings.trino_host}:{settings.trino_port}, catalog {settings.names.catalog}")
    failed = 0
    for line in engine_check.run(case):
        failed += not line.passed
        click.secho("pass" if line.passed else "FAIL", fg="green" if line.passed else "red", nl=False)
        click.echo(f"  {line.case}: {line.detail}")
    if failed:
        click.secho(f"{failed} cases failed: loads are not exactly-once on this engine", fg="red")
        ctx.exit(_EXIT_TERMINAL)
    click.echo("every case passed")


def _scratch_location(settings: Settings) -> str:
    return f"{settings.names.bronze_location}_engine_check" if settings.names.bronze_location else ""
