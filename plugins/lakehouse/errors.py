"""The errors of the lakehouse, as one tree.

    LakehouseError
    ├── TerminalError                 trying again cannot help; something must be changed first
    │   ├── ContractError             (contracts) a contract file is wrong
    │   ├── UnknownSourceError        no contract has this name
    │   ├── OtherKindError            a source is not of the kind that was asked for
    │   ├── TooManyRowsError          more rows in one call than a call may have
    │   ├── IdempotencyKeyError       a key that cannot name a request
    │   ├── OtherRowsError            other rows were handed over under the same key
    │   ├── RowsRefusedError          a call's rows are refused as a whole
    │   ├── ObjectNotFoundError       a named object is not in the store
    │   ├── FileRefusedError          a file is not loaded until it, or its contract, is another
    │   │   ├── SchemaMismatchError   (readers) a file's columns are not the contract's
    │   │   ├── DamagedFileError      (readers) a file cannot be read to its end
    │   │   ├── ForeignFileError      (readers) a file is a ZIP archive, a workbook or the like
    │   │   ├── RejectBudgetError     more rejects than the contract allows
    │   │   └── BegunOtherwiseError   a half-loaded source would go on under other positions or into another table
    │   ├── SourceIdentityError       one source id, two identities
    │   ├── TargetChangedError        what was staged is meant for another table
    │   ├── PositionsNotDistinctError the staged keys would double rows
    │   ├── VerificationError         what is in the tables is not what was read
    │   ├── SourceUnloadedError       what is asked for was taken out again and stays out
    │   ├── UnsafeEngineError         the engine or a table breaks the load's guarantee
    │   └── StatementError            the engine refuses a statement for good
    └── TransientError                the same call may succeed when it is made again
        ├── CommitConflictError       another writer committed first
        ├── RangeTakenError           another load recorded this range: plan again
        ├── RangeUnloadedError        what is being loaded was taken out meanwhile: plan again
        ├── SourceChangedError        the object was overwritten since it was planned: plan again
        ├── SpoolNotWrittenError      the store did not take a part of a spool
        ├── StagingGoneError          an attempt's spool was swept: stage again
        ├── EngineUnavailableError    Trino does not answer, or its answer is lost
        ├── StoreUnavailableError     the object store does not answer
        └── StatementCancelledError   the statement was cancelled or ran out of time

A load that failed with a :class:`TransientError` is simply run again: an unknown outcome is transient
because running again is harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class LakehouseError(Exception):
    """What went wrong, and what to do next.

    :param problem: one sentence with the data of the case in it.
    :param remedy: what the reader of the message should do.
    """

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take the data of their case, not the two texts that an exception is usually made from again.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(error_type: type[LakehouseError], args: tuple[str, str], data: dict[str, Any]) -> LakehouseError:
    """An error that was sent by another process."""
    error = error_type.__new__(error_type)
    error.args = args
    error.__dict__.update(data)
    return error


class TerminalError(LakehouseError):
    """Trying again cannot succeed."""


class FileRefusedError(TerminalError):
    """Reading the same bytes under the same contract would end here again; the ledger remembers it."""


class TransientError(LakehouseError):
    """Trying again may succeed, and cannot do harm."""


class UnknownSourceError(TerminalError):
    """No contract has this name."""

    def __init__(self, name: str, *, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no source named {name!r}.",
            remedy=f"Known sources: {', '.join(known) or 'none'}. Add include/contracts/{name}.yaml to make one.",
        )
        self.name = name
        self.known = tuple(known)


class OtherKindError(TerminalError):
    """A source is not of the kind that was asked for."""

    def __init__(self, name: str, *, kind: str, wanted: str) -> None:
        super().__init__(
            f"Source {name} is of kind {kind}, not {wanted}.",
            remedy=f"Name a source of kind {wanted}, or load {name} in the way of its own kind.",
        )
        self.name = name
        self.kind = kind
        self.wanted = wanted


class ObjectNotFoundError(TerminalError):
    """A named object is not in the store."""

    def __init__(self, *, bucket: str, key: str) -> None:
        super().__init__(
            f"There is no object s3://{bucket}/{key}.",
            remedy="Check bucket and key (paths are s3://bucket/key), or put the file with `lakehouse put`.",
        )
        self.bucket = bucket
        self.key = key


class TooManyRowsError(TerminalError):
    """More rows were handed over in one call than a call may have; none was loaded."""

    def __init__(self, *, most: int) -> None:
        super().__init__(
            f"There are more than {most:,} rows; nothing of them was loaded.",
            remedy="Hand them over in several calls, each with a key of its own, or put them as a file.",
        )
        self.most = most


class IdempotencyKeyError(TerminalError):
    """A key cannot name a request."""

    def __init__(self, *, most_characters: int) -> None:
        super().__init__(
            f"The idempotency key is not a text of 1 to {most_characters} printable characters.",
            remedy="Use what names the rows where they come from: a form's number, a file's name and line.",
        )
        self.most_characters = most_characters


class OtherRowsError(TerminalError):
    """Other rows were handed over under a key before; none of these was loaded."""

    def __init__(self, *, source: str, idempotency_key: str) -> None:
        super().__init__(
            f"Other rows were handed over to {source} under the key {idempotency_key!r} before; "
            "nothing of these was loaded.",
            remedy="A key means one list of rows for ever. Use another key; after rejects, hand over only those "
            "that were corrected.",
        )
        self.source = source
        self.idempotency_key = idempotency_key


class RowsRefusedError(TerminalError):
    """The rows of a call are refused as a whole; none was loaded.

    :param rejects: of each bad row its index and what is wrong with it; empty when it is not about single rows.
    """

    def __init__(self, *, source: str, problem: str, rejects: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(
            f"The rows for {source} are refused: {problem}",
            remedy="Nothing of them was loaded. Correct the bad ones, and hand all over again.",
        )
        self.source = source
        self.rejects = tuple(rejects)


class RejectBudgetError(FileRefusedError):
    """More records of a source are bad than its contract allows; nothing of it was loaded."""

    def __init__(
        self,
        *,
        source: str,
        rejects: int,
        records: int,
        share: float,
        by_reason: dict[str, int],
        remedy: str | None = None,
    ) -> None:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(by_reason.items()))
        super().__init__(
            f"{rejects} of {records} records of {source} are bad ({reasons}), "
            f"over the budget of {share:.2%}; nothing of it was loaded.",
            remedy=remedy
            or "Correct the file and put it again, or raise reject_budget.share in the source's contract.",
        )
        self.source = source
        self.rejects = rejects
        self.records = records
        self.share = share
        self.by_reason = dict(by_reason)


class SourceIdentityError(TerminalError):
    """Two sources claim one source id: a collision of digests, or a damaged registry."""

    def __init__(self, *, source_id: str, registered: str, planned: str) -> None:
        super().__init__(
            f"Source id {source_id} is registered for {registered}, but was computed for {planned}.",
            remedy="Nothing was loaded. Put the object again under another key, and report the collision.",
        )
        self.source_id = source_id
        self.registered = registered
        self.planned = planned


class BegunOtherwiseError(FileRefusedError):
    """A source was loaded in part, and its contract has since changed so that the rest would not fit."""

    def __init__(self, *, source: str, next_position: int, change: str) -> None:
        super().__init__(
            f"{source} is recorded up to record {next_position}, and its contract has changed since: {change}.",
            remedy="Nothing more of it was loaded. Restore that part of the contract until the file is loaded to "
            "its end, then change it again.",
        )
        self.source = source
        self.next_position = next_position
        self.change = change


class TargetChangedError(TerminalError):
    """An attempt was staged for another table than its contract names now."""

    def __init__(self, *, attempt: str, staged_for: str, target: str) -> None:
        super().__init__(
            f"Attempt {attempt} was staged for {staged_for}; its contract names {target} now.",
            remedy="Nothing was merged. Clear the stage task, or let the next run stage it again.",
        )
        self.attempt = attempt
        self.staged_for = staged_for
        self.target = target


class PositionsNotDistinctError(TerminalError):
    """A staging table shows one position twice, or a key outside its load's range."""

    def __init__(self, *, staging_table: str, detail: str) -> None:
        super().__init__(
            f"Staging table {staging_table} is not what its attempt wrote: {detail}.",
            remedy="Nothing was merged. Run the load again (it stages anew); if this returns, report it.",
        )
        self.staging_table = staging_table
        self.detail = detail


