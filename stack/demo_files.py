"""The step of the demonstration that loads files, of every format, through Airflow."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

import feed
from lakehouse.identity import ObjectVersion
from lakehouse.load.ledger import Ledger
from stack.demo_account import Comparison, Found, compare, differences, read_found
from stack.demo_scene import DemoOutcome, DemoScene

LANDING_PREFIX = "staging/"


@dataclass(frozen=True)
class FilesStep:
    """Generates a feed, puts its files into S3, has Airflow load them, and counts what arrived.

    :param options: which feed; another one needs days of its own.
    """

    options: feed.Options

    def run(self, scene: DemoScene) -> DemoOutcome:
        with scene.clock.part("Generate a feed of complaint events"):
            truth = self._generate(scene)
        with scene.clock.part("Put it into S3"):
            versions = self._put(scene, truth)
        before = self._found(scene, versions)
        with scene.clock.part("Load it through Airflow"):
            self._load(scene)
        with scene.clock.part("Count what arrived"):
            found = self._found(scene, versions)
        comparisons = compare(truth, found)
        new = found.bronze_rows - before.bronze_rows
        again = "; the feed was there already" if before.bronze_rows else ""
        return DemoOutcome(
            shown=[
                *map(comparison_table, comparisons),
                _certificate_table(found),
                f"New rows in bronze of this run: [bold]{new:,}[/bold]{again}.",
            ],
            differences=differences(comparisons, found),
        )

    def _generate(self, scene: DemoScene) -> feed.Truth:
        # An earlier version of this program may have left another feed.
        shutil.rmtree(scene.directory, ignore_errors=True)
        truth = feed.write(self.options, scene.directory, cases=True)
        total = truth.total
        scene.console.print(
            f"  {total.records:,} records in {len(truth.files)} files: {total.distinct_events:,} events of "
            f"{truth.cases.cases:,} complaints, {total.duplicates:,} delivered twice,\n"
            f"  {total.late:,} late, {total.out_of_order:,} out of order, and {sum(total.rejects.values()):,} "
            f"damaged copies; {os.path.relpath(scene.directory / feed.TRUTH_FILE_NAME)}"
        )
        return truth

    @staticmethod
    def _put(scene: DemoScene, truth: feed.Truth) -> dict[str, ObjectVersion]:
        bucket, versions = scene.settings.names.bucket, {}
        for file in truth.files:
            path, key = scene.directory / file.name, f"{LANDING_PREFIX}{file.name}"
            scene.store.put_file(path, bucket=bucket, key=key)
            versions[file.name] = scene.store.head(bucket=bucket, key=key)
            scene.console.print(f"  {versions[file.name].uri}  {versions[file.name].size:,} bytes")
        return versions

    def _load(self, scene: DemoScene) -> None:
        # Only this feed's files: what else lies in the landing prefix is its owner's to load.
        key = f"{LANDING_PREFIX}pgr_events_{self.options.start:%Y%m%d}_*"
        started = [
            scene.runs.start(
                f"ingest_files__pgr_events_{file_format}",
                params={"key": f"{key}.{file_format}", "wait_minutes": 1},
                note="make demo",
            )
            for file_format in self.options.formats
        ]
        for run in started:
            scene.console.print(f"  started {scene.runs.api.run_page(run.dag_id, run.run_id)}")
        for run, tasks in scene.runs.follow(started).items():
            if any(task.task_id == "report" and task.state == "skipped" for task in tasks):
                scene.console.print(
                    f"  {run.dag_id}: nothing was left to load, the ledger has these files already"
                )

    @staticmethod
    def _found(scene: DemoScene, versions: Mapping[str, ObjectVersion]) -> Found:
        return read_found(scene.engine, source_ids=source_ids_of(scene, versions))


def source_ids_of(scene: DemoScene, versions: Mapping[str, ObjectVersion]) -> dict[str, str]:
    """The sources that objects were registered as, by the names of the objects; without those that were not."""
    registered = Ledger(engine=scene.engine).progress([version.digest for version in versions.values()])
    return {
        name: registered[version.digest].source_id
        for name, version in versions.items()
        if version.digest in registered
    }


def comparison_table(comparison: Comparison) -> Table:
    """A comparison, figure by figure."""
    table = Table(comparison.title, "Generated", "In the lakehouse", "", box=None, header_style="bold")
    table.columns[0].min_width = 34
    table.columns[1].justify = table.columns[2].justify = "right"
    for figure in comparison.figures:
        verdict = "[green]=" if figure.agrees else "[bold red]DIFFERS"
        table.add_row(figure.name, f"{figure.generated:,}", f"{figure.found:,}", verdict)
    table.add_row()
    return table


def _certificate_table(found: Found) -> Table:
    table = Table("Certificate", box=None, header_style="bold")
    for name in ("Read", "= In bronze", "+ Rejected", "Gaps", "Overlaps", "Doubled"):
        table.add_column(name, justify="right")
    table.add_column("")
    table.columns[0].min_width = 34
    for name, account in found.accounts.items():
        table.add_row(
            name,
            f"{account.records_read:,}",
            f"{account.bronze_rows:,}",
            f"{account.open_rejects:,}",
            str(account.gap_positions),
            str(account.overlap_positions),
            str(account.doubled_rows),
            f"[bold red]{account.problems}" if account.problems else "[green]clean",
        )
    table.add_row()
    return table
