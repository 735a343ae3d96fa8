"""A whole feed written to files, with its truth beside them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from feed.case_register import CaseRegister
from feed.case_table import CASES_FILE_NAME, new_case_table
from feed.defects import DefectRota
from feed.plants import Courier, Kind
from feed.sinks import file_sink
from feed.storage import LocalDirectory
from feed.tally import Tally
from feed.timeline import generate
from feed.truth import TRUTH_FILE_NAME, encode_truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from feed.case_table import CaseTable
    from feed.cases import Event
    from feed.options import Format, Options
    from feed.plants import Delivery
    from feed.sinks import Sink
    from feed.storage import Storage
    from feed.truth import Truth


class OtherFeedError(Exception):
    """The directory holds files of another feed, which would be taken for files of this one."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        self.directory = directory
        self.names = names
        super().__init__(
            f"{directory} holds {len(names)} files that are not of this feed ({names[0]}, …): "
            "give an empty directory, or remove them"
        )


@dataclass(frozen=True, kw_only=True)
class FilePlan:
    """A file of the feed before it is written."""

    name: str
    file_format: Format
    records: int


def plan_files(options: Options) -> tuple[FilePlan, ...]:
    """Return the files of the feed in the order of arrival: equal in records, formats in turn."""
    files = options.file_count
    width = max(4, len(str(files)))
    stem = f"pgr_events_{options.start:%Y%m%d}"
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
    plans = plan_files(options)
    _require_no_other_feed(storage, plans)
    with ExitStack() as stack:
        table = None
        if cases:
            stream = stack.enter_context(storage.new_file(CASES_FILE_NAME))
            table = stack.enter_context(new_case_table(stream, as_of_ms=options.end_ms))
        truth = _write_files(options, plans, storage=storage, cases=table)
    with storage.new_file(TRUTH_FILE_NAME) as stream:
        stream.write(encode_truth(truth))
    return truth


def _write_files(
    options: Options, plans: Sequence[FilePlan], *, storage: Storage, cases: CaseTable | None
) -> Truth:
    tally, register = Tally(), CaseRegister(options, on_settled=None if cases is None else cases.add)
    deliveries = Courier(options).deliver(_followed(generate(options), register))
    rotas: dict[Format, DefectRota] = {}
    for plan in plans:
        with (
            storage.new_file(plan.name) as stream,
            file_sink(stream, file_format=plan.file_format, compression=options.compression) as sink,
        ):
            rota = rotas.setdefault(plan.file_format, DefectRota(sink.defects))
            _write_file(islice(deliveries, plan.records), plan.records, sink=sink, rota=rota, tally=tally)
        tally.end_file(plan.name)
    register.settle_all()
    return register.truth(tally)


def _followed(events: Iterator[Event], register: CaseRegister) -> Iterator[Event]:
    for event in events:
        register.follow(event)
        yield event


def _write_file(
    deliveries: Iterator[Delivery], records: int, *, sink: Sink, rota: DefectRota, tally: Tally
) -> None:
    for place, delivery in enumerate(deliveries):
        if delivery.kind is Kind.DAMAGED:
            defect = rota.take(has_neighbours=0 < place < records - 1)
            sink.write_damaged(delivery.event, defect)
            tally.count_damaged(defect)
        else:
            sink.write(delivery.event)
            tally.count(delivery)


def _require_no_other_feed(storage: LocalDirectory, plans: Sequence[FilePlan]) -> None:
    own = {plan.name for plan in plans}
    if others := [name for name in storage.names() if name not in own]:
        raise OtherFeedError(storage.directory, others)