class VerificationError(TerminalError):
    """The tables do not hold what was read; the range is not recorded as loaded."""

    def __init__(self, *, source_id: str, first: int, next_position: int, detail: str) -> None:
        super().__init__(
            f"Source {source_id}, positions [{first}, {next_position}): {detail}.",
            remedy="The range is not in the ledger. Run `lakehouse certificate`, and `lakehouse verify-engine` "
            "if the engine or the catalog changed.",
        )
        self.source_id = source_id
        self.first = first
        self.next_position = next_position
        self.detail = detail


class SourceUnloadedError(TerminalError):
    """What is asked for was loaded, taken out again by an unload, and stays out."""

    def __init__(self, *, source: str) -> None:
        super().__init__(
            f"{source} was taken out by an unload, and stays out.",
            remedy="To load it again after all: `lakehouse unload … --reload --reason … --yes`, then load it.",
        )
        self.source = source


class UnsafeEngineError(TerminalError):
    """The engine, the catalog or a table has a setting that breaks the exactly-once guarantee."""

    def __init__(self, *, finding: str, remedy: str) -> None:
        super().__init__(finding, remedy=remedy)
        self.finding = finding


class StatementError(TerminalError):
    """The engine refuses a statement, and would refuse it again."""

    def __init__(
        self,
        *,
        error_name: str,
        message: str,
        query_id: str | None,
        remedy: str = "Read the message and the query's page in Trino; correct the cause before running again.",
    ) -> None:
        super().__init__(f"Trino refused query {query_id or '(no id)'}: {error_name}: {message}.", remedy=remedy)
        self.error_name = error_name
        self.message = message
        self.query_id = query_id


