"""What somebody types who names a part of a source, as the ledger calls it."""

from __future__ import annotations

import re

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.errors import TerminalError
from lakehouse.load.plan import key_of
from lakehouse.repair.unload import OffsetRange

_OFFSETS = re.compile(r"(?:kafka://)?(?P<partition>[A-Za-z0-9._-]+/\d+):(?P<first>\d+)-(?P<next>\d+)")


class NoOffsetsError(TerminalError):
    """What was typed names no offsets."""

    def __init__(self, *, asked: str) -> None:
        super().__init__(
            f"{asked!r} names no offsets.",
            remedy="Write topic/partition:first-next, as in pgr-events/0:1000-2000; next is the first that stays.",
        )
        self.asked = asked


def source_named(key: str, *, contract: Contract) -> str:
    """An object or a call of rows, as the ledger calls it.

    :raises NotOfSourceError: the key is of another bucket.
    :raises NoObjectPathError: the key is no path of the object store.
    """
    if isinstance(contract, FilesContract):
        return f"s3://{contract.origin.bucket}/{key_of(key, contract=contract)}"
    return key if key.startswith("rows://") else f"rows://{contract.name}/{key}"


def offset_range(asked: str) -> OffsetRange:
    """``topic/partition:first-next``, as a range.

    :raises NoOffsetsError: it is not written so, or holds nothing.
    """
    found = _OFFSETS.fullmatch(asked)
    if found is None or int(found["first"]) >= int(found["next"]):
        raise NoOffsetsError(asked=asked)
    return OffsetRange(f"kafka://{found['partition']}", int(found["first"]), int(found["next"]))
