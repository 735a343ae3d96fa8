"""Finishes what drains that died had merged and not recorded.

Reading the same messages again does it too, as long as the brokers still have them all: retention deletes, and
compaction thins out. What such a drain had read is in its spool.
"""

from __future__ import annotations

import logging

from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.engine import Engine
from lakehouse.errors import LakehouseError, StagingGoneError
from lakehouse.identity import SPOOL_PREFIX
from lakehouse.load.files import drop_settled, insert_through_conflicts
from lakehouse.load.protocol import LoadProtocol, read_manifest
from lakehouse.settings import StorageNames
from lakehouse.store import ObjectStore

_LOG = logging.getLogger(__name__)


def finish_leftovers(
    contract: KafkaContract, *, protocol: LoadProtocol, engine: Engine, store: ObjectStore, names: StorageNames
) -> None:
    """Record what attempts of this contract have in bronze, and drop those attempts.

    One that belongs to a drain which lives is recorded for it, and harms nothing. One that cannot be finished is
    left to the sweep.
    """
    keys = (version.key for version in store.list_objects(bucket=names.bucket, prefix=SPOOL_PREFIX))
    attempts = sorted({key.removeprefix(SPOOL_PREFIX).partition("/")[0] for key in keys})
    for attempt in attempts:
        try:
            manifest = read_manifest(attempt, store=store, names=names)
        except StagingGoneError:
            continue
        if manifest.contract != contract.name or manifest.target != contract.target:
            continue
        if not any(protocol.is_open(unit, manifest) for unit in manifest.units):
            continue
        try:
            _LOG.warning("Attempt %s is finished for a drain that did not record it", attempt)
            insert_through_conflicts(protocol, manifest)
            drop_settled(attempt, protocol=protocol, engine=engine, store=store, names=names)
        except LakehouseError as error:
            _LOG.warning("Attempt %s is left to the sweep: %s", attempt, error)
