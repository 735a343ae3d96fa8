"""What lies under the landing prefixes and is no source's: nobody loads it, and nobody would say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from lakehouse.contracts.after_load import RESERVED_PREFIXES
from lakehouse.contracts.contract import Contract
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.identity import ObjectVersion
from lakehouse.store import ObjectStore

_MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Landing:
    """A folder of a bucket that contracts look into."""

    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Unmatched:
    """Objects of a landing that no contract matches.

    :param examples: the keys of some of them.
    :param since: when the oldest of them was put.
    """

    landing: Landing
    objects: int = 0
    examples: tuple[str, ...] = ()
    since: datetime | None = None


def files_contracts(contracts: Iterable[Contract]) -> list[FilesContract]:
    """Those of files."""
    return [contract for contract in contracts if isinstance(contract, FilesContract)]


def landings(contracts: Collection[FilesContract]) -> tuple[Landing, ...]:
    """The folders that contracts look into; none lies in another."""
    folders = sorted(
        {
            (contract.origin.bucket, prefix[: prefix.rfind("/") + 1])
            for contract in contracts
            for prefix in (contract.key_glob.literal_prefix,)
        }
    )
    outermost: list[Landing] = []
    for bucket, prefix in folders:
        # Sorted, a folder comes right before those in it.
        if outermost and outermost[-1].bucket == bucket and prefix.startswith(outermost[-1].prefix):
            continue
        outermost.append(Landing(bucket=bucket, prefix=prefix))
    return tuple(outermost)


def find_unmatched(landing: Landing, *, contracts: Collection[FilesContract], store: ObjectStore) -> Unmatched:
    """List a landing, and keep what no contract matches.

    :raises LakehouseError: the store does not answer, or refuses.
    """
    objects = 0
    examples: list[str] = []
    oldest: datetime | None = None
    for version in _unmatched(landing, contracts=contracts, store=store):
        objects += 1
        if len(examples) < _MOST_EXAMPLES:
            examples.append(version.key)
        oldest = version.last_modified if oldest is None else min(oldest, version.last_modified)
    return Unmatched(landing=landing, objects=objects, examples=tuple(examples), since=oldest)


def _unmatched(
    landing: Landing, *, contracts: Collection[FilesContract], store: ObjectStore
) -> Iterator[ObjectVersion]:
    archives = [
        contract.after_load.prefix
        for contract in contracts
        if contract.origin.bucket == landing.bucket and contract.after_load.prefix is not None
    ]
    # Ours too may lie here, should a contract look at a whole bucket.
    known = (*RESERVED_PREFIXES, *archives)
    for version in store.list_objects(bucket=landing.bucket, prefix=landing.prefix):
        is_folder = version.key.endswith("/") and not version.size
        if is_folder or version.key.startswith(known):
            continue
        if not any(contract.matches(landing.bucket, version.key) for contract in contracts):
            yield version
