"""The command `python -m feed`."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feed import Compression, Format, InvalidOptionsError, Options, OtherFeedError, Truth, write
from feed.masters import TENANT_COUNT

if TYPE_CHECKING:
    from datetime import datetime

_DEFAULTS = Options()
_SHARE = click.FloatRange(0.0, 0.5)


@click.command(context_settings={"show_default": True})
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory to write to."
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
@click.option(
    "--cases",
    is_flag=True,
    help="Also write cases.parquet: what is true about every complaint, one row each.",
)
def main(out: Path, start: datetime, *, cases: bool, **options: object) -> None:
    """Write a feed of city complaint events, and what is true about it beside the files.

    Whole lives of complaints in the columns of service_events_raw, with duplicates, late and damaged
    records in known numbers. The same options give the same feed everywhere.
    """
    try:
        truth = write(Options(start=start.date(), **options), out, cases=cases)  # type: ignore[arg-type]  # click checked each of them
    except (InvalidOptionsError, OtherFeedError) as error:
        raise click.ClickException(str(error)) from error
    _show(truth, out)


def _show(truth: Truth, out: Path) -> None:
    total, cases = truth.total, truth.cases
    rejects = ", ".join(f"{reason} {count:,}" for reason, count in total.rejects.items()) or "none"
    for name, figure in (
        ("files", f"{len(truth.files):,} in {out}, truth in {out / 'truth.json'}"),
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
    main()
