"""One person's records, erased on the real engines: out of every file, accounted for, and not coming back."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.load.ledger import Ledger
from lakehouse.paths import BRONZE_TABLES
from lakehouse.repair.asking import asked_ranges
from lakehouse.repair.erasure import Erasure, ErasureReport
from lakehouse.repair.errors import ErasedRecordsError
from lakehouse.repair.removal import RemovalStep
from lakehouse.repair.selector import Selector
from lakehouse.tables.definition import read_table_definitions
from tests.engine.conftest import BRONZE, Platform, Source, event, lines

pytestmark = pytest.mark.engine

RECORDS = 100


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


@pytest.fixture
def person() -> str:
    """What names a person that no other test knows."""
    return f"{uuid.uuid4().int % 10**12:012}"


@pytest.fixture
def source(make_source: Callable[..., Source], person: str) -> Source:
    """A source of a hundred records; three name the person, and so does one of two bad ones."""
    source = make_source(text="reject_budget: {share: 0.5}\n")
    named = {
        10: {"raw_payload": {"citizen": {"mobileNumber": person, "name": "A"}}},
        20: {"attributes_json": {"note": f"call +{person}, please"}},
        30: {"actor_id": person},
        # Another's number, of which it is a part.
        40: {"actor_id": f"{person}7"},
    }
    source.put(
        "events.jsonl",
        lines(event(number, **named.get(number, {})) for number in range(RECORDS))
        + f'{{"event_time": "x", "raw_payload": "{person}"}}\n{{\n',
    )
    source.load()
    return source


def erasure(platform: Platform, person: str, **options: Any) -> Erasure:
    return Erasure(
        Selector(person),
        tables=read_table_definitions(BRONZE_TABLES),
        engine=platform.engine,
        store=platform.store,
        ledger=Ledger(engine=platform.engine, run="tests"),
        names=platform.settings.names,
        actor="tester",
        reason="request 7",
        **options,
    )


def erase(platform: Platform, person: str, **options: Any) -> ErasureReport:
    return erasure(platform, person, **options).run(dry_run=False)


def standing(source: Source) -> list[tuple[int, int, int, int, str]]:
    """Read, in bronze, among the open rejects, removed, and what is wrong."""
    return [
        (a.records_read, a.bronze_rows, a.open_rejects, a.removed_records, a.problems) for a in source.accounts()
    ]


def files_that_name(platform: Platform, person: str) -> list[str]:
    """The data files of bronze and rejects, as these are now, that hold a text."""
    found = []
    for table in ("service_events_raw", "rejects"):
        for (path,) in platform.rows(f'select file_path from iceberg.bronze."{table}$files" where content = 0'):
            bucket, _, key = path.removeprefix("s3://").partition("/")
            content = platform.store.get(bucket=bucket, key=key)
            if any(person in str(value) for value in pq.read_table(io.BytesIO(content)).to_pylist()):
                found.append(path)
    return found


def test_a_person_is_in_no_file_any_more_and_the_certificate_is_clean(source: Source, person: str):
    platform = source.platform
    platform.rows(
        f"insert into {BRONZE} (event_date, service, actor_id) values (date '2026-10-02', 'PGR', ?)", person
    )
    assert files_that_name(platform, person)
    looked = erasure(platform, person).run()
    assert (looked.rows, looked.rejects, looked.removed.records) == (4, 1, 0)
    assert standing(source) == [(102, 100, 2, 0, "")]

    report = erase(platform, person)

    assert (report.removed.sources, report.removed.records, report.by_hand) == (1, 4, 1)
    [original] = [found.original for found in report.sources if found.original]
    assert original.endswith("events.jsonl")
    assert standing(source) == [(102, 97, 1, 4, "")]
    # The neighbour's number stays, and holds this one as a part.
    assert {row[0] for row in source.bronze("actor_id") if row[0]} == {f"{person}7"}
    assert person not in " ".join(report.told)
    again = erasure(platform, person).run()
    assert again.is_nothing, again.told
    # Once the neighbour has gone as well, no file holds these digits.
    erase(platform, f"{person}7")
    assert standing(source) == [(102, 96, 1, 5, "")]
    assert files_that_name(platform, person) == []


def test_what_is_erased_is_not_loaded_again_nor_the_source_a_second_time(source: Source, person: str):
    platform = source.platform
    erase(platform, person)
    assert source.load() == []
    assert source.rejects("record_position") == [(101,)]
    with pytest.raises(ErasedRecordsError, match="4 records"):
        asked_ranges(
            source.contract,
            engine=platform.engine,
            ledger=Ledger(engine=platform.engine, run="tests"),
            key=f"{source.prefix}events.jsonl",
            reload=True,
        )
    said = platform.rows(
        "select records_removed, actor, reason from iceberg.bronze.ledger where kind = 'erasure' and contract = ?",
        source.contract.name,
    )
    assert said == [(4, "tester", "request 7")]


@pytest.mark.long
def test_an_erasure_that_dies_is_finished_by_the_next_of_anybody(source: Source, person: str):
    def die(step: RemovalStep) -> None:
        if step is RemovalStep.NOTE:
            raise KilledError

    with pytest.raises(KilledError):
        erase(source.platform, person, on_step=die)
    assert "removal not finished" in standing(source)[0][-1]
    erase(source.platform, "nobody at all")
    assert standing(source) == [(102, 97, 1, 4, "")]


@pytest.mark.long
def test_leftovers_of_an_attempt_that_is_over_go_and_others_are_named(
    make_source: Callable[..., Source], person: str
):
    source = make_source()
    source.put("events.jsonl", lines([event(1, actor_id=person)]))
    platform = source.platform
    kept = f"_spool/20200101_000000_{uuid.uuid4().hex[:16]}/rows/segment-000000.parquet"
    buffer = io.BytesIO()
    pq.write_table(pa.table({"actor_id": [person]}), buffer)
    platform.store.put(buffer.getvalue(), bucket=platform.settings.names.bucket, key=kept)
    report = erase(platform, person)
    assert report.spools_kept == (kept.split("/")[1],)
    platform.store.delete(bucket=platform.settings.names.bucket, key=kept)
