"""How fast messages become rows of bronze: from "the broker has it" to "it is in bronze".

    make bench-kafka                                   every case, on engines of the run's own
    .venv/bin/python -m bench.kafka --case backlog_1m_1_partition --stack clone

A backlog's time begins with the first poll of a drain that runs already, and ends with the last ledger row.
Engines, brokers, producer and drain share the machine's processors. A run counts only if the certificate is clean
after it.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

import click
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console

import feed
from bench.engines import engines_of, stack_option
from bench.feeds import feed_files, options_of
from bench.files import engines_cpu_seconds, values_of
from bench.report import Case, console, machine, table, write_report
from bench.worker import Measured, in_worker
from lakehouse.broker import KafkaBroker, broker_settings
from lakehouse.certificate import read_certificate
from lakehouse.contracts import KafkaContract
from lakehouse.drain.drain import Drain
from lakehouse.drain.flush import FlushReport
from lakehouse.drain.limits import DrainWindow, FlushLimits
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.ledger import ProtocolTables, naive_utc
from lakehouse.maintenance import maintain_table
from lakehouse.settings import Settings, read_environment
from lakehouse.sources import read_source
from lakehouse.statements import render
from lakehouse.store import store_of
from lakehouse.tables.creation import create_tables
from stack.engines import KAFKA, SEAWEEDFS, TRINO

FOR_KAFKA = (SEAWEEDFS, TRINO, KAFKA)
SOURCE = "pgr_events_kafka"
LIVE_CASE = "live_1000"
AGED_CASE = "flush_after_5000_commits"
VALUES_CASE = "values_by_100"

_LIVE_PER_SECOND = 1_000
_LIVE_SECONDS = 180
_LIVE_FLUSH_SECONDS = 5.0
#: Flushes of which the median counts, before and after ageing.
_FLUSHES = 7
_FLUSHED_MESSAGES = 1_000
_COMMITS = 5_000
_COMMITS_BETWEEN_MAINTENANCE = 250
_VALUES_ROWS = 3_000
_ROWS_OF_A_STATEMENT = 100
_WARM_UP_MESSAGES = 20_000
_NOTES = (
    "backlog: seconds from the first poll to the last ledger row, with the flush limits of the shipped contract",
    f"live_1000: FLUSH_INTERVAL_SEC={_LIVE_FLUSH_SECONDS:g}; from produce time to the end of the merge",
    f"flush_after_5000_commits: median of {_FLUSHES} flushes of {_FLUSHED_MESSAGES:,} messages, before and after",
    "the commits are half to bronze and half to the ledger: a flush makes one to each",
    "values_by_100: the guide's way, INSERT … VALUES of 100 rows a statement; ratio: the backlog's rows/s to it",
)


@dataclass(frozen=True)
class BacklogCase:
    """Messages that are there before the drain begins."""

    name: str
    partitions: int
    messages: int = 1_000_000


BACKLOGS = (
    BacklogCase("backlog_1m_1_partition", partitions=1),
    BacklogCase("backlog_1m_4_partitions", partitions=4),
)
_NAMES = [*(case.name for case in BACKLOGS), LIVE_CASE, AGED_CASE, VALUES_CASE]


@dataclass
class DrainTimes:
    """What a drain did, and when.

    :param merged: for each flush the time (seconds since 1970) its rows were merged, and the offsets it reached.
    :param seconds: from the first poll to the last ledger row.
    :param flush_seconds: of each flush, from staging to its ledger row.
    """

    records: int = 0
    source_bytes: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    merged: list[tuple[float, dict[int, int]]] = field(default_factory=list)
    flush_seconds: list[float] = field(default_factory=list)


class DirtyCertificateError(click.ClickException):
    """What was drained is not all there once."""


class CountError(click.ClickException):
    """Not as many messages were drained as were sent."""


@click.command(help=__doc__.partition("\n")[0])
@click.option("--case", "names", type=click.Choice(_NAMES), multiple=True, help="May be repeated; else all.")
@click.option("--messages", type=click.IntRange(1), help="Messages of a backlog, instead of its own number.")
@click.option("--commits", type=click.IntRange(1), default=_COMMITS, show_default=True, help=f"Of {AGED_CASE}.")
@stack_option
def main(names: tuple[str, ...], messages: int | None, commits: int, choice: str) -> None:
    """Measure, print and write ``bench/results/kafka.json``."""
    output = console()
    wanted = names or tuple(_NAMES)
    backlogs = [
        case if messages is None else replace(case, messages=messages) for case in BACKLOGS if case.name in wanted
    ]
    measured_on = machine()
    with engines_of(choice, FOR_KAFKA, output):
        bench = KafkaBench(output)
        cases = [bench.measure_backlog(case) for case in backlogs]
        if LIVE_CASE in wanted:
            cases.append(bench.measure_live())
        if AGED_CASE in wanted:
            cases.append(bench.measure_aged(commits))
        if VALUES_CASE in wanted:
            cases.append(bench.measure_values(cases))
    output.print(table("From message to ledger row", cases))
    output.print(f"Written: {write_report('kafka', cases, notes=_NOTES, machine_before=measured_on)}")


class KafkaBench:
    """The cases on running engines."""

    def __init__(self, output: Console) -> None:
        self._output = output
        settings = Settings.from_environment()
        self._kafka = broker_settings(read_environment())
        self._admin = AdminClient(self._kafka)
        self._engine = TrinoEngine(connect_with(settings, source="lakehouse-bench"))
        self._tables = ProtocolTables()
        self._target = read_source(SOURCE).contract.target
        create_tables(self._engine, names=settings.names)
        # The engines compile what they run often; nobody wants to measure that.
        self._drain(self._sent_topic(4, _WARM_UP_MESSAGES), limits=FlushLimits(records=5_000, seconds=60))

    def measure_backlog(self, case: BacklogCase) -> Case:
        """Send all of it, then drain it."""
        topic = self._sent_topic(case.partitions, case.messages)
        cpu_before = engines_cpu_seconds()
        measured = self._drain(topic)
        times = measured.result
        if times.records != case.messages:
            raise CountError(f"{case.name}: {times.records:,} messages were drained of {case.messages:,}")
        self._require_clean(case.name)
        found = Case(
            case=case.name,
            rows=times.records,
            seconds=times.seconds,
            source_bytes=times.source_bytes,
            peak_rss_mb=measured.peak_rss_mb,
            details={
                "flushes": len(times.flush_seconds),
                "drain_cpu_seconds": round(times.cpu, 2),
                "engines_cpu_seconds": round(engines_cpu_seconds() - cpu_before, 2),
            },
        )
        self._output.print(
            f"{case.name}: {found.seconds:.2f} s, {found.rows_per_second:,.0f} messages/s, "
            f"{found.peak_rss_mb:,.0f} MB"
        )
        return found

    def measure_live(self) -> Case:
        """Send at a rate while a drain runs, and look when each message is in bronze."""
        topic = self._new_topic(4)
        files_before = self._counts()
        sent = _SentMessages()
        sending = threading.Thread(target=self._send_live, args=(topic, sent))
        sending.start()
        # A last flush takes what was sent just before.
        limits = FlushLimits(records=100_000, seconds=_LIVE_FLUSH_SECONDS)
        measured = self._drain(topic, limits=limits, seconds=_LIVE_SECONDS + 4 * _LIVE_FLUSH_SECONDS)
        sending.join()
        self._require_clean(LIVE_CASE)
        latencies = sorted(sent.latencies(measured.result.merged))
        if len(latencies) != sent.count:
            raise CountError(f"{LIVE_CASE}: {len(latencies):,} messages were drained of {sent.count:,}")
        made = {name: count - files_before[name] for name, count in self._counts().items()}
        return Case(
            case=LIVE_CASE,
            rows=len(latencies),
            seconds=_LIVE_SECONDS,
            source_bytes=measured.result.source_bytes,
            peak_rss_mb=measured.peak_rss_mb,
            details={
                "p50_seconds": round(latencies[len(latencies) // 2], 2),
                "p95_seconds": round(latencies[int(len(latencies) * 0.95)], 2),
                "most_seconds": round(latencies[-1], 2),
                "flushes": len(measured.result.merged),
                **made,
            },
        )

    def measure_aged(self, commits: int) -> Case:
        """Flush, age the tables by many small commits, flush again."""
        first = self._flushes()
        begun = time.monotonic()
        maintenance = self._age(commits)
        aged = time.monotonic() - begun
        last = self._flushes()
        self._require_clean(AGED_CASE)
        return Case(
            case=AGED_CASE,
            rows=_FLUSHES * _FLUSHED_MESSAGES,
            seconds=statistics.median(last) * _FLUSHES,
            details={
                "commits": commits,
                "first_seconds": round(statistics.median(first), 2),
                "last_seconds": round(statistics.median(last), 2),
                "ratio_to_first": round(statistics.median(last) / statistics.median(first), 2),
                "ageing_seconds": round(aged, 1),
                "maintenance_seconds": round(maintenance, 1),
            },
        )

    def measure_values(self, cases: Sequence[Case]) -> Case:
        """The same events by ``INSERT … VALUES``, a hundred at a time."""
        columns, rows = values_of(_feed(_WARM_UP_MESSAGES), count=_VALUES_ROWS)
        begun = time.monotonic()
        for first in range(0, len(rows), _ROWS_OF_A_STATEMENT):
            self._engine.execute(
                render(
                    "bench/insert_values.sql",
                    target=self._target,
                    columns=columns,
                    rows=rows[first : first + _ROWS_OF_A_STATEMENT],
                )
            )
        found = Case(case=VALUES_CASE, rows=len(rows), seconds=time.monotonic() - begun)
        ratios = {
            f"{case.case}_ratio": round(case.rows_per_second / found.rows_per_second, 1)
            for case in cases
            if case.case.startswith("backlog")
        }
        return replace(found, details=ratios)

    def _drain(
        self, topic: str, *, limits: FlushLimits | None = None, seconds: float | None = None
    ) -> Measured[DrainTimes]:
        return in_worker(drain, topic, limits=limits, seconds=seconds)

    def _flushes(self) -> list[float]:
        """How long each of some flushes of one partition takes."""
        topic = self._sent_topic(1, _FLUSHES * _FLUSHED_MESSAGES)
        limits = FlushLimits(records=_FLUSHED_MESSAGES, seconds=600)
        return self._drain(topic, limits=limits).result.flush_seconds[:_FLUSHES]

    def _age(self, commits: int) -> float:
        """Append rows one by one, half of them to bronze and half to the ledger, as flushes do.

        Returns the seconds that maintenance took.
        """
        tables = {"bench/age_bronze.sql": self._target, "bench/age_ledger.sql": self._tables.ledger}
        seconds = 0.0
        for first in range(0, commits // len(tables), _COMMITS_BETWEEN_MAINTENANCE):
            places = range(first, min(first + _COMMITS_BETWEEN_MAINTENANCE, commits // len(tables)))
            # Side by side, as they do not meet; two commits to one table would.
            with ThreadPoolExecutor(len(tables)) as pool:
                list(pool.map(lambda template: self._append(template, places), tables))  # noqa: B023
            begun = time.monotonic()
            for name in tables.values():
                maintain_table(self._engine, name=name)
            seconds += time.monotonic() - begun
            self._output.print(f"{AGED_CASE}: {len(tables) * places.stop:,} of {commits:,} commits")
        return seconds

    def _append(self, template: str, places: range) -> None:
        engine = TrinoEngine(connect_with(Settings.from_environment(), source="lakehouse-bench"))
        for place in places:
            moment = naive_utc(datetime.now(UTC))
            engine.execute(
                render(
                    template,
                    source_id="aged000000000000",
                    place=place,
                    load="aged000000000000",
                    moment=moment,
                    event_date=(moment - timedelta(days=place % 30)).date(),
                    target=self._target,
                    ledger=self._tables.ledger,
                )
            )

    def _new_topic(self, partitions: int) -> str:
        topic = f"bench-{uuid.uuid4().hex[:12]}"
        self._admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
        return topic

    def _sent_topic(self, partitions: int, messages: int) -> str:
        topic = self._new_topic(partitions)
        producer = Producer({**self._kafka, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
        for number, line in enumerate(islice(cycle(_lines(_feed(messages))), messages)):
            while True:
                try:
                    producer.produce(topic, line, partition=number % partitions)
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 10_000 == 0:
                producer.poll(0)
        producer.flush()
        return topic

    def _send_live(self, topic: str, sent: _SentMessages) -> None:
        producer = Producer({**self._kafka, "linger.ms": 5, "enable.idempotence": True})
        lines = cycle(list(islice(_lines(_feed(_WARM_UP_MESSAGES)), _WARM_UP_MESSAGES)))
        begun = time.monotonic()
        for number in range(_LIVE_PER_SECOND * _LIVE_SECONDS):
            ahead = begun + number / _LIVE_PER_SECOND - time.monotonic()
            if ahead > 0:
                producer.poll(ahead)
            producer.produce(topic, next(lines), partition=number % 4, on_delivery=sent.note)
        producer.flush()

    def _counts(self) -> dict[str, int]:
        """Files and snapshots of bronze and ledger."""
        counts = {}
        for name in (self._target, self._tables.ledger):
            catalog, schema, short = name.split(".")
            for kind in ("files", "snapshots"):
                statement = render("bench/count_rows_of.sql", table=f"{catalog}.{schema}.{short}${kind}")
                counts[f"{short}_{kind}"] = int(self._engine.execute(statement).scalar)
        return counts

    def _require_clean(self, case: str) -> None:
        if not read_certificate(self._engine).is_clean:
            raise DirtyCertificateError(f"{case}: the certificate is not clean; see `lakehouse certificate`")


class _SentMessages:
    """When each message was produced, by partition and offset."""

    def __init__(self) -> None:
        self._produced: dict[int, dict[int, float]] = {}

    @property
    def count(self) -> int:
        return sum(map(len, self._produced.values()))

    def note(self, error: object, message: Message) -> None:
        if error is not None:
            raise CountError(f"a message was not taken: {error}")
        _kind, milliseconds = message.timestamp()
        self._produced.setdefault(message.partition(), {})[message.offset()] = milliseconds / 1000

    def latencies(self, merged: Sequence[tuple[float, dict[int, int]]]) -> Iterator[float]:
        """For each message that was merged the seconds until then."""
        reached: dict[int, int] = {}
        for moment, positions in merged:
            for partition, position in positions.items():
                offsets = self._produced.get(partition, {})
                for offset in range(reached.get(partition, 0), position):
                    if offset in offsets:
                        yield moment - offsets[offset]
                reached[partition] = position


def drain(topic: str, *, limits: FlushLimits | None = None, seconds: float | None = None) -> DrainTimes:
    """Drain a topic in this process: to its end, or for some seconds."""
    environment = read_environment()
    settings = Settings.from_environment(environment)
    found = read_source(SOURCE, kind=KafkaContract)
    origin = found.contract.origin.model_copy(update={"topic": topic, "group": topic})
    contract = found.contract.model_copy(update={"origin": origin})
    times = DrainTimes()
    steps: dict[str, float] = {}
    first_poll: list[float] = []

    def on_step(step: str) -> None:
        now = time.time()
        if step == "polled" and not first_poll:
            first_poll.append(now)
        if step == "record":
            times.flush_seconds.append(now - steps["flushing"])
            times.seconds = now - first_poll[0]
        steps[step] = now

    def on_flush(report: FlushReport) -> None:
        times.records += report.records
        times.source_bytes += report.source_bytes
        times.merged.append((steps["rows"], {key.partition: next_ for key, next_ in report.positions.items()}))

    Drain(
        contract,
        table=found.table,
        broker=KafkaBroker(broker_settings(environment)),
        engine=TrinoEngine(connect_with(settings, source="lakehouse-bench")),
        store=store_of(settings),
        names=settings.names,
        limits=limits or FlushLimits.of(contract, environment={}),
        window=DrainWindow(seconds=seconds, until_end=seconds is None),
        run="bench",
        on_flush=on_flush,
        on_step=on_step,
    ).run()
    used = os.times()
    times.cpu = used.user + used.system
    return times


def _feed(messages: int) -> Path:
    [path] = feed_files(options_of(records=messages, file_format=feed.Format.JSONL))
    return path


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        for line in lines:
            yield line.removesuffix(b"\n")


if __name__ == "__main__":
    main()
