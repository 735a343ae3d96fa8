"""Keeps what loads leave behind small: files, snapshots, metadata, orphan files, and the attempts of dead workers.

Everything here is safe beside running loads: a load that reads a snapshot which expires fails once, and is run
again. The catalog of the local stack keeps every metadata file, whatever the tables' properties say, so removing
orphans is what bounds it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.compaction import CompactionReport, compact_table
from lakehouse.engine import Engine
from lakehouse.errors import LakehouseError, TerminalError
from lakehouse.identity import SPOOL_PREFIX
from lakehouse.load.attempt import STAGING_SCHEMA
from lakehouse.load.ledger import Clock, system_clock
from lakehouse.settings import StorageNames
from lakehouse.statements import render
from lakehouse.store import ObjectStore

_LOG = logging.getLogger(__name__)

#: Whose tables are maintained: what others keep in the catalog is theirs.
SCHEMAS = ("bronze", "silver", "gold")
#: A load that was planned before this may have to run again.
SNAPSHOT_RETENTION = timedelta(hours=1)
#: Longer than any statement runs: a file that no snapshot knows may belong to one that is about to commit.
ORPHAN_RETENTION = timedelta(hours=6)
#: Longer than any attempt lives.
ATTEMPT_RETENTION = timedelta(days=1)
#: Tables of dbt, and of the materialization of this project, that are gone when the model is built.
_BEING_BUILT = re.compile(r"__dbt_|__changed$")
_ATTEMPT_TIME = "%Y%m%d_%H%M%S"
_ATTEMPT_TIME_CHARACTERS = len("20261123_090512")


class NotMaintainedError(TerminalError):
    """Somebody asked for a table that is not of the platform, or not there."""

    def __init__(self, *, asked: str, tables: Sequence[str]) -> None:
        super().__init__(
            f"{asked} is not a table that is maintained.", remedy=f"These are: {', '.join(tables) or 'none yet'}."
        )
        self.asked = asked


@dataclass(frozen=True)
class SweepReport:
    """What a sweep removed.

    :param kept: attempts that hold what nobody else has, and that could not be finished now.
    """

    tables: int
    spools: int
    objects: int
    kept: tuple[str, ...] = ()


def _has_nothing_to_finish(_attempt: str) -> None:
    return None


def list_tables(engine: Engine, *, catalog: str, schemas: Sequence[str] = SCHEMAS) -> list[str]:
    """The tables of some schemas, as ``catalog.schema.table``; not those that dbt is building a model in."""
    listed = engine.execute(render("maintenance/list_tables.sql", catalog=catalog, schemas=",".join(schemas)))
    return [f"{catalog}.{name}" for (name,) in listed.rows if _BEING_BUILT.search(name) is None]


def chosen_tables(tables: Sequence[str], *, table: str) -> list[str]:
    """Of some tables the one that somebody asked for; all, if nobody asked.

    :raises NotMaintainedError: it is none of them.
    """
    if not table:
        return list(tables)
    if table not in tables:
        raise NotMaintainedError(asked=table, tables=tables)
    return [table]


def maintain_table(
    engine: Engine,
    *,
    name: str,
    clock: Clock = system_clock,
    snapshot_retention: timedelta = SNAPSHOT_RETENTION,
    orphan_retention: timedelta = ORPHAN_RETENTION,
) -> CompactionReport:
    """Rewrite a table's small files, expire its old snapshots, then remove files that no snapshot knows.

    :raises StatementError: a retention is below what the catalog allows (iceberg.*.min-retention).
    """
    report = compact_table(engine, name=name, clock=clock)
    engine.execute(
        render("maintenance/expire_snapshots.sql", table=name, retention=_trino_duration(snapshot_retention))
    )
    engine.execute(
        render("maintenance/remove_orphan_files.sql", table=name, retention=_trino_duration(orphan_retention))
    )
    return report


def sweep_attempts(
    engine: Engine,
    *,
    store: ObjectStore,
    names: StorageNames,
    clock: Clock = system_clock,
    retention: timedelta = ATTEMPT_RETENTION,
    finish: Callable[[str], None] = _has_nothing_to_finish,
) -> SweepReport:
    """Drop staging tables and spools of attempts that are older than any attempt lives.

    :param finish: is given each such attempt first, and raises a :class:`LakehouseError` to keep it.
    """
    oldest = clock() - retention
    listed = engine.execute(
        render("maintenance/attempt_tables.sql", staging_catalog=names.staging_catalog, schema=STAGING_SCHEMA)
    )
    tables = {
        table: attempt for (table,) in listed.rows if _is_older(attempt := table.partition("_")[2], than=oldest)
    }
    spooled = {
        version.key: attempt
        for version in store.list_objects(bucket=names.bucket, prefix=SPOOL_PREFIX)
        if _is_older(attempt := version.key.removeprefix(SPOOL_PREFIX).partition("/")[0], than=oldest)
    }
    kept = {attempt for attempt in sorted({*spooled.values()}) if not _is_finished(attempt, finish)}
    # The spool first, and in it the manifest: nobody tries to finish what is half swept.
    deleted = [key for key, attempt in spooled.items() if attempt not in kept]
    for key in deleted:
        store.delete(bucket=names.bucket, key=key)
    dropped_tables = [table for table, attempt in tables.items() if attempt not in kept]
    for table in dropped_tables:
        staging = f"{names.staging_catalog}.{STAGING_SCHEMA}.{table}"
        engine.execute(render("load/drop_staging.sql", staging=staging))
    report = SweepReport(
        tables=len(dropped_tables),
        spools=len({spooled[key] for key in deleted}),
        objects=len(deleted),
        kept=tuple(sorted(kept)),
    )
    _LOG.info("swept %s", report)
    return report


def _is_finished(attempt: str, finish: Callable[[str], None]) -> bool:
    try:
        finish(attempt)
    except LakehouseError as error:
        _LOG.error("Attempt %s is kept: %s", attempt, error)
        return False
    return True


def _is_older(attempt: str, *, than: datetime) -> bool:
    """Whether an attempt's name tells a time before this; a name that is not an attempt's is never older."""
    try:
        started = datetime.strptime(attempt[:_ATTEMPT_TIME_CHARACTERS], _ATTEMPT_TIME).replace(tzinfo=UTC)
    except ValueError:
        return False
    return started < than


def _trino_duration(duration: timedelta) -> str:
    return f"{int(duration.total_seconds())}s"
