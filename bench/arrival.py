"""How long an object waits: from the end of its upload to its ledger row, through a running Airflow.

    make bench-arrival                                           every case, on a stack of the run's own
    .venv/bin/python -m bench.arrival --case small_file --files 5
    .venv/bin/python -m bench.arrival --case with_200k_old_objects --many-old-objects 5000      a trial

Nobody starts a run: the watch of the source's DAG does. Engines, Airflow and this program share the processors; on
a stack of its own, no other DAG is on. A case counts only if the certificate has nothing against its objects.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console

from bench.engines import stack_of, stack_option
from bench.report import Case, console, machine, table, write_report
from lakehouse.arrival.watch import Watch
from lakehouse.certificate import read_certificate
from lakehouse.compaction import compact_table
from lakehouse.contracts import FilesContract
from lakehouse.engine import TrinoEngine, connect_with
from lakehouse.load.files import load_files
from lakehouse.settings import Settings
from lakehouse.sources import read_source
from lakehouse.statements import render
from lakehouse.store import ObjectStore, store_of
from lakehouse.tables.creation import create_tables
from stack.airflow_api import AirflowApi
from stack.lifecycle import Stack

SOURCE = "pgr_events_jsonl"
DAG = f"ingest_files__{SOURCE}"
BRONZE = "iceberg.bronze.service_events_raw"
_COMPACTION = "compaction"
NAMES = ("small_file", "burst_2000", "with_10k_old_objects", "with_200k_old_objects", _COMPACTION)
#: Records of an object; what came long ago has one.
_RECORDS = 100
_REQUESTS_AT_ONCE = 16
_ASKS_EVERY_SECONDS = 0.5
#: Between two files: longer and shorter than the pause that the watch makes between two events.
_SPACING_SECONDS = (0, 20)
_DAG_APPEARS_SECONDS = 300
#: Longer than any number of objects of these cases takes; then something is wrong.
_ARRIVES_SECONDS = 3_600
#: Days whose partitions are compacted: each load before it adds a file to each.
_COMPACTED_DAYS = 20
_START = datetime(2026, 3, 1, 10, tzinfo=UTC)
_NOTES = (
    "p50_seconds, p95_seconds: of single objects, from the end of an upload until a query finds its ledger row",
    "seconds: p50_seconds; of the burst, from its first upload to its last ledger row; asked for twice a second",
    "single files: 100 records each; the next one comes 0 to 20 s, by chance, after the last one was recorded",
    "with_10k_old_objects: they are loaded: looks and plans list them, and plans ask the ledger for them",
    "loading_old_seconds: of the old objects, from their first upload to their last ledger row",
    "with_200k_old_objects: looks and plans list them, but no contract takes them, so the ledger is not asked",
    "cycle_seconds: between two looks at one key, with the contract's pages and pause, by a second watch",
    "compaction: of bronze, 20 days with a file of each load; rows: of bronze; files, bytes: what was rewritten",
    "on a stack of its own no other DAG is on: neither silver and gold nor maintenance run beside it",
)


class NotRecordedError(click.ClickException):
    """Objects did not arrive, or arrived twice."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything.

    :param files: single files of a case.
    :param burst: objects that come at once.
    :param old: objects of the case with 10,000; ``many_old`` of the one with 200,000.
    :param loads: before the compaction.
    """

    files: int
    burst: int
    old: int
    many_old: int
    loads: int


@click.command(help=__doc__.partition("\n")[0])
@click.option("--case", "names", type=click.Choice(NAMES), multiple=True, help="May be repeated; else all.")
@click.option("--files", type=click.IntRange(1), default=20, show_default=True, help="Single files of a case.")
@click.option("--burst", type=click.IntRange(1), default=2_000, show_default=True, help="In place of 2,000.")
@click.option("--old-objects", type=click.IntRange(1), default=10_000, show_default=True, help="Instead of 10k.")
@click.option(
    "--many-old-objects", type=click.IntRange(1), default=200_000, show_default=True, help="Instead of 200k."
)
@click.option("--loads", type=click.IntRange(1), default=60, show_default=True, help="Before the compaction.")
@stack_option
def main(names: tuple[str, ...], choice: str, **sizes: int) -> None:
    """Measure, print and write ``bench/results/arrival.json``."""
    chosen = Sizes(
        files=sizes["files"],
        burst=sizes["burst"],
        old=sizes["old_objects"],
        many_old=sizes["many_old_objects"],
        loads=sizes["loads"],
    )
    output = console()
    measured_on = machine()
    stack, remove = stack_of(choice, output)
    try:
        stack.up()
        cases = list(ArrivalBench(stack, output, chosen).measure(names or NAMES))
    finally:
        remove()
    for title, shown in (
        ("From the end of an upload to the ledger row", [case for case in cases if case.case != _COMPACTION]),
        ("What compaction saves", [case for case in cases if case.case == _COMPACTION]),
    ):
        if shown:
            output.print(table(title, shown))
    output.print(f"Written: {write_report('arrival', cases, notes=_NOTES, machine_before=measured_on)}")


@dataclass(frozen=True)
class Objects:
    """Objects whose keys begin in one way: put, waited for, taken away."""

    engine: TrinoEngine
    store: ObjectStore
    bucket: str
    beginning: str

    def put(self, names: Iterable[str], *, records: int, days: int = 1) -> dict[str, float]:
        """Put objects, many at once; returns the moment each upload ended, by URI."""

        def put_one(name: str) -> tuple[str, float]:
            key = f"{self.beginning}{name}.jsonl"
            self.store.put(_content(key, records=records, days=days), bucket=self.bucket, key=key)
            return f"s3://{self.bucket}/{key}", time.monotonic()

        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            return dict(pool.map(put_one, names))

    def waits(self, uploaded: Mapping[str, float]) -> list[float]:
        """Wait until each is recorded; returns for how many seconds each waited, the shortest first.

        :raises NotRecordedError: some are not recorded after an hour.
        """
        began = time.monotonic()
        waits: dict[str, float] = {}
        while len(waits) < len(uploaded):
            if time.monotonic() - began > _ARRIVES_SECONDS:
                raise NotRecordedError(f"{len(waits):,} of {len(uploaded):,} objects arrived")
            time.sleep(_ASKS_EVERY_SECONDS)
            recorded = self.engine.execute(
                render("bench/recorded_sources.sql", beginning=f"s3://{self.bucket}/{self.beginning}")
            ).rows
            now = time.monotonic()
            waits |= {uri: now - uploaded[uri] for (uri,) in recorded if uri in uploaded and uri not in waits}
        return sorted(waits.values())

    def require_clean(self) -> None:
        """Make sure that the certificate has nothing against them."""
        problems = [
            f"{account.source}: {account.problems}"
            for account in read_certificate(self.engine).with_problems
            if (account.source or "").startswith(f"s3://{self.bucket}/{self.beginning}")
        ]
        if problems:
            raise NotRecordedError(f"the certificate is not clean: {'; '.join(problems[:10])}")

    def remove(self) -> None:
        keys = [version.key for version in self.store.list_objects(bucket=self.bucket, prefix=self.beginning)]
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            list(pool.map(lambda key: self.store.delete(bucket=self.bucket, key=key), keys))


class ArrivalBench:
    """The cases, one after the other on one stack; each takes its objects away when it ends."""

    def __init__(self, stack: Stack, output: Console, sizes: Sizes) -> None:
        self._output = output
        self._sizes = sizes
        self._spacing = random.Random(7)  # noqa: S311  (nothing is kept secret)
        settings = Settings.from_environment(stack.environment())
        self._names = settings.names
        self._engine = TrinoEngine(connect_with(settings, source="lakehouse-bench"))
        self._store = store_of(settings)
        self._source = read_source(SOURCE, kind=FilesContract)
        create_tables(self._engine, names=settings.names)
        environment = stack.settings()
        self._api = AirflowApi(
            url=environment["AIRFLOW_URL"],
            user=environment["AIRFLOW_USER"],
            password=environment["AIRFLOW_PASSWORD"],
        )
        self._api.sign_in()

    def measure(self, names: Sequence[str]) -> Iterator[Case]:
        """The chosen cases, in the order of their names."""
        self._switch_on()
        # Airflow imports, and the engines compile what they run; nobody wants to measure that.
        with self._objects("warm_up") as objects:
            objects.waits(objects.put(["1"], records=_RECORDS))
        measures: dict[str, Callable[[], Case]] = {
            "small_file": lambda: self._single_files("small_file"),
            "burst_2000": self._burst,
            "with_10k_old_objects": self._with_loaded_objects,
            "with_200k_old_objects": self._with_passed_over_objects,
            _COMPACTION: self._compaction,
        }
        for name, measure in measures.items():
            if name in names:
                case = measure()
                self._output.print(f"{name}: {case.seconds:.1f} s, {dict(case.details)}")
                yield case

    def _switch_on(self) -> None:
        began = time.monotonic()
        while not self._api.has_dag(DAG):
            if time.monotonic() - began > _DAG_APPEARS_SECONDS:
                raise click.ClickException(f"Airflow does not show {DAG}: {self._api.import_errors()}")
            time.sleep(1)
        self._api.unpause(DAG)

    @contextmanager
    def _objects(self, name: str) -> Iterator[Objects]:
        """Objects of a case's own, which are there while this lasts; then nothing is being loaded any more."""
        objects = Objects(
            engine=self._engine,
            store=self._store,
            bucket=self._names.bucket,
            beginning=f"staging/pgr_events_bench_{time.time_ns()}_{name}",
        )
        try:
            yield objects
            self._wait_until_idle()
            objects.require_clean()
        finally:
            objects.remove()

    def _wait_until_idle(self) -> None:
        while self._api.runs(DAG, active=True):
            time.sleep(1)

    def _single_files(self, name: str, **details: object) -> Case:
        """Single files, one after the other, each beside whatever lies there already."""
        waits: list[float] = []
        with self._objects(name) as objects:
            began = datetime.now(UTC)
            for number in range(self._sizes.files):
                time.sleep(self._spacing.uniform(*_SPACING_SECONDS))
                waits += objects.waits(objects.put([f"_{number}"], records=_RECORDS))
        return self._case(name, waits, began=began, details=details)

    def _burst(self) -> Case:
        with self._objects("burst_2000") as objects:
            began, started = datetime.now(UTC), time.monotonic()
            uploaded = objects.put((f"_{number}" for number in range(self._sizes.burst)), records=_RECORDS)
            uploading = time.monotonic() - started
            waits = objects.waits(uploaded)
            seconds = time.monotonic() - started
        return self._case(
            "burst_2000", waits, began=began, seconds=seconds, details={"upload_seconds": round(uploading, 1)}
        )

    def _with_loaded_objects(self) -> Case:
        with self._objects("old") as old:
            started = time.monotonic()
            old.waits(old.put((f"_{number:07}" for number in range(self._sizes.old)), records=1))
            loading = time.monotonic() - started
            self._wait_until_idle()
            return self._single_files(
                "with_10k_old_objects", old_objects=self._sizes.old, loading_old_seconds=round(loading, 1)
            )

    def _with_passed_over_objects(self) -> Case:
        # A wildcard of the contract's pattern does not go beyond a slash.
        with self._objects("old/") as old:
            old.put((f"{number:07}" for number in range(self._sizes.many_old)), records=1)
            return self._single_files(
                "with_200k_old_objects",
                old_objects=self._sizes.many_old,
                cycle_seconds=round(self._cycle_seconds(), 1),
            )

    def _cycle_seconds(self) -> float:
        """From one look at a key to the next one, as the contract has it."""
        contract = self._source.contract
        watch = Watch(
            store=self._store, bucket=self._names.bucket, glob=contract.key_glob, pages=contract.arrival.pages
        )
        started, has_ended = time.monotonic(), False
        while not has_ended:
            has_ended = watch.look().ends_cycle
            time.sleep(contract.arrival.every.total_seconds())
        return time.monotonic() - started

    def _compaction(self) -> Case:
        # Its loads need not be fast, and no run may take them first.
        self._api.pause(DAG)
        try:
            with self._objects(_COMPACTION) as objects:
                for number in range(self._sizes.loads):
                    put = objects.put([f"_{number}"], records=_RECORDS * _COMPACTED_DAYS, days=_COMPACTED_DAYS)
                    self._load(*put)
        finally:
            self._api.unpause(DAG)
        started = time.monotonic()
        report = compact_table(self._engine, name=BRONZE)
        seconds = time.monotonic() - started
        return Case(
            case=_COMPACTION,
            rows=self._engine.execute(render("bench/count_rows_of.sql", table=BRONZE)).scalar,
            seconds=seconds,
            details={
                "partitions": report.partitions,
                "files_before": report.files_before,
                "files_after": report.files_after,
                "bytes_before": report.bytes_before,
                "bytes_after": report.bytes_after,
            },
        )

    def _load(self, uri: str) -> None:
        loads = load_files(
            self._source.contract,
            table=self._source.table,
            engine=self._engine,
            store=self._store,
            names=self._names,
            pattern=uri,
            run="bench",
        )
        for _ in loads:
            pass

    def _case(
        self,
        name: str,
        waits: Sequence[float],
        *,
        began: datetime,
        details: Mapping[str, object],
        seconds: float | None = None,
    ) -> Case:
        p50, p95 = (percentile(waits, share) for share in (0.5, 0.95))
        return Case(
            case=name,
            rows=len(waits) * _RECORDS,
            seconds=p50 if seconds is None else seconds,
            details={
                "objects": len(waits),
                "p50_seconds": round(p50, 2),
                "p95_seconds": round(p95, 2),
                "runs": len(self._api.runs(DAG, since=began)),
                **details,
            },
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of some values that is not exceeded by at least this share of them (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _content(key: str, *, records: int, days: int) -> bytes:
    """Lines of an object: a new complaint each, spread over days."""
    lines = []
    for number in range(records):
        moment = _START + timedelta(days=number % days, seconds=number)
        event = {
            "event_time": moment.isoformat(),
            "tenant_id": "pb.amritsar",
            "service": "PGR",
            "entity_type": "complaint",
            "entity_id": f"{key.rpartition('/')[2]}/{number}",
            "event_type": "CaseSubmitted",
            "status": "OPEN",
            "channel": "WEB",
        }
        lines.append(json.dumps(event) + "\n")
    return "".join(lines).encode()


if __name__ == "__main__":
    main()
