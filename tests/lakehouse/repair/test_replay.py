from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import Any

import pytest

from lakehouse.contracts import KafkaContract
from lakehouse.load.ledger import Ledger
from lakehouse.repair import replay as replay_module
from lakehouse.repair.errors import NotReplayableError
from lakehouse.repair.replay import Replay
from lakehouse.settings import StorageNames
from lakehouse.sources import Source, read_source
from tests.lakehouse.load.doubles import MOMENT, MemoryStore, ScriptedEngine, rows_of

SOURCE = "0k9c000000000000"


def kept(record: bytes | None, **changes: Any) -> tuple[Any, ...]:
    """A row of repair/open_originals."""
    reject = {
        "source_id": SOURCE,
        "position": 7,
        "load_id": "0k9c000000000abc",
        "target": "iceberg.bronze.service_events_raw",
        "source": "kafka://pgr-events/0",
        "reason": "missing_field",
        "line": None,
        "record": record,
        "record_bytes": len(record or b""),
        "record_sha256": "digest",
        "key": b"9876543210",
        "timestamp": datetime.fromisoformat("2026-10-01"),
        "headers": json.dumps({"trace": "1", "phone": "9876543210"}),
        "source_kind": "partition",
        "identity": "{}",
    }
    return tuple((reject | changes).values())


@pytest.fixture(autouse=True)
def fit_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_module, "preflight", lambda *_arguments, **_named: None)


def replay(
    source: Source, *rejects: tuple[Any, ...], store: MemoryStore | None = None
) -> tuple[Replay, ScriptedEngine]:
    engine = ScriptedEngine(
        {
            "repair/open_originals.sql": [rows_of(*rejects), rows_of()],
            "repair/count_replayed.sql": rows_of((1, 1, 1)),
            "load/check_staging_rows.sql": rows_of(),
        }
    )
    return Replay(
        source.contract,
        table=source.table,
        engine=engine,
        store=store or MemoryStore(),
        ledger=Ledger(engine=engine),
        names=StorageNames(),
        actor="tester",
        why="",
        clock=lambda: MOMENT,
    ), engine


def kafka(**origin: Any) -> Source[KafkaContract]:
    source = read_source("pgr_events_kafka", kind=KafkaContract)
    changed = source.contract.origin.model_copy(update=origin)
    return dataclasses.replace(source, contract=source.contract.model_copy(update={"origin": changed}))


@pytest.mark.parametrize(
    ("reject", "why"),
    [
        (kept(None), "their bytes are not kept"),
        (kept(b"{}", record_bytes=99, reason="too_large"), "only their beginnings are kept"),
        (kept(b"{}", target="iceberg.bronze.other"), "they were meant for iceberg.bronze.other"),
    ],
)
def test_what_is_not_kept_whole_or_was_meant_for_elsewhere_is_counted_with_the_reason(reject, why):
    what, engine = replay(kafka(), reject)
    report = what.run()
    [(problem, count)] = report.not_replayable.items()
    assert (report.rejects, report.rows, count) == (1, 0, 1)
    assert why in problem
    assert not any("merge" in name for name in engine.names)


def test_a_csv_record_without_its_file_is_counted_with_the_reason():
    identity = json.dumps({"bucket": "warehouse", "key": "staging/a.csv", "etag": "e", "size": 9})
    what, _ = replay(read_source("pgr_events_csv"), kept(b"1,2", identity=identity), kept(b"3", identity=identity))
    report = what.run()
    [(problem, count)] = report.not_replayable.items()
    assert "is gone or was overwritten" in problem
    assert count == 2


@pytest.mark.parametrize("name", ["pgr_events_rows", "boston_311_csv"])
def test_sources_whose_originals_do_not_say_what_they_meant_are_refused_before_anything_is_read(name):
    what, engine = replay(read_source(name))
    with pytest.raises(NotReplayableError):
        what.run()
    assert engine.executed == []


def staged_rejects(source: Source) -> list[dict[str, Any]]:
    spooled: list[dict[str, Any]] = []

    class WatchedStore(MemoryStore):
        def put(self, content, *, bucket, key):
            super().put(content, bucket=bucket, key=key)
            if "/rejects/" in key:
                spooled.extend(self.parquet(key, bucket=bucket)[0].to_pylist())

    what, _ = replay(source, kept(b"{}"), store=WatchedStore())
    assert what.run().failed == {"missing_field": 1}
    return spooled


def test_what_fails_again_keeps_what_its_message_had_beside_it():
    [reject] = staged_rejects(kafka(headers=("trace",), keep_keys=True))
    assert (reject["record_key"], reject["record_headers"]) == (b"9876543210", '{"trace": "1"}')
    assert (reject["record_position"], reject["record_sha256"]) == (7, "digest")


def test_what_a_corrected_contract_may_not_keep_is_not_kept_again():
    [reject] = staged_rejects(kafka(headers=(), keep_keys=False))
    assert (reject["record_key"], reject["record_headers"]) == (None, None)


def test_a_dry_run_judges_and_writes_nothing():
    what, engine = replay(kafka(), kept(b"{}"))
    assert what.run(dry_run=True).failed == {"missing_field": 1}
    assert set(engine.names) == {"repair/open_originals.sql"}
