"""The command `python -m feed`."""

from __future__ import annotations

import gc
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TimeRemainingColumn,
)

from feed import (
    Compression,
    Conduct,
    FeedError,
    Format,
    InvalidOptionsError,
    LocalDirectory,
    Options,
    Pace,
    Truth,
    TruthFiles,
    write_files,
)
from feed.destination import Bucket, Destination, Topic, parse_destination
from feed.environment import read_environment
from feed.errors import BadDestinationError
from feed.masters import TENANT_COUNT
from feed.sending import DEFAULT_TOPIC, send
from feed.sinks.kafka_topic import client_settings
from feed.storage.object_prefix import object_prefix
from feed.writing import file_stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from feed import Delivery
    from feed.storage import Storage

_DEFAULTS = Options()
_SHARE = click.FloatRange(0.0, 0.5)


@click.command(context_settings={"show_default": True})
@click.option(
    "--to",
    "--out",
    "destination",
    required=True,
    metavar="PLACE",
    help="A directory, s3://bucket/prefix/, kafka, or kafka://host:port/topic.",
)
@click.option("--events", type=click.IntRange(1), default=_DEFAULTS.events, help="Distinct good events.")
@click.option("--seed", type=int, default=_DEFAULTS.seed, help="Another seed is another feed.")
@click.option("--days", type=click.IntRange(1, 3660), default=_DEFAULTS.days, help="Length of the feed.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default=_DEFAULTS.start.isoformat(),
    help="First day (UTC). Feeds loaded together need days of their own: complaints are numbered by day.",
)
@click.option(
    "--tenants",
    type=click.IntRange(1, TENANT_COUNT),
    default=_DEFAULTS.tenants,
    help="Cities taking part; from two on they lie in two time zones.",
)
@click.option(
    "--duplicates",
    type=_SHARE,
    default=_DEFAULTS.duplicates,
    help="Share of the events that are delivered twice.",
)
@click.option(
    "--late",
    type=_SHARE,
    default=_DEFAULTS.late,
    help="Share that arrives a day or more after younger events.",
)
@click.option(
    "--out-of-order",
    type=_SHARE,
    default=_DEFAULTS.out_of_order,
    help="Share that arrives a little out of order.",
)
@click.option(
    "--bad",
    type=_SHARE,
    default=_DEFAULTS.bad,
    help="Share that also arrives as a damaged copy, to be rejected.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(Format, case_sensitive=False),
    multiple=True,
    default=_DEFAULTS.formats,
    help="May be repeated: the files then take turns, and every event is in one of them only.",
)
@click.option(
    "--files", type=click.IntRange(1), help="Number of files, equal in records.  [default: one a format]"
)
@click.option(
    "--compress",
    "compression",
    type=click.Choice(Compression, case_sensitive=False),
    default=_DEFAULTS.compression,
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Records a second.  [default: no limit]")
@click.option(
    "--topic", help=f"Kafka topic; made when it is not there.  [default: KAFKA_TOPIC, else {DEFAULT_TOPIC}]"
)
@click.option(
    "--partitions", type=click.IntRange(1), default=4, help="Partitions of a Kafka topic that has to be made."
)
@click.option(
    "--truth",
    "truth_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the truth.  [default: truth.json among the files, _truth/… under the S3 prefix, "
    "<topic>.truth.json here for Kafka]",
)
@click.option(
    "--cases",
    is_flag=True,
    help="Also write what is true about every complaint, one row each, as Parquet beside the truth.",
)
@click.pass_context
def main(
    context: click.Context,
    /,
    destination: str,
    start: datetime,
    *,
    rate: float | None,
    topic: str | None,
    partitions: int,
    truth_path: Path | None,
    cases: bool,
    **options: object,
) -> None:
    r"""Write a feed of city complaint events, and what is true about it.

    Whole lives of complaints in the columns of service_events_raw, with duplicates, late and damaged
    records in known numbers. The same options give the same feed everywhere.

    Files go to a directory or to S3 (S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). Messages go to
    Kafka, keyed by complaint, each acknowledged and there once (KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL,
    KAFKA_SASL_USERNAME and so on, named as librdkafka names its settings). What the environment does not say is
    read from .env. Ctrl-C ends a feed of messages early: what is on the way is sent, and the truth is told of
    what was sent.

    \b
      python -m feed --to /tmp/feed --format csv --format jsonl --format parquet --events 50000
      python -m feed --to s3://warehouse/staging/ --files 20 --rate 1000
      python -m feed --to kafka --rate 500 --duplicates 0.05
    """
    try:
        place = parse_destination(destination)
        _require_only_what_applies(context, place)
        feed_options = Options(start=start.date(), **options)  # type: ignore[arg-type]  # click checked each of them
        with _progress(feed_options, pace=Pace(rate=rate)) as conduct:
            truth, truth_files = _run(
                feed_options,
                place,
                topic=topic,
                partitions=partitions,
                truth_path=truth_path,
                cases=cases,
                conduct=conduct,
            )
    except (InvalidOptionsError, FeedError) as error:
        raise click.ClickException(str(error)) from error
    _show(truth, place=destination, truth_address=truth_files.storage.address(truth_files.truth_name))


def _run(
    options: Options,
    place: Destination,
    *,
    topic: str | None,
    partitions: int,
    truth_path: Path | None,
    cases: bool,
    conduct: Conduct,
) -> tuple[Truth, TruthFiles]:
    environment = read_environment()
    if isinstance(place, Topic):
        settings = client_settings(environment)
        if place.bootstrap_servers is not None:
            settings["bootstrap.servers"] = place.bootstrap_servers
        if "bootstrap.servers" not in settings:
            raise BadDestinationError("kafka", "set KAFKA_BOOTSTRAP_SERVERS, or give kafka://host:port/topic")
        name = place.name or topic or environment.get("KAFKA_TOPIC") or DEFAULT_TOPIC
        truth_files = _truth_at(truth_path or Path(f"{name}.truth.json"), cases=cases)
        with _stopped_by_interrupt(conduct):
            truth = send(
                options,
                settings=settings,
                topic=name,
                truth_files=truth_files,
                partitions=partitions,
                conduct=conduct,
            )
        return truth, truth_files
    storage: Storage
    if isinstance(place, Bucket):
        storage = object_prefix(place.name, place.prefix, environment=environment)
        # Under a prefix of its own: in a landing prefix, which this may be, every object is one to be loaded.
        beside = TruthFiles(
            storage=replace(storage, prefix=f"{place.prefix}_truth/"),
            truth_name=f"{file_stem(options)}.json",
            cases_name=f"{file_stem(options)}_cases.parquet" if cases else None,
        )
    else:
        storage = LocalDirectory(place.path)
        beside = TruthFiles.beside(storage, cases=cases)
    truth_files = beside if truth_path is None else _truth_at(truth_path, cases=cases)
    return write_files(options, storage, truth_files=truth_files, conduct=conduct), truth_files


def _truth_at(path: Path, *, cases: bool) -> TruthFiles:
    beside = TruthFiles.beside(LocalDirectory(path.parent), cases=cases)
    return replace(beside, truth_name=path.name)


def _require_only_what_applies(context: click.Context, place: Destination) -> None:
    other = ("topic", "partitions") if not isinstance(place, Topic) else ("formats", "files", "compression")
    for parameter in context.command.params:
        is_given = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if parameter.name in other and is_given:
            kind = "messages" if isinstance(place, Topic) else "files"
            raise click.UsageError(f"{parameter.opts[0]} does not apply to {kind}.", context)


@contextmanager
def _progress(options: Options, *, pace: Pace) -> Iterator[Conduct]:
    """Give a conduct that shows on a terminal how far the feed is."""
    columns = (
        SpinnerColumn(),
        MofNCompleteColumn(),
        "records",
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def watch(deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
            return progress.track(deliveries, total=options.records)

        yield Conduct(pace=pace, watch=watch)


@contextmanager
def _stopped_by_interrupt(conduct: Conduct) -> Iterator[None]:
    """Let the first Ctrl-C end the feed early, and the second one end the program."""

    def stop(_signal: int, _frame: object) -> None:
        click.echo("Sending what is on the way; Ctrl-C again to leave at once.", err=True)
        conduct.stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _show(truth: Truth, *, place: str, truth_address: str) -> None:
    total, cases = truth.total, truth.cases
    rejects = ", ".join(f"{reason} {count:,}" for reason, count in total.rejects.items()) or "none"
    if truth.partitions:
        went = f"{truth.partitions[0].topic}: " + ", ".join(
            f"partition {partition.partition} from {partition.first:,} to before {partition.next:,}"
            for partition in truth.partitions
        )
    else:
        went = f"{len(truth.files):,} files in {place}"
    for name, figure in (
        ("written", f"{went}{', ended early' if truth.ended_early else ''}"),
        ("truth", truth_address),
        ("records", f"{total.records:,}"),
        (
            "good rows",
            f"{total.good_rows:,} = {total.distinct_events:,} events + {total.duplicates:,} duplicates",
        ),
        ("rejects", f"{sum(total.rejects.values()):,}: {rejects}"),
        ("late", f"{total.late:,}, and {total.out_of_order:,} out of order"),
        ("cases", f"{cases.cases:,}, of which {cases.open:,} open"),
        (
            "SLA missed",
            f"{cases.resolved_late:,} of {cases.resolved:,} resolved, {cases.open_overdue:,} of the open",
        ),
        ("as of", f"{truth.as_of:%Y-%m-%d %H:%M} UTC"),
    ):
        click.echo(f"{name:<12}{figure}")


if __name__ == "__main__":
    # Nothing in a feed refers in circles, and to look for circles among all waiting events takes long.
    gc.disable()
    main(prog_name="python -m feed")
