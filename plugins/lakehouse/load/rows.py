"""The whole load of rows that a caller hands over: a request, named by its key, on the one load path.

A request is registered before anything of it is read: from then on its key means these rows. Whatever dies after
that, the same call finishes it, as the rows come with the call.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from lakehouse.contracts.contract import UnknownColumns
from lakehouse.contracts.reason import Reason
from lakehouse.contracts.rows_contract import RowsContract
from lakehouse.engine import Engine
from lakehouse.errors import (
    IdempotencyKeyError,
    OtherRowsError,
    RangeTakenError,
    RowsRefusedError,
    SourceIdentityError,
    SourceUnloadedError,
    StoreUnavailableError,
    TooManyRowsError,
)
from lakehouse.identity import RowsRequest
from lakehouse.load.attempt import Manifest
from lakehouse.load.files import drop_settled, insert_through_conflicts
from lakehouse.load.ledger import Clock, Ledger, SourceProgress, system_clock
from lakehouse.load.preflight import preflight
from lakehouse.load.protocol import LoadProtocol, StepDone
from lakehouse.load.stage import stage_batch
from lakehouse.readers import SchemaMismatchError, reader_for
from lakehouse.readers.row_lines import RowLines
from lakehouse.settings import StorageNames
from lakehouse.statements import render
from lakehouse.store import ObjectStore
from lakehouse.tables.definition import TableDefinition

_LOG = logging.getLogger(__name__)

#: More are better put as a file.
MOST_ROWS = 10_000
MOST_KEY_CHARACTERS = 500
#: Two calls under one key may cut the rows otherwise when the contract's batch limits change between them.
_TAKEN = 3


@dataclass(frozen=True)
class RowReject:
    """A row that is not taken.

    :param index: of the row in the call, from 0.
    :param column: the target's column, or the row's field, that it is about; ``None`` for the whole row.
    :param detail: one sentence for a person, with the value in it: not for logs.
    """

    index: int
    reason: Reason
    column: str | None
    detail: str


@dataclass(frozen=True)
class RowsReport:
    """What came of a call: every row is loaded, or among the rejects.

    :param source_id: what bronze has as the ``_source_id`` of these rows; ``_position`` is the index.
    :param rows: in bronze, from this call or an earlier one with the same rows.
    :param already_loaded: whether all of it was done before this call.
    """

    source: str
    idempotency_key: str
    source_id: str
    rows: int
    rejects: tuple[RowReject, ...]
    already_loaded: bool


@dataclass(frozen=True)
class RowsSource:
    """The rows of a request, to be read from a position on."""

    request: RowsRequest
    lines: RowLines
    progress: SourceProgress

    @property
    def source_id(self) -> str:
        return self.progress.source_id

    @property
    def first_position(self) -> int:
        return self.progress.next_position

    @property
    def begun_framing(self) -> str:
        return self.progress.framing_mark

    @property
    def begun_target(self) -> str:
        return self.progress.target

    @property
    def identity(self) -> RowsRequest:
        return self.request

    def open(self, store: ObjectStore) -> AbstractContextManager[BinaryIO]:  # noqa: ARG002
        """The rows as JSON lines; nothing of them is in the store."""
        return io.BytesIO(self.lines.content)


def _ignore_manifest(_manifest: Manifest) -> None:
    return None


def _ignore_step(_done: StepDone) -> None:
    return None


def load_rows(
    lines: RowLines,
    *,
    idempotency_key: str | None,
    contract: RowsContract,
    table: TableDefinition,
    engine: Engine,
    store: ObjectStore,
    ledger: Ledger,
    names: StorageNames,
    clock: Clock = system_clock,
    on_staged: Callable[[Manifest], None] = _ignore_manifest,
    on_step: Callable[[StepDone], None] = _ignore_step,
) -> RowsReport:
    """Load the rows of a call once, however often it is made, at once or after a crash.

    :param idempotency_key: names the request in its source; ``None`` for the digest of the rows.
    :param on_staged: is told of each attempt once its staging tables are there.
    :param on_step: is told of each step of inserting that ended.
    :raises TooManyRowsError: there are more than :data:`MOST_ROWS`.
    :raises IdempotencyKeyError: the key is empty, too long or not printable.
    :raises OtherRowsError: the key was used for other rows.
    :raises RowsRefusedError: more rows are bad than the contract allows, or it refuses the fields of one.
    :raises SourceUnloadedError: they were loaded, and taken out again by an unload.
    :raises TransientError: the same call may be made again, and finishes what this one began.
    """
    if len(lines) > MOST_ROWS:
        raise TooManyRowsError(most=MOST_ROWS)
    request = _request(lines, idempotency_key=idempotency_key, contract=contract, clock=clock)
    known = _known(request, ledger=ledger)
    if known is not None and known.is_unloaded:
        raise SourceUnloadedError(source=request.uri)
    already_loaded = known is not None and known.is_complete
    if not already_loaded:
        preflight(engine, catalog=names.catalog, table=table, tables=ledger.tables)
    if known is None:
        _refuse_as_a_whole(lines, contract=contract, table=table)
    progress = known or _registered(request, ledger=ledger)
    protocol = LoadProtocol(engine=engine, ledger=ledger, table=table, names=names, clock=clock, on_step=on_step)
    for _ in range(_TAKEN):
        if progress.is_unloaded:
            raise SourceUnloadedError(source=request.uri)
        if progress.is_complete:
            break
        manifest = stage_batch(
            [RowsSource(request=request, lines=lines, progress=progress)],
            contract=contract,
            table=table,
            store=store,
            engine=engine,
            names=names,
            clock=clock,
        )
        try:
            on_staged(manifest)
            _raise_failure(manifest, source=contract.name)
            insert_through_conflicts(protocol, manifest)
        finally:
            # An attempt that began to insert and did not end stays for the sweep: its caller may never come back.
            drop_settled(manifest.attempt, protocol=protocol, engine=engine, store=store, names=names)
        progress = _registered(request, ledger=ledger)
    if not progress.is_complete:
        raise RangeTakenError(source_id=progress.source_id, first=progress.next_position, next_position=len(lines))
    rejects = tuple(_open_rejects(progress.source_id, table=table, engine=engine, ledger=ledger))
    return RowsReport(
        source=contract.name,
        idempotency_key=request.idempotency_key,
        source_id=progress.source_id,
        rows=len(lines) - len(rejects),
        rejects=rejects,
        already_loaded=already_loaded,
    )


def _request(lines: RowLines, *, idempotency_key: str | None, contract: RowsContract, clock: Clock) -> RowsRequest:
    key = f"sha256:{lines.sha256}" if idempotency_key is None else idempotency_key
    if not (0 < len(key) <= MOST_KEY_CHARACTERS and key.isprintable()):
        raise IdempotencyKeyError(most_characters=MOST_KEY_CHARACTERS)
    return RowsRequest(
        source=contract.name,
        idempotency_key=key,
        rows_sha256=lines.sha256,
        size=len(lines.content),
        received_at=clock(),
    )


def _known(request: RowsRequest, *, ledger: Ledger) -> SourceProgress | None:
    """How far a request is recorded; ``None`` if it is new.

    :raises OtherRowsError: its key was used for other rows.
    """
    progress = ledger.progress([request.digest]).get(request.digest)
    if progress is not None:
        with _other_rows_told(request):
            progress.require(request)
    return progress


def _registered(request: RowsRequest, *, ledger: Ledger) -> SourceProgress:
    """The same, of a request that is registered if it is new."""
    with _other_rows_told(request):
        return ledger.register([request], contract=request.source)[request.digest]


@contextmanager
def _other_rows_told(request: RowsRequest) -> Iterator[None]:
    """Tells the other rows of a key from a collision of digests."""
    try:
        yield
    except SourceIdentityError as error:
        registered = json.loads(error.registered)
        if (registered.get("source"), registered.get("key")) != (request.source, request.idempotency_key):
            raise
        raise OtherRowsError(source=request.source, idempotency_key=request.idempotency_key) from error


def _refuse_as_a_whole(lines: RowLines, *, contract: RowsContract, table: TableDefinition) -> None:
    """Judge the rows of a strict contract before their key means them, so that it is free for corrected ones.

    :raises RowsRefusedError: more are bad than the contract allows, or one has a field that it does not.
    """
    share = contract.reject_budget.share
    if share == 1 and contract.unknown_columns is not UnknownColumns.FAIL:
        return
    try:
        rejects = [
            (reject.position, str(reject.reason))
            for batch in reader_for(contract, table).read(io.BytesIO(lines.content))
            for reject in batch.rejects
        ]
    except SchemaMismatchError as error:
        raise RowsRefusedError(source=contract.name, problem=error.problem) from error
    if len(rejects) > len(lines) * share:
        raise RowsRefusedError(
            source=contract.name,
            problem=f"{len(rejects)} of {len(lines)} are bad, over the budget of {share:.2%}.",
            rejects=rejects,
        )


def _raise_failure(manifest: Manifest, *, source: str) -> None:
    for failure in manifest.failures:
        if failure.is_terminal:
            raise RowsRefusedError(source=source, problem=failure.message)
        raise StoreUnavailableError(operation="spooling rows", message=failure.message)


def _open_rejects(
    source_id: str, *, table: TableDefinition, engine: Engine, ledger: Ledger
) -> Iterator[RowReject]:
    """The rows of a request that bronze has no row for, each with its newest judgement, by index."""
    found = engine.execute(
        render("rows/open_rejects.sql", rejects=ledger.tables.rejects, target=table.name, source_id=source_id)
    )
    for index, reason, column, detail in found.rows:
        yield RowReject(index=index, reason=Reason(reason), column=column, detail=detail)
