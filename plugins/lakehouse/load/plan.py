"""Step 1: which versions of which objects are to be loaded, and in which batches. Listing minus ledger."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from lakehouse.contracts.files_contract import FilesContract
from lakehouse.contracts.glob import Glob
from lakehouse.errors import ObjectNotFoundError, TerminalError
from lakehouse.identity import ObjectVersion, SourceIdentity
from lakehouse.load.ledger import Ledger, Refusal, SourceProgress
from lakehouse.load.period import Period
from lakehouse.store import ObjectStore

#: The second finds what came while the sources of the first were registered; what comes later has its own event.
_LOOKS = 2
#: Objects whose progress is looked up at once: less than half of what Trino takes as one statement.
_LOOKUP = 20_000
#: A larger object is a batch of its own: its rows are merged in pieces as they were read.
SHARED_BATCH_OBJECT_BYTES = 64 * 1024 * 1024
#: ``file://``, ``s3a://``, ``https://``, or a drive's letter; a key may have a colon further back.
_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://|\\)")


class NotOfSourceError(TerminalError):
    """Somebody asked a source for an object that is not its own."""

    def __init__(self, *, uri: str, contract: FilesContract) -> None:
        super().__init__(
            f"{uri} is not an object of {contract.name}, which takes "
            f"s3://{contract.origin.bucket}/{contract.origin.key}.",
            remedy="Ask the source whose contract matches it, or put it where this one looks.",
        )
        self.uri = uri
        self.contract = contract.name


class NoObjectPathError(TerminalError):
    """Somebody asked for something that is no path of the object store."""

    def __init__(self, *, asked: str, contract: FilesContract) -> None:
        bucket = contract.origin.bucket
        super().__init__(
            f"{asked} is no path of the object store: paths are s3://bucket/key, and {contract.name} takes "
            f"s3://{bucket}/{contract.origin.key}.",
            remedy=f"Write s3://{bucket}/… (s3://, whatever another tool calls it), or the key alone, without a "
            "leading /. A file of this machine is put there with `lakehouse put`.",
        )
        self.asked = asked
        self.contract = contract.name


@dataclass(frozen=True)
class PlannedSource:
    """A version of an object, to be read from a position on.

    :param begun_framing: of the part before that position; see :attr:`SourceProgress.framing_mark`.
    :param begun_target: the table that has that part.
    """

    source_id: str
    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime
    first_position: int
    begun_framing: str = ""
    begun_target: str = ""

    @property
    def version(self) -> ObjectVersion:
        return ObjectVersion(
            bucket=self.bucket,
            key=self.key,
            etag=self.etag,
            size=self.size,
            last_modified=self.last_modified,
        )

    @property
    def identity(self) -> SourceIdentity:
        return self.version

    def open(self, store: ObjectStore) -> AbstractContextManager[BinaryIO]:
        """The bytes of exactly this version; see :meth:`ObjectStore.open_version`."""
        return store.open_version(self.version)


@dataclass(frozen=True)
class Batch:
    """Sources that are staged and merged together: a contiguous run of sorted source ids."""

    sources: tuple[PlannedSource, ...]

    @property
    def source_bytes(self) -> int:
        return sum(source.size for source in self.sources)


@dataclass(frozen=True)
class PlanLimits:
    """How much one plan takes on; the next plan takes the rest.

    :param objects: at most so many objects.
    :param batches: at most so many batches.
    :param objects_per_batch: at most so many objects share one merge.
    """

    objects: int = 20_000
    batches: int = 200
    objects_per_batch: int = 1_000


@dataclass(frozen=True)
class Plan:
    """What is to be loaded.

    :param objects_seen: objects that the contract or the pattern matches.
    :param objects_loaded: those of them that the ledger has to their end.
    :param objects_left: those of them that are beyond the limits of one plan.
    :param refused: those of them that an earlier run read and refused, and that would be refused again.
    :param objects_unloaded: those of them that were taken out by an unload, and stay out.
    """

    contract: str
    batches: tuple[Batch, ...]
    objects_seen: int
    objects_loaded: int
    objects_left: int
    refused: tuple[Refusal, ...] = ()
    objects_unloaded: int = 0

    @property
    def objects_planned(self) -> int:
        return sum(len(batch.sources) for batch in self.batches)


def plan_files(
    contract: FilesContract,
    *,
    store: ObjectStore,
    ledger: Ledger,
    pattern: str | None = None,
    modified: Period | None = None,
    limits: PlanLimits | None = None,
    register: bool = True,
) -> Plan:
    """List what the contract matches, subtract what the ledger has, cut the rest into batches.

    Where there is work, it lists again before it ends, so that what comes meanwhile is not another run's.
    What was refused is not planned again before the object or the contract changes, unless it is asked for.

    :param pattern: a key or a glob that narrows the contract's own; must be matched by the contract too. It asks
        for what was refused, too.
    :param modified: only objects that were put in this period, as the store dates them. It asks like a pattern.
    :param register: whether new sources are given their id in the registry; a dry run does not.
    :raises ObjectNotFoundError: ``pattern`` names one key, and there is no such object.
    :raises NotOfSourceError: ``pattern`` names an object that the contract does not take.
    :raises NoObjectPathError: ``pattern`` is no path of the object store.
    :raises SourceIdentityError: two objects have one digest.
    """
    limits = limits or PlanLimits()
    survey = _Survey(contract, store=store, ledger=ledger, pattern=pattern, modified=modified, most=limits.objects)
    sources: list[PlannedSource] = []
    for _ in range(_LOOKS):
        pending = survey.look()
        sources += _identified(pending, contract=contract, ledger=ledger, register=register)
        if not pending or survey.is_of_one_key:
            break
    batches = tuple(cut(sources, batch_bytes=contract.batch.bytes, limits=limits))
    taken = batches[: limits.batches]
    return Plan(
        contract=contract.name,
        batches=taken,
        objects_seen=len(survey.seen),
        objects_loaded=survey.loaded,
        objects_left=survey.left + sum(len(batch.sources) for batch in batches[limits.batches :]),
        refused=tuple(survey.refused),
        objects_unloaded=survey.unloaded,
    )


class _Survey:
    """What looks at the store find, each version of an object once, and what the ledger says of it.

    :param most: versions that all looks together hand out.
    """

    def __init__(
        self,
        contract: FilesContract,
        *,
        store: ObjectStore,
        ledger: Ledger,
        pattern: str | None,
        modified: Period | None,
        most: int,
    ) -> None:
        self._contract = contract
        self._store = store
        self._ledger = ledger
        self._pattern = pattern
        self._modified = modified
        self._room = most
        self._glob = contract.key_glob if pattern is None else Glob(key_of(pattern, contract=contract))
        self.seen: set[tuple[str, str, int]] = set()
        self.loaded = self.left = self.unloaded = 0
        self.refused: list[Refusal] = []

    @property
    def is_of_one_key(self) -> bool:
        return self._glob.literal_prefix == self._glob.pattern

    def look(self) -> list[tuple[ObjectVersion, SourceProgress | None]]:
        """List, and return what is to be loaded of what no look before has seen."""
        pending: list[tuple[ObjectVersion, SourceProgress | None]] = []
        for versions in _chunks(self._unseen(), _LOOKUP):
            progress = self._ledger.progress([version.digest for version in versions])
            unfinished = [known.source_id for known in progress.values() if not known.is_complete]
            asked_for = self._pattern is not None or self._modified is not None
            refusals = {} if asked_for else self._ledger.refused(unfinished, terms=self._contract.terms)
            for version in versions:
                known = progress.get(version.digest)
                if known is not None:
                    known.require(version)
                if known is not None and known.is_unloaded:
                    self.unloaded += 1
                elif known is not None and known.is_complete:
                    self.loaded += 1
                elif known is not None and known.source_id in refusals:
                    self.refused.append(refusals[known.source_id])
                elif not self._room:
                    self.left += 1
                else:
                    self._room -= 1
                    pending.append((version, known))
        return pending

    def _unseen(self) -> Iterator[ObjectVersion]:
        for version in _listing(self._contract, store=self._store, glob=self._glob, modified=self._modified):
            # Not by digest: two objects that share one are to be noticed.
            mark = (version.key, version.etag, version.size)
            if mark not in self.seen:
                self.seen.add(mark)
                yield version


def loaded_objects(
    contract: FilesContract, *, store: ObjectStore, ledger: Ledger
) -> Iterator[dict[str, ObjectVersion]]:
    """The objects of a contract that are there in the version that the ledger has to its end, by source id.

    They come some thousands at a time, in key order.

    :raises SourceIdentityError: two objects have one digest.
    """
    for versions in _chunks(_listing(contract, store=store, glob=contract.key_glob), _LOOKUP):
        progress = ledger.progress([version.digest for version in versions])
        loaded = {}
        for version in versions:
            known = progress.get(version.digest)
            if known is None:
                continue
            known.require(version)
            if known.is_complete and not known.is_unloaded:
                loaded[known.source_id] = version
        yield loaded


def remaining(batch: Batch, *, ledger: Ledger) -> Batch:
    """What of a planned batch is not recorded by now: another run may have loaded some of it since."""
    progress = ledger.progress([source.version.digest for source in batch.sources])
    sources = []
    for source in batch.sources:
        known = progress.get(source.version.digest)
        if known is None:
            sources.append(source)
        elif not known.is_complete:
            sources.append(_going_on(source, known))
    return Batch(sources=tuple(sources))


def _going_on(source: PlannedSource, progress: SourceProgress) -> PlannedSource:
    return replace(
        source,
        # It may have been taken out since it was planned, to be loaded again: then it has another id.
        source_id=progress.source_id,
        first_position=progress.next_position,
        begun_framing=progress.framing_mark,
        begun_target=progress.target,
    )


def cut(sources: Iterable[PlannedSource], *, batch_bytes: int, limits: PlanLimits) -> Iterator[Batch]:
    """Cut sources into batches, each a contiguous run of sorted ids, so that batches never conflict."""
    run: list[PlannedSource] = []
    run_bytes = 0
    for source in sorted(sources, key=lambda planned: planned.source_id):
        is_large = source.size > SHARED_BATCH_OBJECT_BYTES
        if run and (is_large or run_bytes + source.size > batch_bytes or len(run) >= limits.objects_per_batch):
            yield Batch(sources=tuple(run))
            run, run_bytes = [], 0
        if is_large:
            yield Batch(sources=(source,))
        else:
            run.append(source)
            run_bytes += source.size
    if run:
        yield Batch(sources=tuple(run))


def _listing(
    contract: FilesContract, *, store: ObjectStore, glob: Glob, modified: Period | None = None
) -> Iterator[ObjectVersion]:
    bucket = contract.origin.bucket
    found = False
    for version in store.list_objects(bucket=bucket, prefix=glob.literal_prefix):
        if not glob.matches(version.key):
            continue
        found = True
        if contract.matches(bucket, version.key):
            if modified is None or version.last_modified in modified:
                yield version
        elif version.key == glob.pattern:
            raise NotOfSourceError(uri=version.uri, contract=contract)
    if not found and glob.literal_prefix == glob.pattern:
        raise ObjectNotFoundError(bucket=bucket, key=glob.pattern)


def key_of(pattern: str, *, contract: FilesContract) -> str:
    """The key of a pattern that somebody typed: ``s3://bucket/key``, or a key of the contract's bucket.

    :raises NotOfSourceError: it names another bucket.
    :raises NoObjectPathError: it has another scheme, or is a path of a file system.
    """
    if not pattern.startswith("s3://"):
        if _OTHER_SCHEME.match(pattern) or pattern.startswith("/"):
            raise NoObjectPathError(asked=pattern, contract=contract)
        return pattern
    bucket, _, key = pattern.removeprefix("s3://").partition("/")
    if bucket != contract.origin.bucket:
        raise NotOfSourceError(uri=pattern, contract=contract)
    return key


def _identified(
    pending: Sequence[tuple[ObjectVersion, SourceProgress | None]],
    *,
    contract: FilesContract,
    ledger: Ledger,
    register: bool,
) -> list[PlannedSource]:
    new = [version for version, known in pending if known is None]
    registered = ledger.register(new, contract=contract.name, are_new=True) if register else {}
    sources = []
    for version, known in pending:
        progress = known or registered.get(version.digest)
        source = PlannedSource(
            source_id=progress.source_id if progress else version.proposed_source_id,
            bucket=version.bucket,
            key=version.key,
            etag=version.etag,
            size=version.size,
            last_modified=version.last_modified,
            first_position=0,
        )
        sources.append(_going_on(source, progress) if progress else source)
    return sources


def _chunks(versions: Iterable[ObjectVersion], size: int) -> Iterator[list[ObjectVersion]]:
    iterator = iter(versions)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
