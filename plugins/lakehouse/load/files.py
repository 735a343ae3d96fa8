"""The whole load of a file source, for programs outside Airflow. The DAG runs the same steps as tasks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from lakehouse.contracts.files_contract import FilesContract
from lakehouse.engine import Engine
from lakehouse.errors import StagingGoneError
from lakehouse.load.attempt import Manifest
from lakehouse.load.ledger import Clock, Ledger, system_clock
from lakehouse.load.pause import Pause, pause_for_others, through_conflicts
from lakehouse.load.period import Period
from lakehouse.load.plan import Plan, PlanLimits, plan_files
from lakehouse.load.preflight import preflight
from lakehouse.load.protocol import InsertReport, LoadProtocol, StepDone, drop_attempt, read_manifest
from lakehouse.load.stage import PARTITIONS_PER_STATEMENT, stage_batch
from lakehouse.settings import StorageNames
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

_LOG = logging.getLogger(__name__)


def _ignore_step(_done: StepDone) -> None:
    return None


def load_files(
    contract: FilesContract,
    *,
    table: TableDefinition,
    engine: Engine,
    store: ObjectStore,
    names: StorageNames,
    clock: Clock = system_clock,
    pattern: str | None = None,
    modified: Period | None = None,
    limits: PlanLimits | None = None,
    partitions_per_statement: int = PARTITIONS_PER_STATEMENT,
    run: str = "",
    on_planned: Callable[[Plan], None] | None = None,
    on_staged: Callable[[Manifest], None] | None = None,
    on_step: Callable[[StepDone], None] = _ignore_step,
) -> Iterator[InsertReport]:
    """Plan, then stage, insert and drop each batch; yields a report for each.

    :param on_planned: is told of the plan, and in it of what was refused earlier.
    :param on_staged: is told of each attempt once its staging tables are there.
    :param on_step: is told of each step of inserting that ended.
    :raises LakehouseError: of the batch it happened in; running again goes on where this stopped.
    """
    ledger = Ledger(engine=engine, clock=clock, run=run)
    preflight(engine, catalog=names.catalog, table=table, tables=ledger.tables)
    plan = plan_files(contract, store=store, ledger=ledger, pattern=pattern, modified=modified, limits=limits)
    if on_planned is not None:
        on_planned(plan)
    protocol = LoadProtocol(engine=engine, ledger=ledger, table=table, names=names, clock=clock, on_step=on_step)
    for batch in plan.batches:
        manifest = stage_batch(
            batch.sources,
            contract=contract,
            table=table,
            store=store,
            engine=engine,
            names=names,
            clock=clock,
            partitions_per_statement=partitions_per_statement,
        )
        report: InsertReport | None = None
        try:
            if on_staged is not None:
                on_staged(manifest)
            report = insert_through_conflicts(protocol, manifest)
            ledger.refuse(manifest)
        finally:
            if report is not None and not report.units_taken:
                # Every unit is recorded: there is nothing to ask the tables.
                drop_attempt(manifest.attempt, engine=engine, store=store, names=names)
            else:
                drop_settled(manifest.attempt, protocol=protocol, engine=engine, store=store, names=names)
        yield report


def insert_through_conflicts(
    protocol: LoadProtocol, manifest: Manifest, *, pause: Pause = pause_for_others
) -> InsertReport:
    """Insert an attempt; where another writer committed first, look again at what is left.

    :raises CommitConflictError: again and again.
    """
    return through_conflicts(lambda: protocol.insert(manifest), pause=pause)


def drop_settled(
    attempt: str, *, protocol: LoadProtocol, engine: Engine, store: ObjectStore, names: StorageNames
) -> bool:
    """Drop an attempt, unless only it can finish what it began; returns whether it was dropped.

    The object may be overwritten or deleted by the time somebody loads again: then the spool is the only copy of
    records of which some are in bronze, and the sweep finishes them (:func:`finish_attempt`).
    """
    try:
        manifest = read_manifest(attempt, store=store, names=names)
    except StagingGoneError:
        # Staging never ended, so nothing of it was merged.
        manifest = None
    if manifest is not None and any(protocol.is_open(unit, manifest) for unit in manifest.units):
        _LOG.warning("Attempt %s is kept: some of it is in bronze and not recorded", attempt)
        return False
    drop_attempt(attempt, engine=engine, store=store, names=names)
    return True


def finish_attempt(
    attempt: str,
    *,
    tables: Mapping[str, TableDefinition],
    engine: Engine,
    ledger: Ledger,
    store: ObjectStore,
    names: StorageNames,
) -> None:
    """Insert the rest of what a dead worker began to insert, if nobody did since.

    What it only staged is left alone: the object is still there, or its owner took it away.

    :raises LakehouseError: it cannot be finished now; it must be kept.
    """
    try:
        manifest = read_manifest(attempt, store=store, names=names)
    except StagingGoneError:
        return
    protocol = LoadProtocol(engine=engine, ledger=ledger, table=tables[manifest.target], names=names)
    if any(protocol.is_open(unit, manifest) for unit in manifest.units):
        _LOG.warning("Attempt %s is finished for a worker that died", attempt)
        insert_through_conflicts(protocol, manifest)
