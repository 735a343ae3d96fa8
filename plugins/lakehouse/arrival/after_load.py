"""What a contract wants of objects once they are loaded: tagged, moved to an archive, deleted. See docs/adr/0020.

    | step   | archive                       | delete          | tag      | if the process dies right after it  |
    |--------|-------------------------------|-----------------|----------|-------------------------------------|
    | copy   | a copy, pinned and compared   |                 | the tag  | the object is there; done again     |
    | record | the ledger says where it is   | that it goes    | it is so | the same; the ledger has one row    |
    | remove | this version alone, if it is still loaded       |          | done                                |

An object counts in the version that is listed: what is put again meanwhile stays, and is loaded first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, BinaryIO

from lakehouse.contracts.after_load import AfterLoadAction
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.engine import Engine
from lakehouse.errors import (
    LakehouseError,
    ObjectNotFoundError,
    SourceChangedError,
    TerminalError,
    TransientError,
)
from lakehouse.identity import SPOOL_PREFIX, ObjectVersion, new_attempt
from lakehouse.load.ledger import Clock, Ledger, naive_utc, system_clock
from lakehouse.load.pause import Pause, pause_for_others, through_conflicts
from lakehouse.load.plan import loaded_objects
from lakehouse.settings import StorageNames
from lakehouse.statements import render
from lakehouse.store import ObjectStore

_LOG = logging.getLogger(__name__)

#: What one call acts on; the next one takes the rest.
MOST_OBJECTS = 1_000
#: Recorded together, after they were copied and before they are removed.
_AT_ONCE = 100
#: Of S3.
_MOST_KEY_BYTES = 1_024
_READ_BYTES = 1024 * 1024
TAGS = {"lakehouse": "loaded"}
_ACTOR = "contract"


class AfterLoadStep(StrEnum):
    """The steps with some objects, in their order."""

    COPY = "copy"
    RECORD = "record"
    REMOVE = "remove"


class UnconditionalDeleteError(TerminalError):
    """The store would delete whatever version is there."""

    def __init__(self) -> None:
        super().__init__(
            "The object store deletes an object although it is another version (it ignores If-Match): what is put "
            "again at that moment would be lost.",
            remedy="Use after_load: {action: tag}, or keep, on this store, or another version of it.",
        )


class CopyDiffersError(TransientError):
    """What was copied is not what is there."""

    def __init__(self, *, version: ObjectVersion, copy: ObjectVersion) -> None:
        super().__init__(
            f"{copy.uri} ({copy.size} bytes) is a copy of {version.uri} ({version.size} bytes) and not the same.",
            remedy="Nothing was removed. The next run copies it again; if that fails too, look at the store.",
        )
        self.version = version
        self.copy = copy


@dataclass(frozen=True)
class AfterLoadReport:
    """What became of the objects that are loaded and still there.

    :param done: tagged, archived or deleted by this call.
    :param held: kept in place, as some of their records are open rejects, which may be read from them again.
    :param waiting: whose days are not over, or which another version may be about to supersede.
    :param changed: put again, deleted or taken out of bronze meanwhile: left as they are.
    :param unnamed: whose key in the archive would be too long for the store.
    :param left: beyond what one call takes on.
    """

    action: AfterLoadAction
    done: int = 0
    held: int = 0
    waiting: int = 0
    changed: int = 0
    unnamed: int = 0
    left: int = 0


@dataclass(frozen=True)
class _Due:
    """An object that is to be acted on."""

    source_id: str
    version: ObjectVersion


def _no_report(_step: AfterLoadStep) -> None:
    return None


def archive_key(version: ObjectVersion, *, source_id: str, prefix: str) -> str:
    """Where a version is archived: no two versions of a key share it."""
    return f"{prefix}{source_id}/{version.key}"


class AfterLoading:
    """Does what a contract says with its loaded objects; any number may do so at once.

    :param most: objects that one call acts on.
    :param on_step: is told of each step that ended.
    """

    def __init__(
        self,
        contract: FilesContract,
        *,
        engine: Engine,
        store: ObjectStore,
        ledger: Ledger,
        names: StorageNames,
        clock: Clock = system_clock,
        pause: Pause = pause_for_others,
        most: int = MOST_OBJECTS,
        on_step: Callable[[AfterLoadStep], None] = _no_report,
    ) -> None:
        self._contract = contract
        self._section = contract.after_load
        self._engine = engine
        self._store = store
        self._ledger = ledger
        self._names = names
        self._clock = clock
        self._pause = pause
        self._most = most
        self._on_step = on_step
        self._errors: list[LakehouseError] = []

    def run(self, *, dry_run: bool = False) -> AfterLoadReport:
        """Act on what is due, some at a time. What the store refuses for one object keeps no other waiting.

        :param dry_run: only count what would be done.
        :raises UnconditionalDeleteError: the store cannot delete one version alone.
        :raises LakehouseError: the store did not do it for some; the first such error, once the others are done.
        :raises CommitConflictError: other writers kept committing first; running again goes on.
        """
        action = self._section.action
        if action is AfterLoadAction.KEEP:
            return AfterLoadReport(action=action)
        self._errors = []
        due, counts = self._due()
        done = changed = 0
        if due and not dry_run:
            if action is not AfterLoadAction.TAG:
                self._require_conditional_delete()
            for first in range(0, len(due), _AT_ONCE):
                some = due[first : first + _AT_ONCE]
                acted = self._act(some)
                done += acted
                changed += len(some) - acted
        if self._errors:
            raise self._errors[0]
        return AfterLoadReport(action=action, done=len(due) if dry_run else done, changed=changed, **counts)

    def _due(self) -> tuple[list[_Due], dict[str, int]]:
        due: list[_Due] = []
        counts = {"held": 0, "waiting": 0, "unnamed": 0, "left": 0}
        for loaded in loaded_objects(self._contract, store=self._store, ledger=self._ledger):
            for source_id, loaded_at, is_done, has_open_rejects, has_newer in self._standing(loaded):
                each = _Due(source_id=source_id, version=loaded[source_id])
                if is_done and self._section.action is AfterLoadAction.TAG:
                    continue
                if has_open_rejects:
                    counts["held"] += 1
                elif has_newer or not self._is_old_enough(loaded_at):
                    counts["waiting"] += 1
                elif self._section.prefix and len(self._archive_key(each).encode()) > _MOST_KEY_BYTES:
                    _LOG.warning("%s stays: its key in the archive would be too long", each.version.uri)
                    counts["unnamed"] += 1
                elif len(due) >= self._most:
                    counts["left"] += 1
                else:
                    due.append(each)
        return due, counts

    def _is_old_enough(self, loaded_at: datetime) -> bool:
        days = self._section.days
        return days is None or loaded_at + timedelta(days=days) <= naive_utc(self._clock())

    def _standing(self, source_ids: Iterable[str]) -> Sequence[Sequence[Any]]:
        wanted = list(source_ids)
        if not wanted:
            return ()
        return self._engine.execute(
            render(
                "after_load/standing.sql",
                ledger=self._ledger.tables.ledger,
                source_ids=json.dumps(wanted),
                sources=self._ledger.tables.sources,
                kind=str(self._section.action),
                overwrite=str(self._contract.overwrite),
            )
        ).rows

    def _act(self, due: Sequence[_Due]) -> int:
        """Act on some objects; returns on how many, as the others are other versions by now."""
        prepared = [each for each in due if self._is_there(self._prepare, each)]
        self._on_step(AfterLoadStep.COPY)
        if not prepared:
            return 0
        self._record(prepared)
        self._on_step(AfterLoadStep.RECORD)
        if self._section.action is AfterLoadAction.TAG:
            return len(prepared)
        still = self._still_loaded(prepared)
        removed = sum(
            self._is_there(lambda each: self._store.delete_version(each.version), each) for each in still
        )
        self._on_step(AfterLoadStep.REMOVE)
        return removed

    def _is_there(self, act: Callable[[_Due], None], each: _Due) -> bool:
        try:
            act(each)
        except (SourceChangedError, ObjectNotFoundError) as error:
            _LOG.info("%s", error.problem)
            return False
        except LakehouseError as error:
            _LOG.warning("%s: %s", each.version.uri, error)
            self._errors.append(error)
            return False
        return True

    def _prepare(self, each: _Due) -> None:
        match self._section.action:
            case AfterLoadAction.TAG:
                self._tag(each.version)
            case AfterLoadAction.ARCHIVE:
                self._copy(each)

    def _tag(self, version: ObjectVersion) -> None:
        self._require(version)
        self._store.add_tags(version, TAGS)
        try:
            self._require(version)
        except SourceChangedError:
            # It was put again in between, and what is there now is not loaded.
            self._store.remove_tags(version, TAGS)
            raise

    def _require(self, version: ObjectVersion) -> None:
        now = self._store.head(bucket=version.bucket, key=version.key)
        if (now.etag, now.size) != (version.etag, version.size):
            raise SourceChangedError(bucket=version.bucket, key=version.key, etag=version.etag)

    def _copy(self, each: _Due) -> None:
        copy = self._store.copy_version(each.version, key=self._archive_key(each))
        # The tag of a copy is its own where either was written in parts, or is encrypted.
        is_same = copy.size == each.version.size and (
            copy.etag == each.version.etag or self._has_same_bytes(each.version, copy)
        )
        if not is_same:
            raise CopyDiffersError(version=each.version, copy=copy)

    def _has_same_bytes(self, one: ObjectVersion, other: ObjectVersion) -> bool:
        with self._store.open_version(one) as mine, self._store.open_version(other) as theirs:
            return _sha256(mine) == _sha256(theirs)

    def _archive_key(self, each: _Due) -> str:
        return archive_key(each.version, source_id=each.source_id, prefix=self._section.prefix or "")

    def _record(self, due: Sequence[_Due]) -> None:
        now = naive_utc(self._clock())
        source_ids = [each.source_id for each in due]
        statement = render(
            "after_load/merge_done.sql",
            ledger=self._ledger.tables.ledger,
            done=json.dumps([self._fields(each) for each in due], ensure_ascii=False),
            kind=str(self._section.action),
            contract=self._contract.name,
            run=self._ledger.run,
            started_at=now,
            finished_at=now,
            actor=_ACTOR,
            source_from=min(source_ids),
            source_to=max(source_ids),
        )
        through_conflicts(lambda: self._engine.execute(statement), pause=self._pause)

    def _fields(self, each: _Due) -> dict[str, str]:
        match self._section.action:
            case AfterLoadAction.ARCHIVE:
                reason = f"as s3://{each.version.bucket}/{self._archive_key(each)}"
            case AfterLoadAction.DELETE:
                reason = f"{self._section.days} days after its load"
            case _:
                reason = ", ".join(f"{name}={value}" for name, value in TAGS.items())
        return {
            "source_id": each.source_id,
            "source": each.version.uri,
            "identity": each.version.identity,
            "reason": reason,
        }

    def _still_loaded(self, due: Sequence[_Due]) -> list[_Due]:
        """Those that nobody took out of bronze meanwhile: who wants to load them again needs them in place."""
        progress = self._ledger.progress([each.version.digest for each in due])
        return [
            each
            for each in due
            if (known := progress.get(each.version.digest)) is not None
            and known.source_id == each.source_id
            and not known.is_unloaded
        ]

    def _require_conditional_delete(self) -> None:
        key = f"{SPOOL_PREFIX}{new_attempt(now=self._clock())}/conditional_delete"
        self._store.put(b"probe", bucket=self._names.bucket, key=key)
        probe = self._store.head(bucket=self._names.bucket, key=key)
        other = ObjectVersion(
            bucket=probe.bucket, key=key, etag="0" * 32, size=probe.size, last_modified=probe.last_modified
        )
        try:
            with contextlib.suppress(SourceChangedError):
                self._store.delete_version(other)
                raise UnconditionalDeleteError
        finally:
            self._store.delete(bucket=self._names.bucket, key=key)


def _sha256(stream: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while block := stream.read(_READ_BYTES):
        digest.update(block)
    return digest.digest()
