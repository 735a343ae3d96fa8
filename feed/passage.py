"""One feed on its way from the cities to where its records go, and what is known of it."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feed.case_register import CaseRegister
from feed.case_table import CASES_FILE_NAME, new_case_table
from feed.pace import Pace
from feed.plants import Courier, Kind
from feed.tally import Tally
from feed.timeline import generate
from feed.truth import TRUTH_FILE_NAME, encode_truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from feed.cases import Event
    from feed.defects import DefectRota
    from feed.options import Options
    from feed.plants import Delivery
    from feed.sinks import Sink
    from feed.storage import Storage
    from feed.truth import PartitionTruth, Truth


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How a feed is sent; what is in it does not depend on that.

    :param pace: of the records.
    :param watch: is given the records and hands them on; to show progress.
    :param stop: once it is set, nothing further happens in the cities; what is on the way still arrives, at once.
    """

    pace: Pace = field(default_factory=Pace)
    watch: Callable[[Iterable[Delivery]], Iterable[Delivery]] = iter
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, kw_only=True)
class TruthFiles:
    """Where the truth about a feed is written.

    :param cases_name: of the table with a row for each case; None is no such table.
    """

    storage: Storage
    truth_name: str = TRUTH_FILE_NAME
    cases_name: str | None = None

    @classmethod
    def beside(cls, storage: Storage, *, cases: bool) -> TruthFiles:
        """Return those that stand among the files of the feed."""
        return cls(storage=storage, cases_name=CASES_FILE_NAME if cases else None)

    def write(self, truth: Truth) -> None:
        """Write the truth itself."""
        with self.storage.new_file(self.truth_name) as stream:
            stream.write(encode_truth(truth))


class Passage:
    """The records of one feed, and the counts of those that were handed over.

    :ivar deliveries: the records in the order of arrival, each when it is due.
    """

    def __init__(self, options: Options, register: CaseRegister, conduct: Conduct) -> None:
        self._register, self._tally, self._stop = register, Tally(), conduct.stop
        deliveries = Courier(options).deliver(self._events(options))
        self.deliveries: Iterator[Delivery] = iter(
            conduct.watch(conduct.pace.keep(deliveries, until=conduct.stop.is_set))
        )

    def _events(self, options: Options) -> Iterator[Event]:
        for event in generate(options):
            if self._stop.is_set():
                return
            self._register.follow(event)
            yield event

    def hand_over(
        self, deliveries: Iterable[Delivery], *, sink: Sink, rota: DefectRota, count: int | None = None
    ) -> None:
        """Write some of the deliveries, and count them.

        :param count: how many they are, if in a file: the first and the last of it have no record on one side.
        """
        for place, delivery in enumerate(deliveries):
            if delivery.kind is Kind.DAMAGED:
                defect = rota.take(has_neighbours=count is None or 0 < place < count - 1)
                sink.write_damaged(delivery.event, defect)
                self._tally.count_damaged(defect)
            else:
                sink.write(delivery.event)
                self._tally.count(delivery)

    def end_file(self, name: str) -> None:
        """Close the counts of a file."""
        self._tally.end_file(name)

    def truth(self, *, partitions: tuple[PartitionTruth, ...] = ()) -> Truth:
        """Return what is true when everything was handed over."""
        self._register.settle_all()
        return self._register.truth(self._tally, partitions=partitions, ended_early=self._stop.is_set())


@contextmanager
def start(options: Options, *, truth_files: TruthFiles | None, conduct: Conduct) -> Iterator[Passage]:
    """Give the passage of a feed; the table of cases, if wanted, is there when the block has ended well."""
    with ExitStack() as stack:
        on_settled = None
        if truth_files is not None and truth_files.cases_name is not None:
            stream = stack.enter_context(truth_files.storage.new_file(truth_files.cases_name))
            on_settled = stack.enter_context(new_case_table(stream, as_of_ms=options.end_ms)).add
        yield Passage(options, CaseRegister(options, on_settled=on_settled), conduct)
