"""A plan's batches in the object store, so that each may be staged by a process of its own.

A batch may name a thousand objects; what passes between tasks is only where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from lakehouse.errors import ObjectNotFoundError, TerminalError
from lakehouse.identity import SPOOL_PREFIX, new_attempt
from lakehouse.load.ledger import Clock, system_clock
from lakehouse.load.plan import Batch, Plan
from lakehouse.settings import StorageNames
from lakehouse.store import ObjectStore


class PlanGoneError(TerminalError):
    """A stored batch was swept: it is older than any attempt lives."""

    def __init__(self, *, key: str) -> None:
        super().__init__(f"The planned batch {key} is gone.", remedy="Start a new run: it plans again.")
        self.key = key


@dataclass(frozen=True)
class BatchReference:
    """Where a planned batch lies, and what it is, for people.

    :param key: in the bucket of the spool.
    :param label: short; no two batches of a plan share it.
    """

    key: str
    label: str
    objects: int
    source_bytes: int


def store_batches(
    plan: Plan, *, store: ObjectStore, names: StorageNames, clock: Clock = system_clock
) -> tuple[BatchReference, ...]:
    """Write each batch of a plan beside the spools, where the sweep finds it a day later."""
    # Named like an attempt: that is how the sweep knows its age.
    prefix = f"{SPOOL_PREFIX}{new_attempt(now=clock())}/"
    references = []
    for number, batch in enumerate(plan.batches):
        key = f"{prefix}batch-{number:04d}.json"
        store.put(msgspec.json.encode(batch), bucket=names.bucket, key=key)
        references.append(
            BatchReference(
                key=key,
                label=_label(batch, number=number, batches=len(plan.batches)),
                objects=len(batch.sources),
                source_bytes=batch.source_bytes,
            )
        )
    return tuple(references)


def read_batch(key: str, *, store: ObjectStore, names: StorageNames) -> Batch:
    """A batch that :func:`store_batches` wrote.

    :raises PlanGoneError: it was swept.
    """
    try:
        content = store.get(bucket=names.bucket, key=key)
    except ObjectNotFoundError as error:
        raise PlanGoneError(key=key) from error
    return msgspec.json.decode(content, type=Batch)


def _label(batch: Batch, *, number: int, batches: int) -> str:
    objects = len(batch.sources)
    what = batch.sources[0].key.rpartition("/")[2] if objects == 1 else f"{objects:,} objects"
    return f"{number + 1}/{batches}: {what}"
