"""A whole feed as files, with its truth beside them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from feed.defects import DefectRota
from feed.errors import OtherFeedError
from feed.passage import Conduct, TruthFiles, start
from feed.plants import Courier
from feed.sinks import file_sink
from feed.storage.local_directory import LocalDirectory
from feed.timeline import generate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from feed.options import Format, Options
    from feed.plants import Delivery
    from feed.storage import Storage
    from feed.truth import Truth

FILE_NAME_BEGINNING = "pgr_events_"


@dataclass(frozen=True, kw_only=True)
class FilePlan:
    """A file of the feed before it is written."""

    name: str
    file_format: Format
    records: int


def file_stem(options: Options) -> str:
    """Return what the names of all files of the feed begin with: feeds that lie together differ in it."""
    return f"{FILE_NAME_BEGINNING}{options.start:%Y%m%d}"


def plan_files(options: Options) -> tuple[FilePlan, ...]:
    """Return the files of the feed in the order of arrival: equal in records, formats in turn."""
    files = options.file_count
    width = max(4, len(str(files)))
    stem = file_stem(options)
    return tuple(
        FilePlan(
            name=f"{stem}_{number + 1:0{width}d}.{file_format}{options.compression.suffix(file_format)}",
            file_format=file_format,
            records=options.records * (number + 1) // files - options.records * number // files,
        )
        for number in range(files)
        for file_format in [options.formats[number % len(options.formats)]]
    )


def deliver(options: Options) -> Iterator[Delivery]:
    """Yield every record of the feed in the order of arrival; what the damage is, the writer decides."""
    return Courier(options).deliver(generate(options))


def write(options: Options, directory: Path, *, cases: bool = False) -> Truth:
    """Write the feed into the directory, with `truth.json` beside the files, and return the truth.

    The directory is made when it is not there. Files of the same feed are replaced.

    :param cases: also write what is true about every case, one row each, as `cases.parquet`.
    :raises OtherFeedError: when the directory holds files of another feed.
    :raises OSError: when a file cannot be written.
    """
    storage = LocalDirectory(directory)
    return write_files(options, storage, truth_files=TruthFiles.beside(storage, cases=cases))


def write_files(
    options: Options, storage: Storage, *, truth_files: TruthFiles, conduct: Conduct | None = None
) -> Truth:
    """Write the feed as files, and its truth after them, and return the truth.

    Files of the same feed are replaced. A file is there when it is whole, so that at a chosen pace they arrive one
    by one.

    :raises OtherFeedError: when files of another feed lie there. Where the truth lies elsewhere, feeds of other
        days may.
    :raises StoreError: when an object cannot be written.
    :raises OSError: when a file cannot be written.
    """
    plans = plan_files(options)
    shares_place = truth_files.storage != storage
    _require_no_other_feed(storage, plans, beginning=file_stem(options) if shares_place else FILE_NAME_BEGINNING)
    rotas: dict[Format, DefectRota] = {}
    with start(options, truth_files=truth_files, conduct=conduct or Conduct()) as passage:
        for plan in plans:
            with (
                storage.new_file(plan.name) as stream,
                file_sink(stream, file_format=plan.file_format, compression=options.compression) as sink,
            ):
                passage.hand_over(
                    islice(passage.deliveries, plan.records),
                    sink=sink,
                    rota=rotas.setdefault(plan.file_format, DefectRota(sink.defects)),
                    count=plan.records,
                )
            passage.end_file(plan.name)
        truth = passage.truth()
    truth_files.write(truth)
    return truth


def _require_no_other_feed(storage: Storage, plans: Sequence[FilePlan], *, beginning: str) -> None:
    own = {plan.name for plan in plans}
    if others := [name for name in storage.names(beginning) if name not in own]:
        raise OtherFeedError(storage.address(""), others)
