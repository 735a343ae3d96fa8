"""What somebody types who names a part of a source, as the ledger calls it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from lakehouse.contracts.contract import Contract
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.engine import Engine
from lakehouse.load.ledger import Ledger
from lakehouse.load.offset_range import OffsetRange
from lakehouse.load.period import Period
from lakehouse.load.plan import key_of
from lakehouse.repair.errors import (
    ErasedRecordsError,
    NoMomentError,
    NoOffsetsError,
    NoReasonError,
    NotOneNameError,
    OffsetsStayOutError,
)
from lakehouse.repair.unload import UnloadRange, find_ranges
from lakehouse.statements import render

_OFFSETS = re.compile(r"(?:kafka://)?(?P<partition>[A-Za-z0-9._-]+/\d+):(?P<first>\d+)-(?P<next>\d+)")


def asked_ranges(
    contract: Contract,
    *,
    engine: Engine,
    ledger: Ledger,
    load_id: str | None = None,
    key: str | None = None,
    offsets: str | None = None,
    reload: bool = False,
) -> tuple[UnloadRange, ...]:
    """What somebody means who asks to take out a load, an object or call, or offsets.

    :param key: of an object (its key or ``s3://`` URI), or the idempotency key of rows.
    :param offsets: ``topic/partition:first-next``.
    :param reload: it is to be loaded again.
    :raises NotOneNameError: none of the three is given, or several.
    :raises NothingToUnloadError: nothing that was loaded has this name.
    :raises LoadCutError: the offsets cut a load in two.
    :raises OffsetsStayOutError: offsets are to be loaded again.
    :raises ErasedRecordsError: what is to be loaded again holds records that were erased.
    """
    if sum(value is not None for value in (load_id, key, offsets)) != 1:
        raise NotOneNameError
    found = find_ranges(
        contract.name,
        target=contract.target,
        engine=engine,
        ledger=ledger,
        load_id=load_id,
        source=None if key is None else source_named(key, contract=contract),
        offsets=None if offsets is None else offset_range(offsets),
    )
    if reload and any(each.source_kind == "partition" for each in found):
        raise OffsetsStayOutError(source=found[0].source)
    for each in found if reload else ():
        erased = engine.execute(
            render(
                "repair/count_erased.sql",
                removals=ledger.tables.removals,
                sources=ledger.tables.sources,
                source_id=each.source_id,
            )
        ).scalar
        if erased:
            raise ErasedRecordsError(source=each.source, records=erased)
    return found


def stated_reason(reason: str) -> str:
    """Why somebody puts something right, which the ledger keeps.

    :raises NoReasonError: it does not say.
    """
    if not reason.strip():
        raise NoReasonError
    return reason.strip()


def moment(text: str) -> datetime:
    """A moment in ISO 8601; without an offset it is UTC.

    :raises NoMomentError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise NoMomentError(asked=text) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def asked_period(begin: str, end: str) -> Period | None:
    """What lies between two moments in ISO 8601; None if both are empty.

    :raises NoMomentError: one of them is none.
    """
    return Period.of(moment(begin) if begin else None, moment(end) if end else None)


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
