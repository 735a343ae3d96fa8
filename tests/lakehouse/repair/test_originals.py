from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from lakehouse.load.ledger import Ledger
from lakehouse.repair.originals import kept_originals, missing_original
from lakehouse.repair.unload import WHOLE, UnloadRange
from tests.lakehouse.load.doubles import MemoryStore, ScriptedEngine, rows_of

KEY = "staging/a/b.csv"
FOUND = UnloadRange(
    source_id="0k9c000000000000",
    source_kind="object",
    source=f"s3://warehouse/{KEY}",
    identity="{}",
    target="iceberg.bronze.service_events_raw",
    contract="pgr_events_csv",
    first_position=0,
    next_position=WHOLE,
    loads=1,
    records_read=12,
    rows=10,
    rejects=2,
    touched=(),
    is_begun=False,
    is_ended=False,
)
WHEN = datetime(2026, 11, 27, 9, 30)  # noqa: DTZ001  (as Trino gives it)


def told(found: UnloadRange, store: MemoryStore, *rows: tuple[object, ...]) -> str | None:
    engine = ScriptedEngine({"repair/removed_original.sql": rows_of(*rows)})
    return missing_original(found, engine=engine, store=store, ledger=Ledger(engine=engine))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [("archive", "as s3://warehouse/archive/0/a", WHEN)],
            "archived as s3://warehouse/archive/0/a (2026-11-27 09",
        ),
        ([("delete", "30 days after its load", WHEN)], "was deleted 30 days after its load (2026-11-27 09:30)"),
        ([], "is not there any more"),
    ],
)
def test_an_object_that_is_gone_is_named_with_what_became_of_it_and_what_to_do(rows, said):
    message = told(FOUND, MemoryStore(), *rows)
    assert message is not None
    assert said in message
    assert "the next load takes it" in message


def test_nothing_is_missing_of_an_object_that_is_there():
    store = MemoryStore()
    store.put(b"x", bucket="warehouse", key=KEY)
    assert told(FOUND, store) is None


@pytest.mark.parametrize("kind", ["partition", "request"])
def test_only_objects_have_an_original_in_the_store(kind):
    assert told(replace(FOUND, source_kind=kind), MemoryStore()) is None


def test_what_lies_still_is_the_object_and_each_archived_version_that_nobody_deleted():
    # Erased in the tables alone, a person would go on standing in the archive.
    store = MemoryStore()
    for key in (KEY, "archive/0/staging/a/b.csv"):
        store.put(b"x", bucket="warehouse", key=key)
    engine = ScriptedEngine(
        {
            "repair/archived_copies.sql": rows_of(
                ("as s3://warehouse/archive/0/staging/a/b.csv",), ("as s3://warehouse/archive/1/staging/a/b.csv",)
            )
        }
    )
    found = kept_originals(FOUND.source, engine=engine, store=store, ledger=Ledger(engine=engine))
    assert found == (FOUND.source, "s3://warehouse/archive/0/staging/a/b.csv")
