from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.errors import ObjectNotFoundError
from lakehouse.identity import ObjectVersion
from lakehouse.load.files import insert_through_conflicts
from lakehouse.load.ledger import Ledger
from lakehouse.load.plan import plan_files
from lakehouse.load.protocol import LoadProtocol, drop_attempt
from lakehouse.load.stage import stage_batch
from lakehouse.store import ObjectStore
from tests.engine.conftest import BRONZE, Platform, Source, event, lines

pytestmark = pytest.mark.engine

MakeSource = Callable[..., Source]


def snapshots(platform: Platform) -> int:
    return platform.rows('select count(*) from iceberg.bronze."service_events_raw$snapshots"')[0][0]


def test_a_file_is_in_bronze_once_however_often_it_is_loaded(make_source: MakeSource):
    source = make_source()
    source.put("events.jsonl", lines(event(number) for number in range(100)))
    first, second = source.load(), source.load()
    assert [report.rows for report in first] == [100]
    assert second == []
    assert source.bronze("_position, entity_id") == [(n, f"PB-PGR-{n}") for n in range(100)]
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.open_rejects, account.problems) == (100, 100, 0, "")


def test_values_arrive_typed_in_utc_and_texts_as_they_were_sent(make_source: MakeSource):
    source = make_source()
    attributes = '{"b" :  1.50, "a":"\\u00e9 \\"quoted\\"","nested":{"x":[1, 2]}}'
    source.put(
        "events.jsonl",
        '{"event_time":"2026-10-01T01:30:00.123456+05:30","tenant_id":"ਅੰਮ੍ਰਿਤਸਰ",'
        f'"attributes_json":{attributes},"raw_payload":null}}\n',
    )
    source.load()
    [row] = source.bronze("event_date, event_time, tenant_id, service, attributes_json, raw_payload")
    assert row[0].isoformat() == "2026-09-30"
    assert row[1] == datetime(2026, 9, 30, 20, 0, 0, 123456)  # noqa: DTZ001  (Trino's timestamp has no zone)
    assert row[2:] == ("ਅੰਮ੍ਰਿਤਸਰ", "PGR", attributes, None)


def test_any_service_names_a_partition_or_refuses_its_record(make_source: MakeSource):
    source = make_source(text="reject_budget: {share: 0.5}\n")
    source = dataclasses.replace(source, contract=source.contract.model_copy(update={"nulls": ()}))
    services = [
        " ",
        ".",
        "..",
        "/",
        "a/../b",
        "a b+c",
        "%2F",
        "null",
        "service=x",
        "\x01\t\n\r\x7f",
        "é",
        "पानी",
        "😀",
    ]
    services += ["?*#&;'\"\\<>|~", "x" * 247, "प" * 27, "", "y" * 248, "y" * 1_000, "/" * 400]
    source.put("events.jsonl", lines(event(number, service=service) for number, service in enumerate(services)))
    source.load()
    assert source.bronze("_position, service") == list(enumerate(services[:-4]))
    assert source.rejects("record_position, reason, column_name") == [
        (position, "out_of_range", "service") for position in range(len(services) - 4, len(services))
    ]
    for position, service in enumerate(services[:-4]):
        # The partition is found by its value, however its path is written.
        found = source.platform.rows(f"select entity_id from {BRONZE} where service = ?", service)
        assert (f"PB-PGR-{position}",) in found


def test_bad_records_are_in_the_reject_table_with_position_reason_and_bytes(make_source: MakeSource):
    source = make_source(text="reject_budget: {share: 0.5}\n")
    good = json.dumps(event(1)).encode()
    records = [
        good,
        b'{"event_time": "2026-10',
        b"\xff\xfe",
        good,
        json.dumps(event(2, tenant_id=None)).encode(),
        good,
    ]
    source.put("events.jsonl", b"\n".join(records) + b"\n")
    source.load()
    assert [position for (position,) in source.bronze("_position")] == [0, 3, 5]
    assert source.rejects("record_position, reason, line, record") == [
        (1, "invalid_json", 2, records[1]),
        (2, "not_utf8", 3, records[2]),
        (4, "missing_field", 5, records[4]),
    ]
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.open_rejects, account.problems) == (6, 3, 3, "")


