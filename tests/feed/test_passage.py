from __future__ import annotations

import threading
from dataclasses import replace

from feed import Conduct, Kind, LocalDirectory, Options, Pace, TruthFiles, read_truth, write_files
from feed.defects import Defect, DefectRota
from feed.passage import start

OPTIONS = Options(events=3_000, seed=5, days=10, duplicates=0.05, late=0.05, bad=0.05)


class Memory:
    """A sink that remembers."""

    defects = (Defect.TOMBSTONE,)

    def __init__(self) -> None:
        self.good, self.damaged = [], []

    def write(self, event) -> None:
        self.good.append(event)

    def write_damaged(self, event, defect) -> None:
        self.damaged.append(event)


def stopped_after(count: int):
    """A conduct that stops when so many records were handed over, and shows how many came after."""
    stop = threading.Event()

    def watch(deliveries):
        for number, delivery in enumerate(deliveries):
            if number == count:
                stop.set()
            yield delivery

    return Conduct(stop=stop, watch=watch)


def passed(conduct: Conduct):
    sink = Memory()
    with start(OPTIONS, truth_files=None, conduct=conduct) as passage:
        passage.hand_over(passage.deliveries, sink=sink, rota=DefectRota(sink.defects))
        return sink, passage.truth()


def test_a_feed_that_is_stopped_is_a_whole_one_of_fewer_events():
    sink, truth = passed(stopped_after(1_000))
    distinct = set(sink.good)
    assert truth.ended_early
    assert 1_000 <= truth.total.records < OPTIONS.records / 2
    assert truth.total.distinct_events == len(distinct) == sum(truth.events_by_type.values())
    assert truth.total.duplicates == len(sink.good) - len(distinct) > 0
    assert truth.total.rejects == {"empty_record": len(sink.damaged)}
    assert truth.cases.cases == len({event.case_number for event in distinct})
    # What was on its way, late or about to come twice, has arrived: no event has a hole before it.
    latest = max(event.time_ms for event in distinct)
    everything, _ = passed(Conduct())
    assert distinct == {event for event in everything.good if event.time_ms <= latest}


def test_a_feed_that_nobody_stops_is_told_as_such():
    _, truth = passed(Conduct())
    assert not truth.ended_early
    assert truth.total.records == OPTIONS.records


def test_whoever_watches_sees_every_record(tmp_path):
    seen = []

    def watch(deliveries):
        for delivery in deliveries:
            seen.append(delivery.kind)
            yield delivery

    storage = LocalDirectory(tmp_path)
    truth = write_files(
        OPTIONS, storage, truth_files=TruthFiles.beside(storage, cases=False), conduct=Conduct(watch=watch)
    )
    assert len(seen) == truth.total.records
    assert seen.count(Kind.DUPLICATE) == truth.total.duplicates


def test_at_a_pace_files_arrive_one_by_one(tmp_path):
    now, there = [0.0], []

    def wait(seconds: float) -> None:
        now[0] += seconds
        there.append((now[0], len(list(tmp_path.glob("pgr_events_*")))))

    storage = LocalDirectory(tmp_path)
    pace = Pace(rate=100.0, clock=lambda: now[0], wait=wait)
    write_files(
        replace(OPTIONS, files=3),
        storage,
        truth_files=TruthFiles.beside(storage, cases=False),
        conduct=Conduct(pace=pace),
    )
    # 3,300 records at 100 a second; each file is there when its 1,100 are.
    assert {files for moment, files in there if moment < 11.0} == {0}
    assert {files for moment, files in there if 11.02 < moment < 22.0} == {1}
    assert {files for moment, files in there if moment > 22.02} == {2}


def test_the_truth_may_lie_elsewhere_and_feeds_of_other_days_share_a_place(tmp_path):
    place = LocalDirectory(tmp_path / "landing")
    for day in (1, 15):
        options = replace(OPTIONS, events=100, start=OPTIONS.start.replace(day=day))
        truth_files = TruthFiles(storage=LocalDirectory(tmp_path), truth_name=f"{day}.json", cases_name=None)
        write_files(options, place, truth_files=truth_files)
    assert len(list(place.directory.iterdir())) == 2
    assert read_truth(tmp_path / "15.json").options.start.day == 15
