"""The commands for Kafka sources: ``lakehouse drain`` and ``lakehouse lag``."""

from __future__ import annotations

import dataclasses
import getpass
import json
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from datetime import datetime
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from lakehouse.broker import KafkaBroker, broker_settings
from lakehouse.contracts import KafkaContract
from lakehouse.drain.assignment import AcceptedGap
from lakehouse.drain.backfill import asked_backfill
from lakehouse.drain.drain import Drain
from lakehouse.drain.flush import FlushReport
from lakehouse.drain.lag import read_lag
from lakehouse.drain.limits import DrainWindow, FlushLimits
from lakehouse.drain.positions import Positions
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import Ledger
from lakehouse.load.offset_range import OffsetRange
from lakehouse.load.period import Period
from lakehouse.parameter_types import Moment, Offsets
from lakehouse.settings import SettingError, Settings, read_environment
from lakehouse.sources import read_source
from lakehouse.store import store_of


@click.command()
@click.argument("source")
@click.option("--follow", is_flag=True, help="Go on until it is stopped (Ctrl-C), not only to the end.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after so long at the latest.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Messages of a flush; else BATCH_SIZE.")
@click.option(
    "--flush-interval",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds that a message waits for others at most; else FLUSH_INTERVAL_SEC.",
)
@click.option(
    "--accept-gap",
    metavar="REASON",
    help="Record messages that Kafka no longer holds as missing, for this reason, and go on.",
)
@click.option("--from", "begin", type=Moment(), help="Backfill what was sent from this moment on, ISO 8601.")
@click.option("--to", "end", type=Moment(), help="Backfill what was sent before this moment.")
@click.option(
    "--offsets",
    type=Offsets(),
    metavar="TOPIC/PARTITION:FIRST-NEXT",
    help="Backfill these offsets; NEXT is the first behind them.",
)
def drain(  # noqa: PLR0917  (click passes options so)
    source: str,
    follow: bool,  # noqa: FBT001
    minutes: float | None,
    batch_size: int | None,
    flush_interval: float | None,
    accept_gap: str | None,
    begin: datetime | None,
    end: datetime | None,
    offsets: OffsetRange | None,
) -> None:
    """Load what is new in the topics of SOURCE, without Airflow.

    Ends when everything is loaded that was there when it began. Any number of drains may run at once.

    With --from, --to or --offsets only what lies before where reading began is loaded, and is not loaded yet; the
    drains of what is new go on undisturbed.
    """
    backfill = asked_backfill(offsets=offsets, period=Period.of(begin, end))
    if backfill is not None and (follow or accept_gap):
        raise click.UsageError("A backfill ends by itself, and has no gaps to accept.")
    environment = read_environment()
    settings = Settings.from_environment(environment)
    found = read_source(source, kind=KafkaContract)
    _show_log()
    drain = Drain(
        found.contract,
        table=found.table,
        broker=_broker(environment),
        engine=TrinoEngine(connect_with(settings)),
        store=store_of(settings),
        names=settings.names,
        limits=FlushLimits.of(found.contract, environment=environment, records=batch_size, seconds=flush_interval),
        window=DrainWindow(seconds=None if minutes is None else minutes * 60, until_end=not follow),
        backfill=backfill,
        accepted_gap=AcceptedGap(actor=getpass.getuser(), reason=accept_gap) if accept_gap else None,
        run="lakehouse drain",
        stop=_stopped_by_signals(),
        on_flush=_tell_flush,
    )
    report = drain.run()
    click.echo(
        f"{report.records:,} messages of {report.partitions} partitions: {report.rows:,} rows, "
        f"{report.rejects:,} rejects, in {report.flushes} flushes"
    )


@click.command()
@click.argument("source")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def lag(source: str, as_json: bool) -> None:  # noqa: FBT001  (click passes flags so)
    """Say how far SOURCE is behind, partition by partition, as the ledger counts it."""
    environment = read_environment()
    contract = read_source(source, kind=KafkaContract).contract
    engine = TrinoEngine(connect_with(Settings.from_environment(environment)))
    broker = _broker(environment)
    positions = Positions(contract=contract, engine=engine, ledger=Ledger(engine=engine))
    partitions = read_lag(contract, broker=broker, positions=positions)
    if as_json:
        for partition in partitions:
            fields = dataclasses.asdict(partition) | {"lag": partition.lag, "missing": partition.missing}
            click.echo(json.dumps(fields))
        return
    table = Table(box=None, header_style="bold")
    table.add_column("partition", overflow="fold")
    for name in ("kept from", "recorded up to", "end", "lag", "missing", f"group {contract.origin.group}"):
        table.add_column(name, justify="right")
    for partition in partitions:
        table.add_row(
            partition.source,
            str(partition.start),
            "never read" if partition.next_position is None else str(partition.next_position),
            str(partition.end),
            f"{partition.lag:,}",
            f"{partition.missing:,}",
            "" if partition.group_offset is None else str(partition.group_offset),
        )
    # A pipe has no width; rich would cut its lines at 80.
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)
    click.echo(f"{sum(partition.lag for partition in partitions):,} messages behind")
    for member in broker.members(contract.origin.group):
        click.echo(f"In group {contract.origin.group} somebody else reads: {member}", err=True)


def _broker(environment: Mapping[str, str]) -> KafkaBroker:
    configuration = broker_settings(environment)
    if "bootstrap.servers" not in configuration:
        raise SettingError(name="KAFKA_BOOTSTRAP_SERVERS", problem="is not set")
    return KafkaBroker(configuration)


def _show_log() -> None:
    """What a drain waits for, warns of and plans is told on the standard error output."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("lakehouse")
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        click.echo("stopping after a last flush", err=True)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return stop


def _tell_flush(report: FlushReport) -> None:
    taken = "; another drain recorded a part of it" if report.is_taken else ""
    click.echo(f"  {report.records:,} messages: {report.rows:,} rows, {report.rejects:,} rejects{taken}", err=True)