def test_csv_with_newlines_and_quotes_in_fields_arrives_as_it_was_written(make_source: MakeSource):
    source = make_source(file_format="csv")
    source.put(
        "events.csv",
        "tenant_id,event_time,event_type,attributes_json,raw_payload\r\n"
        'pb.amritsar,2024-12-01 10:00:00,CaseSubmitted,"{""complaint_type"":""Water\nSupply""}",NULL\r\n',
    )
    source.load()
    assert source.bronze("attributes_json, raw_payload, event_type") == [
        ('{"complaint_type":"Water\nSupply"}', None, "CaseSubmitted")
    ]


def test_a_parquet_file_arrives_as_the_json_lines_it_could_have_been(make_source: MakeSource):
    events = [event(number, attributes_json=json.dumps({"number": number})) for number in range(50)]
    parquet, json_lines = make_source(file_format="parquet"), make_source()
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(events), file)
    parquet.put("events.parquet", file.getvalue())
    json_lines.put("events.jsonl", lines(events))
    for source in (parquet, json_lines):
        [report] = source.load()
        assert (report.rows, report.rejects, report.failures) == (50, 0, ())
    columns = "_position, event_time, tenant_id, service, entity_id, attributes_json"
    assert parquet.bronze(columns) == json_lines.bronze(columns)
    assert [account.problems for account in parquet.accounts()] == [""]


def test_a_record_that_stands_for_several_events_gives_a_row_for_each(make_source: MakeSource):
    source = make_source(
        file_format="csv",
        text="  entity_id: {from: case}\n"
        "events:\n"
        "  submitted:\n"
        "    columns: {event_time: {from: opened, required: true}, event_type: {value: CaseSubmitted}}\n"
        "  closed: {when: closed, columns: {event_time: {from: closed}, event_type: {value: CaseClosed}}}\n"
        "batch: {records: 2, bytes: 1GB}\n",
    )
    source.put(
        "requests.csv",
        "tenant_id,case,opened,closed\n"
        "us.boston,1,2026-10-01T00:00:00Z,2026-10-02T00:00:00Z\n"
        "us.boston,2,2026-10-01T00:00:00Z,\n"
        "us.boston,3,2026-10-01T00:00:00Z,2026-10-03T00:00:00Z\n",
    )
    [report] = source.load()
    assert report.rows == 5
    assert source.bronze("_position, entity_id, event_type") == [
        (0, "1", "CaseSubmitted"),
        (1, "1", "CaseClosed"),
        (2, "2", "CaseSubmitted"),
        (4, "3", "CaseSubmitted"),
        (5, "3", "CaseClosed"),
    ]
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.gap_positions, account.problems) == (5, 5, 0, "")
    assert source.load() == []


def test_many_small_objects_share_one_commit_and_each_has_its_ledger_row(
    make_source: MakeSource, platform: Platform
):
    source = make_source()
    for number in range(30):
        source.put(f"events_{number:02}.jsonl", lines([event(number), event(number + 1)]))
    before = snapshots(platform)
    [report] = source.load()
    assert (report.sources, report.rows, snapshots(platform) - before) == (30, 60, 1)
    accounts = source.accounts()
    assert len(accounts) == 30
    assert {(account.records_read, account.bronze_rows, account.problems) for account in accounts} == {(2, 2, "")}


def test_a_file_with_more_partitions_than_one_statement_may_write_loads(make_source: MakeSource):
    source = make_source()
    source.put("events.jsonl", lines(event(number) for number in range(280)))
    [report] = source.load(partitions_per_statement=5)
    assert report.rows == 280
    [account] = source.accounts()
    assert (account.bronze_rows, account.ranges, account.problems) == (280, 1, "")


