"""Where the objects are that were loaded: a contract may have had them archived or deleted since."""

from __future__ import annotations

from lakehouse.engine import Engine
from lakehouse.errors import ObjectNotFoundError
from lakehouse.load.ledger import Ledger
from lakehouse.repair.unload import UnloadRange
from lakehouse.statements import render
from lakehouse.store import ObjectStore


def kept_originals(source: str, *, engine: Engine, store: ObjectStore, ledger: Ledger) -> tuple[str, ...]:
    """Where an object lies still, in whatever version: at its own place, and where a contract had it archived.

    :param source: as the ledger calls it, ``s3://bucket/key``.
    """
    rows = engine.execute(render("repair/archived_copies.sql", ledger=ledger.tables.ledger, source=source)).rows
    places = (source, *(reason.removeprefix("as ") for (reason,) in rows))
    return tuple(place for place in places if _is_there(place, store=store))


def missing_original(
    unload_range: UnloadRange, *, engine: Engine, store: ObjectStore, ledger: Ledger
) -> str | None:
    """What to do before a source can be loaded again, for people; None if its object is there, or it has none.

    Put back before it is taken out of bronze, an object would be taken for loaded, and archived once more.
    """
    if unload_range.source_kind != "object":
        return None
    if _is_there(unload_range.source, store=store):
        return None
    rows = engine.execute(
        render("repair/removed_original.sql", ledger=ledger.tables.ledger, source_id=unload_range.source_id)
    ).rows
    kind, reason, when = rows[0] if rows else ("", "", None)
    match kind:
        case "archive":
            return (
                f"{unload_range.source} was archived {reason} ({when:%Y-%m-%d %H:%M}). Copy it back to "
                f"{unload_range.source}: the next load takes it."
            )
        case "delete":
            return (
                f"{unload_range.source} was deleted {reason} ({when:%Y-%m-%d %H:%M}), as the contract says. "
                "Put it again: the next load takes it."
            )
        case _:
            return f"{unload_range.source} is not there any more. Put it again: the next load takes it."


def _is_there(place: str, *, store: ObjectStore) -> bool:
    bucket, _, key = place.removeprefix("s3://").partition("/")
    try:
        store.head(bucket=bucket, key=key)
    except ObjectNotFoundError:
        return False
    return True
