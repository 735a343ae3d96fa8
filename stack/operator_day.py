"""An operator's day: ``python -m stack operator-day``.

On a source of its own, with what users have (objects, a contract, DAGs): files arrive by themselves, bad ones are
refused or rejected, the contract is corrected and the rejects are replayed, a load is taken out and loaded again,
the small files that all this left are compacted, and in the end certificate, silver and gold agree.

Whatever else the stack holds stays as it is. The day may be lived again: each has keys and a city of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import click

from lakehouse.certificate import Account, read_certificate
from lakehouse.compaction import PartitionFiles, read_partitions
from lakehouse.contracts import FilesContract
from lakehouse.identity import ObjectVersion
from lakehouse.load.ledger import Ledger, SourceProgress
from lakehouse.sources import read_source
from lakehouse.statements import render
from stack.day_source import (
    BRONZE,
    DAY,
    PREFIX,
    SERVICE,
    SOURCE,
    DayFile,
    contract_in_place,
    correct_contract,
)
from stack.demo import Demonstration, demo_console
from stack.demo_account import Comparison, Figure, disagreements
from stack.demo_files import comparison_table
from stack.demo_scene import DemoOutcome, DemoScene
from stack.errors import DayStandsStillError, DemoDiffersError
from stack.layout import StackLayout
from stack.lifecycle import Stack

INGEST = f"ingest_files__{SOURCE}"
#: The DAGs that offer sources to choose from.
_REPAIRS = ("replay_rejects", "unload")
#: What is waited for takes Airflow half a minute at most, when it has nothing else to do.
STEP_ENDS_SECONDS = 300.0
PAUSE_SECONDS = 1.0
_NOTE = "operator's day"

_SAME_AGAIN = "python -m stack operator-day    keys and a city of their own"


@click.command("operator-day")
def operator_day() -> None:
    """Live an operator's day: arrival, rejects, replay, unload, reload, compaction; and prove every step."""
    stack = Stack(StackLayout.of_environment(), demo_console())
    Demonstration(stack=stack, steps=(OperatorDayStep(),), same_again=_SAME_AGAIN).run()