def test_a_large_file_is_recorded_range_by_range_without_a_gap(make_source: MakeSource):
    source = make_source(text="batch: {records: 70000, bytes: 1GB}\n")
    source.put("events.jsonl", lines(event(number) for number in range(200_000)))
    [report] = source.load()
    assert (report.rows, report.units > 1) == (200_000, True)
    [account] = source.accounts()
    assert (account.ranges, account.next_position, account.end_position) == (report.units, 200_000, 200_000)
    assert (account.bronze_rows, account.problems) == (200_000, "")


@pytest.mark.parametrize(
    ("content", "file_format"), [(b"", "jsonl"), (b"", "csv"), (b"tenant_id,event_time\n", "csv")]
)
def test_a_file_without_records_is_a_success_with_no_rows(
    make_source: MakeSource, content: bytes, file_format: str
):
    source = make_source(file_format=file_format)
    source.put("empty", content)
    first, second = source.load(), source.load()
    assert [(report.rows, report.failures) for report in first] == [(0, ())]
    assert second == []
    [account] = source.accounts()
    assert (account.ranges, account.bronze_rows, account.problems) == (1, 0, "")


def test_nothing_of_a_damaged_file_is_loaded_and_its_neighbours_are(make_source: MakeSource):
    source = make_source()
    whole = gzip.compress(lines(event(number) for number in range(5_000)).encode())
    damaged = source.put("b.jsonl.gz", whole[: len(whole) // 2])
    source.put("a.jsonl", lines([event(1)]))
    source.put("c.jsonl", lines([event(2)]))
    [report] = source.load()
    assert [(failure.source, failure.is_terminal) for failure in report.failures] == [(damaged, True)]
    assert [entity for (entity,) in source.bronze("entity_id")] == ["PB-PGR-1", "PB-PGR-2"]
    assert {account.problems for account in source.accounts()} == {""}
    assert len(source.accounts()) == 2


def test_nothing_of_a_file_over_its_reject_budget_is_loaded(make_source: MakeSource):
    source = make_source(text="reject_budget: {share: 0.1}\n")
    source.put("events.jsonl", lines([event(1)]) + "{\n")
    [report] = source.load()
    [failure] = report.failures
    assert "1 of 2 records" in failure.message
    assert "invalid_json" in failure.message
    assert (source.bronze("1"), source.rejects("1")) == ([], [])


def test_an_overwritten_object_is_another_source_and_both_are_kept(make_source: MakeSource):
    source = make_source()
    source.put("events.jsonl", lines([event(1)]))
    source.load()
    source.put("events.jsonl", lines([event(1), event(2)]))
    source.load()
    assert sorted(entity for (entity,) in source.bronze("entity_id")) == ["PB-PGR-1", "PB-PGR-1", "PB-PGR-2"]
    assert [account.problems for account in source.accounts()] == ["", ""]


def test_an_object_that_is_overwritten_between_plan_and_read_is_left_to_the_next_plan(make_source: MakeSource):
    source = make_source()
    source.put("events.jsonl", lines([event(1)]))
    platform = source.platform

    class OverwrittenOnRead(ObjectStore):
        @contextlib.contextmanager
        def open_version(self, version: ObjectVersion) -> Iterator[BinaryIO]:
            source.put("events.jsonl", lines([event(2)]))
            with super().open_version(version) as stream:
                yield stream

    overtaken = dataclasses.replace(
        source, platform=dataclasses.replace(platform, store=OverwrittenOnRead(platform.store._client))
    )
    [report] = overtaken.load()
    assert (report.rows, [failure.is_terminal for failure in report.failures]) == (0, [False])
    assert source.bronze("1") == []
    [report] = source.load()
    assert report.failures == ()
    assert source.bronze("entity_id") == [("PB-PGR-2",)]
    assert [account.problems for account in source.accounts()] == [""]


def test_the_same_bytes_put_again_on_another_day_in_the_middle_of_a_load_do_not_double(make_source: MakeSource):
    source = make_source()
    source.put("events.jsonl", lines(event(number) for number in range(50)))
    platform = source.platform

    class Tomorrow(ObjectStore):
        def list_objects(self, *, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
            for version in super().list_objects(bucket=bucket, prefix=prefix):
                yield dataclasses.replace(version, last_modified=version.last_modified + timedelta(days=1))

    tomorrow = dataclasses.replace(
        source, platform=dataclasses.replace(platform, store=Tomorrow(platform.store._client))
    )
    second: list[int] = []
    [report] = source.load(
        on_staged=lambda _manifest: second.extend(again.units_already_recorded for again in tomorrow.load())
    )
    assert (second, report.units_already_recorded) == ([0], 1)
    assert len(source.bronze("1")) == 50
    assert [account.problems for account in source.accounts()] == [""]


def test_two_attempts_at_once_land_every_record_once(make_source: MakeSource):
    source = make_source()
    for number in range(3):
        source.put(f"events_{number}.jsonl", lines(event(number * 1000 + each) for each in range(1000)))
    platform = source.platform
    names = platform.settings.names
    [batch] = plan_files(source.contract, store=platform.store, ledger=Ledger(engine=platform.engine)).batches
    manifests = [
        stage_batch(
            batch.sources,
            contract=source.contract,
            table=platform.table,
            store=platform.store,
            engine=platform.engine,
            names=names,
        )
        for _ in range(2)
    ]
    protocol = LoadProtocol(
        engine=platform.engine, ledger=Ledger(engine=platform.engine), table=platform.table, names=names
    )
    with ThreadPoolExecutor(max_workers=2) as pool:
        reports = list(pool.map(lambda manifest: insert_through_conflicts(protocol, manifest), manifests))
    for manifest in manifests:
        drop_attempt(manifest.attempt, engine=platform.engine, store=platform.store, names=names)
    assert [report.rows for report in reports] == [3000, 3000]
    assert len(source.bronze("1")) == 3000
    assert {(account.ranges, account.problems) for account in source.accounts()} == {(1, "")}


def test_an_attempt_leaves_neither_staging_table_nor_spool(make_source: MakeSource):
    source = make_source()
    source.put("events.jsonl", lines([event(1)]))
    attempts: list[str] = []
    source.load(on_staged=lambda manifest: attempts.append(manifest.attempt))
    [attempt] = attempts
    bucket = source.platform.settings.names.bucket
    assert list(source.platform.store.list_objects(bucket=bucket, prefix=f"_spool/{attempt}")) == []
    assert (
        source.platform.rows(
            "select table_name from staging.information_schema.tables where table_name like ?", f"%{attempt}"
        )
        == []
    )


def test_a_key_that_is_not_there_is_an_error_that_names_bucket_and_key(make_source: MakeSource):
    source = make_source()
    with pytest.raises(ObjectNotFoundError, match=r"s3://.*/not-there\.jsonl"):
        source.load(pattern=f"{source.prefix}not-there.jsonl")


def test_rows_that_were_inserted_by_hand_are_kept_and_shown_as_that(make_source: MakeSource, platform: Platform):
    before = platform.rows(
        "select coalesce(sum(bronze_rows), 0) from iceberg.bronze.certificate where source_id is null"
    )
    platform.rows(
        f"insert into {BRONZE} (event_date, event_time, tenant_id, service, entity_type, entity_id, event_type, "
        "status, actor_type, actor_id, channel, ward_id, locality_id, attributes_json, raw_payload) values "
        "(date '2024-12-01', timestamp '2024-12-01 10:00:00', 'TENANT_001', 'PGR', 'complaint', 'CMP_001', "
        "'CaseSubmitted', 'OPEN', 'CITIZEN', 'CIT_001', 'WEB', 'WARD_001', 'LOC_001', '{}', null)"
    )
    after = platform.rows(
        "select sum(bronze_rows), max(problems) from iceberg.bronze.certificate where source_id is null"
    )
    assert after == [(before[0][0] + 1, "")]