class CommitConflictError(TransientError):
    """Another writer committed to the table first; nothing of this statement was written."""

    def __init__(self, *, message: str, query_id: str | None) -> None:
        super().__init__(
            f"Query {query_id or '(no id)'} lost a commit to another writer: {message}.",
            remedy="Plan again from the ledger; what is left is a smaller load, or none.",
        )
        self.message = message
        self.query_id = query_id


class RangeTakenError(TransientError):
    """Another load recorded some of this range first."""

    def __init__(self, *, source_id: str, first: int, next_position: int) -> None:
        super().__init__(
            f"Another load has recorded a part of positions [{first}, {next_position}) of source {source_id}.",
            remedy="Plan again from the ledger; what is left is a smaller load, or none.",
        )
        self.source_id = source_id
        self.first = first
        self.next_position = next_position


class RangeUnloadedError(TransientError):
    """Somebody takes out, or took out, what is being loaded; it cannot be loaded under these ids any more."""

    def __init__(self, *, source_ids: Sequence[str]) -> None:
        super().__init__(
            f"Sources {', '.join(source_ids)} were taken out by an unload while they were loaded.",
            remedy="Plan again: what stays out is left alone, what is to be loaded again has another id.",
        )
        self.source_ids = tuple(source_ids)


class SourceChangedError(TransientError):
    """An object is no longer the version that was planned; nothing of it was loaded."""

    def __init__(self, *, bucket: str, key: str, etag: str) -> None:
        super().__init__(
            f"s3://{bucket}/{key} is no longer the version with etag {etag} that was planned.",
            remedy="The next plan takes the version that is there now.",
        )
        self.bucket = bucket
        self.key = key
        self.etag = etag


class StagingGoneError(TransientError):
    """An attempt's spool or staging table is gone, and its range is not in the ledger."""

    def __init__(self, *, attempt: str) -> None:
        super().__init__(
            f"The spool of attempt {attempt} is gone.",
            remedy="Stage again (clear the stage task), or let the next run of the DAG do it.",
        )
        self.attempt = attempt


class SpoolNotWrittenError(TransientError):
    """The object store did not take a part of an attempt's spool; nobody knows what of it is there."""

    def __init__(self, *, attempt: str, message: str) -> None:
        super().__init__(
            f"Attempt {attempt} cannot be staged: {message}",
            remedy="Stage again when the store answers; what is there of the attempt is removed by the sweep.",
        )
        self.attempt = attempt
        self.message = message


class EngineUnavailableError(TransientError):
    """Trino does not answer, or the answer to a statement is lost."""

    def __init__(self, *, message: str, query_id: str | None = None) -> None:
        super().__init__(
            f"Trino does not answer{f' for query {query_id}' if query_id else ''}: {message}.",
            remedy="Running again is harmless: what the lost statement did is found in the tables.",
        )
        self.message = message
        self.query_id = query_id


class StoreUnavailableError(TransientError):
    """The object store does not answer, or answers with a passing error."""

    def __init__(self, *, operation: str, message: str) -> None:
        super().__init__(
            f"The object store failed in {operation}: {message}.",
            remedy="Run again when the store answers; `make status` shows it on a local stack.",
        )
        self.operation = operation
        self.message = message


class StatementCancelledError(TransientError):
    """A statement was cancelled, or ran out of time or memory."""

    def __init__(self, *, error_name: str, message: str, query_id: str | None) -> None:
        super().__init__(
            f"Query {query_id or '(no id)'} was ended: {error_name}: {message}.",
            remedy="Run again; if it is ended each time, raise the limit the message names.",
        )
        self.error_name = error_name
        self.message = message
        self.query_id = query_id
