"""What a call decides before anything is read; tests/simulation and tests/engine hold the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lakehouse.contracts import RowsContract, load_contract
from lakehouse.errors import (
    IdempotencyKeyError,
    OtherRowsError,
    RowsRefusedError,
    SourceIdentityError,
    TooManyRowsError,
)
from lakehouse.identity import RowsRequest
from lakehouse.load import rows
from lakehouse.load.ledger import Ledger
from lakehouse.load.rows import RowsReport, load_rows
from lakehouse.readers.row_lines import lines_of_rows
from lakehouse.settings import StorageNames
from lakehouse.tables.definition import TableDefinition
from tests.lakehouse.load.doubles import MOMENT, MemoryStore, ScriptedEngine, rows_of

GOOD = {"event_time": "2026-10-01T10:00:00Z"}


@pytest.fixture
def load(
    tmp_path: Path, tables: Mapping[str, TableDefinition], store: MemoryStore, names: StorageNames, monkeypatch
) -> Callable[..., RowsReport]:
    """Load rows through an engine that answers by script."""
    monkeypatch.setattr(rows, "preflight", lambda *_arguments, **_options: None)

    def load(given: list[Any], *, engine: ScriptedEngine, key: str | None = "k", text: str = "") -> RowsReport:
        path = tmp_path / "parking_fines.yaml"
        path.write_text(f"name: parking_fines\nkind: rows\ntarget: iceberg.bronze.service_events_raw\n{text}")
        contract = load_contract(path, tables)
        assert isinstance(contract, RowsContract)
        return load_rows(
            lines_of_rows(given),
            idempotency_key=key,
            contract=contract,
            table=tables[contract.target],
            engine=engine,
            store=store,
            ledger=Ledger(engine=engine),
            names=names,
        )

    return load


def registered(
    given: list[Any], *, key: str, ranges: list[tuple[int, int, int]], asked: str = "k"
) -> ScriptedEngine:
    """An engine whose registry has rows under the digest of a key."""
    lines = lines_of_rows(given)
    of_key = {
        name: RowsRequest(
            source="parking_fines", idempotency_key=name, rows_sha256=lines.sha256, size=0, received_at=MOMENT
        )
        for name in (key, asked)
    }
    row = (of_key[asked].digest, "0k9c000000000000", of_key[key].identity, ranges, "abc", "target", False)
    return ScriptedEngine({"plan/source_progress.sql": rows_of(row)})


def test_what_is_loaded_already_is_told_without_loading_or_checking_anything(load):
    engine = registered([GOOD, {}], key="k", ranges=[(0, 2, 2)])
    engine.answers["rows/open_rejects.sql"] = rows_of((1, "missing_field", "event_time", "no value"))

    report = load([GOOD, {}], engine=engine)

    assert (report.rows, report.already_loaded, report.source_id) == (1, True, "0k9c000000000000")
    assert [(reject.index, str(reject.reason)) for reject in report.rejects] == [(1, "missing_field")]
    assert engine.names == ["plan/source_progress.sql", "rows/open_rejects.sql"]


def test_other_rows_under_a_key_are_told_from_two_keys_with_one_digest(load):
    with pytest.raises(OtherRowsError) as caught:
        load([GOOD], engine=registered([GOOD, GOOD], key="k", ranges=[]))
    assert (caught.value.source, caught.value.idempotency_key) == ("parking_fines", "k")

    with pytest.raises(SourceIdentityError):
        load([GOOD], engine=registered([GOOD], key="another", ranges=[]))


@pytest.mark.parametrize(
    "key", ["", " \n", "a\0", "\ud800", "k" * 501], ids=["empty", "line", "nul", "half", "long"]
)
def test_a_key_that_cannot_be_kept_is_refused_before_anything_is_asked(load, key):
    engine = ScriptedEngine()

    with pytest.raises(IdempotencyKeyError):
        load([GOOD], engine=engine, key=key)
    assert engine.names == []


def test_too_many_rows_are_refused_before_anything_is_asked(load):
    engine = ScriptedEngine()

    with pytest.raises(TooManyRowsError):
        load([{}] * 10_001, engine=engine)
    assert engine.names == []


@pytest.mark.parametrize(
    ("text", "rejects"),
    [
        ("columns: {event_time: {required: true}}\nreject_budget: {share: 0.4}\n", ((1, "missing_field"),)),
        ("unknown_columns: fail\n", ()),
    ],
)
def test_rows_that_are_refused_as_a_whole_are_not_registered(load, text, rejects):
    engine = ScriptedEngine()

    with pytest.raises(RowsRefusedError) as caught:
        load([GOOD, {"colour": "red"}], engine=engine, text=text)
    assert caught.value.rejects == rejects
    assert engine.names == ["plan/source_progress.sql"]


def test_without_a_key_a_digest_of_the_rows_is_the_key(load):
    sha256 = lines_of_rows([GOOD]).sha256
    engine = registered([GOOD], key=f"sha256:{sha256}", asked=f"sha256:{sha256}", ranges=[(0, 1, 1)])

    assert load([GOOD], engine=engine, key=None).idempotency_key == f"sha256:{sha256}"
    [asked] = engine.asked("plan/source_progress.sql")
    assert len(json.loads(asked["digests"])) == 1