@dataclass(frozen=True)
class OperatorDayStep:
    """All of the day, on a stack that may hold anything else.

    :param sleep: takes seconds.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self, scene: DemoScene) -> DemoOutcome:
        """Live it; the first number that is not what it should be ends it.

        :raises DayStandsStillError: something that comes by itself did not come in time.
        """
        day = OperatorDay(scene=scene, step=self, name=f"{datetime.now(UTC):%Y%m%d-%H%M%S}")
        with contract_in_place():
            day.begin()
            day.watch_files_arrive()
            day.put_damaged_file_again()
            day.correct_and_replay()
            day.unload_and_load_again()
            day.compact()
            day.bring_up_to_date()
            day.prove()
            day.end()
        # Else its watch would go on looking.
        scene.runs.api.delete_dag(INGEST)
        return DemoOutcome(shown=[comparison_table(each) for each in day.compared], differences=())


@dataclass
class OperatorDay:
    """One day: what was put, and what was compared so far.

    :param name: part of its keys and of its city; no two days of a stack share it.
    :param versions: what was put last, by key.
    """

    scene: DemoScene
    step: OperatorDayStep
    name: str
    versions: dict[str, ObjectVersion] = field(default_factory=dict)
    compared: list[Comparison] = field(default_factory=list)

    @property
    def tenant(self) -> str:
        return f"demo.day-{self.name}"

    @property
    def bucket(self) -> str:
        return self.scene.settings.names.bucket

    @property
    def good(self) -> DayFile:
        return DayFile(self._key("good.jsonl"), self.tenant, complaints=30, is_resolved=True)

    @property
    def wardless(self) -> DayFile:
        return DayFile(self._key("wards.jsonl"), self.tenant, complaints=20, without_ward=8, broken_lines=1)

    @property
    def damaged(self) -> DayFile:
        return DayFile(self._key("damaged.jsonl.gz"), self.tenant, complaints=10)

    @property
    def large(self) -> DayFile:
        return DayFile(self._key("large.jsonl"), self.tenant, complaints=60, is_resolved=True)

    @property
    def files(self) -> tuple[DayFile, ...]:
        return self.good, self.wardless, self.damaged, self.large

    @property
    def ledger(self) -> Ledger:
        return Ledger(engine=self.scene.engine)

    def begin(self) -> None:
        """Wait until Airflow has the source, and switch its DAG on."""
        api = self.scene.runs.api
        with self.scene.clock.part("Add a source: one contract"):
            self.scene.store.delete_prefix(bucket=self.bucket, prefix=PREFIX)
            self.wait_for(
                lambda: (
                    api.has_dag(INGEST) and all(SOURCE in api.choices(dag_id, "source") for dag_id in _REPAIRS)
                ),
                what=f"Airflow to read the contract of {SOURCE}",
            )
            api.unpause(INGEST)

    def watch_files_arrive(self) -> None:
        whole = (self.good, self.wardless, self.large)
        with self.scene.clock.part("Put files, and watch them arrive"):
            for file in whole:
                self._put(file)
            self._put(self.damaged, is_damaged=True)
            self.wait_for(lambda: self._are_recorded(*whole), what="the files to arrive")
            self.wait_for(self._is_refused, what=f"{self.damaged.key} to be refused")
        rejected = self.wardless.without_ward + self.wardless.broken_lines
        self.compare(
            "Arrived by themselves",
            ("rows of the good files", self.good.rows + self.large.rows, self._rows_of(self.good, self.large)),
            ("rows of the file without wards", self.wardless.records - rejected, self._rows_of(self.wardless)),
            ("rejects of it", rejected, self._rejects_of(self.wardless)),
            ("rows of the damaged file", 0, self._rows_of(self.damaged)),
        )

    def put_damaged_file_again(self) -> None:
        with self.scene.clock.part("Put the damaged file again, whole, and watch it arrive"):
            self._put(self.damaged)
            self.wait_for(lambda: self._are_recorded(self.damaged), what=f"{self.damaged.key} to arrive")
        self.compare("Put again", ("rows of the file", self.damaged.rows, self._rows_of(self.damaged)))

    def correct_and_replay(self) -> None:
        with self.scene.clock.part("Correct the contract: a ward is optional; replay the rejects"):
            correct_contract()
            self._run("replay_rejects", source=SOURCE, reason="a ward is optional")
        self.compare(
            "Replayed",
            ("rows of the file without wards", self.wardless.rows, self._rows_of(self.wardless)),
            ("rejects that stay: no JSON", self.wardless.broken_lines, self._rejects_of(self.wardless)),
        )

    def unload_and_load_again(self) -> None:
        key = self.large.key
        [loaded] = self._progress(self.large)
        with self.scene.clock.part("Unload a file"):
            self._run("unload", source=SOURCE, key=key, reload=True, reason="a trial", dry_run=False)
        with self.scene.clock.part("Load it again"):
            self._run(INGEST, key=key, wait_minutes=1)
        # It is another source now: a run that somebody else started may have been faster, and takes nothing away.
        rows = {each.source_id: each.bronze_rows for each in self._accounts(self.large)}
        self.compare(
            "Taken out, and loaded again",
            ("rows of what was taken out", 0, rows.pop(loaded.source_id, 0)),
            ("rows of what was loaded again", self.large.rows, sum(rows.values())),
        )

    def compact(self) -> None:
        before = self._count_files()
        with self.scene.clock.part("Compact bronze"):
            self._run("maintain_tables", table=BRONZE)
        after = self._count_files()
        self.scene.console.print(
            f"  {DAY}, {SERVICE}: {before.files} files, {before.bytes:,} bytes; now {after.files}, {after.bytes:,}"
        )
        self.compare(
            "Compacted",
            ("rows", sum(file.rows for file in self.files), self._rows_of(*self.files)),
            ("partitions that are due for a rewrite", 0, int(after.is_due(datetime.now(UTC).date()))),
        )

    def bring_up_to_date(self) -> None:
        with self.scene.clock.part("Bring silver and gold up to date"):
            self._run("transform_events")
        [found] = self.scene.engine.execute(render("demo/day_found.sql", tenant=self.tenant)).records()
        rows = sum(file.rows for file in self.files)
        complaints = sum(file.complaints for file in self.files)
        resolved = sum(file.complaints for file in self.files if file.is_resolved)
        self.compare(
            "Silver and gold",
            ("rows in bronze", rows, found["bronze_rows"]),
            ("events in silver", rows, found["silver_events"]),
            ("complaints in bronze", complaints, found["bronze_cases"]),
            ("complaints in gold", complaints, found["gold_cases"]),
            ("resolved in gold", resolved, found["gold_resolved"]),
            ("submitted, by the funnel of gold", complaints, found["gold_submitted"]),
        )

    def prove(self) -> None:
        with self.scene.clock.part("Read the certificate"):
            accounts = self._accounts(*self.files)
        if problems := [f"certificate of {each.source}: {each.problems}" for each in accounts if each.problems]:
            raise DemoDiffersError(differences=problems)
        self.compare(
            "Certificate: clean",
            (
                "records read",
                sum(file.records for file in self.files),
                sum(each.records_read for each in accounts),
            ),
            ("rows in bronze", sum(file.rows for file in self.files), sum(each.bronze_rows for each in accounts)),
            ("open rejects", self.wardless.broken_lines, sum(each.open_rejects for each in accounts)),
        )

    def end(self) -> None:
        """Take the objects away, and let nothing be loaded any more; what was loaded stays."""
        api = self.scene.runs.api
        api.pause(INGEST)
        self.wait_for(lambda: not api.runs(INGEST, active=True), what=f"the runs of {INGEST} to end")
        self.scene.store.delete_prefix(bucket=self.bucket, prefix=PREFIX)

    def _key(self, name: str) -> str:
        return f"{PREFIX}{self.name}_{name}"

    def _put(self, file: DayFile, *, is_damaged: bool = False) -> None:
        content = file.content(is_damaged=is_damaged)
        self.scene.store.put(content, bucket=self.bucket, key=file.key)
        self.versions[file.key] = self.scene.store.head(bucket=self.bucket, key=file.key)
        self.scene.console.print(f"  {self.versions[file.key].uri}  {len(content):,} bytes")

    def _run(self, dag_id: str, **params: object) -> None:
        self.scene.runs.follow([self.scene.runs.start(dag_id, params=params, note=_NOTE)])

    def _progress(self, *files: DayFile) -> list[SourceProgress]:
        digests = [self.versions[file.key].digest for file in files]
        return list(self.ledger.progress(digests).values())

    def _are_recorded(self, *files: DayFile) -> bool:
        return sum(progress.is_complete for progress in self._progress(*files)) == len(files)

    def _is_refused(self) -> bool:
        terms = read_source(SOURCE, kind=FilesContract).contract.terms
        source_ids = [progress.source_id for progress in self._progress(self.damaged)]
        return bool(source_ids and self.ledger.refused(source_ids, terms=terms))

    def _accounts(self, *files: DayFile) -> list[Account]:
        """The certificate's lines of files; one that was loaded again has two."""
        uris = {f"s3://{self.bucket}/{file.key}" for file in files}
        return [each for each in read_certificate(self.scene.engine).sources if each.source in uris]

    def _rows_of(self, *files: DayFile) -> int:
        return sum(account.bronze_rows for account in self._accounts(*files))

    def _rejects_of(self, *files: DayFile) -> int:
        return sum(account.open_rejects for account in self._accounts(*files))

    def _count_files(self) -> PartitionFiles:
        """What the partition of the day has."""
        wanted = {str(DAY), SERVICE}
        return next(
            partition
            for partition in read_partitions(self.scene.engine, name=BRONZE)
            if {value.text for value in partition.values} == wanted
        )

    def compare(self, title: str, *figures: tuple[str, int, int]) -> None:
        """Put what was expected beside what was found; the first that differs ends the day."""
        comparison = Comparison(title, tuple(Figure(*figure) for figure in figures))
        self.compared.append(comparison)
        if wrong := disagreements([comparison]):
            raise DemoDiffersError(differences=wrong)

    def wait_for(self, reached: Callable[[], bool], *, what: str) -> None:
        started = self.step.clock()
        with self.scene.console.status(f"Waiting for {what}"):
            while not reached():
                waited = self.step.clock() - started
                if waited > STEP_ENDS_SECONDS:
                    raise DayStandsStillError(what=what, seconds=waited, logs=self.scene.stack.layout.logs)
                self.step.sleep(PAUSE_SECONDS)
