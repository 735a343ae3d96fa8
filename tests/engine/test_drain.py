from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer
from confluent_kafka import TopicPartition as DriverPartition

from lakehouse.drain.assignment import AcceptedGap
from lakehouse.drain.errors import RetentionGapError
from lakehouse.drain.flush import FlushReport
from lakehouse.drain.limits import DrainWindow, FlushLimits
from lakehouse.load.ledger import Ledger
from lakehouse.load.offset_range import OffsetRange
from lakehouse.repair.unload import find_ranges
from tests.engine.conftest import Platform, event
from tests.engine.stream import Stream

pytestmark = pytest.mark.engine

MakeStream = Callable[..., Stream]


def events(numbers: range) -> list[dict[str, object]]:
    return [event(number) for number in numbers]


def snapshots(platform: Platform) -> list[int]:
    return [
        platform.rows(f'select count(*) from iceberg.bronze."{table}$snapshots"')[0][0]
        for table in ("service_events_raw", "rejects", "ledger", "sources")
    ]


def assert_clean(stream: Stream, *, read: int, rows: int | None = None) -> None:
    accounts = stream.accounts()
    assert [account.problems for account in accounts] == [""] * len(accounts)
    assert sum(account.records_read for account in accounts) == read
    assert sum(account.bronze_rows for account in accounts) == (read if rows is None else rows)


def commits_of_flush(before: list[int], after: list[int]) -> list[int]:
    return [count - earlier for earlier, count in zip(before, after, strict=True)]


def test_messages_are_in_bronze_once_however_often_they_are_drained(make_stream: MakeStream):
    stream = make_stream(partitions=3)
    for partition in range(3):
        stream.send(events(range(partition * 100, partition * 100 + 50)), partition=partition)
    first = stream.drain()
    assert (first.partitions, first.flushes, first.rows, first.rejects) == (3, 1, 150, 0)
    before = snapshots(stream.platform)
    second = stream.drain()
    assert (second.flushes, second.rows) == (0, 0)
    assert snapshots(stream.platform) == before
    assert stream.bronze("s.source, _position, entity_id") == [
        (f"kafka://{stream.topic}/{partition}", offset, f"PB-PGR-{partition * 100 + offset}")
        for partition in range(3)
        for offset in range(50)
    ]
    assert_clean(stream, read=150)


def test_partitions_that_share_a_merge_may_go_on_from_different_offsets(make_stream: MakeStream):
    stream = make_stream(partitions=2)
    stream.send([*events(range(60)), b"{"], partition=0)
    stream.drain()
    stream.send(events(range(60, 90)), partition=0)
    stream.send([b"{", *events(range(100, 170))], partition=1)
    report = stream.drain()
    assert (report.flushes, report.rows, report.rejects) == (1, 100, 1)
    assert_clean(stream, read=162, rows=160)


def test_a_flush_makes_one_commit_to_bronze_and_one_to_the_ledger(make_stream: MakeStream):
    stream = make_stream(partitions=3)
    stream.drain()
    for partition in range(3):
        stream.send(events(range(20)), partition=partition)
    before = snapshots(stream.platform)
    stream.drain()
    assert commits_of_flush(before, snapshots(stream.platform)) == [1, 0, 1, 0]


def test_group_offsets_tell_lag_tools_what_is_recorded_and_nothing_depends_on_them(make_stream: MakeStream):
    stream = make_stream()
    stream.send(events(range(10)))
    stream.drain()
    admin = stream.admin
    place = DriverPartition(stream.topic, 0)
    request = [ConsumerGroupTopicPartitions(stream.group, [place])]
    [committed] = admin.list_consumer_group_offsets(request)[stream.group].result().topic_partitions
    assert committed.offset == 10
    back = [ConsumerGroupTopicPartitions(stream.group, [DriverPartition(stream.topic, 0, 3)])]
    admin.alter_consumer_group_offsets(back)[stream.group].result()
    stream.send(events(range(10, 15)))
    stream.drain()
    admin.delete_consumer_groups([stream.group])[stream.group].result()
    stream.send(events(range(15, 20)))
    stream.drain()
    assert stream.bronze("_position, entity_id") == [(n, f"PB-PGR-{n}") for n in range(20)]
    assert_clean(stream, read=20)


def test_messages_that_no_row_can_be_made_of_are_rejects_and_hold_nothing_up(make_stream: MakeStream):
    stream = make_stream(
        origin=", headers: [traceparent]",
        text="max_record_bytes: 11MB\n",
        topic_settings={"max.message.bytes": "15000000"},
    )
    moment = datetime(2026, 10, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    good = json.dumps(event(1)).encode()
    huge = json.dumps(event(2, attributes_json={"text": "x" * 10_000_000})).encode()
    poison: list[tuple[bytes | None, str | None]] = [
        (None, "empty_record"),
        (b"", "empty_record"),
        (b"\xff\xfe{}", "not_utf8"),
        (b'{"event_time": "2026', "invalid_json"),
        (b"[1, 2]", "wrong_type"),
        (json.dumps(event(3, tenant_id=None)).encode(), "missing_field"),
        (json.dumps(event(4, event_time="soon")).encode(), "wrong_type"),
        (b'{"tenant_id": "a", ' + good[1:], "duplicate_field"),
        (json.dumps(event(5, unheard_of=1)).encode(), None),
        (huge, None),
        (huge + b" " * 1_100_000, "too_large"),
        (good, None),
    ]
    producer = Producer({**stream.settings, "message.max.bytes": 15_000_000})
    stream.send_with(
        producer,
        [value for value, _reason in poison],
        key=b"PB-\xff",
        timestamp=int(moment.timestamp() * 1000),
        headers=[("traceparent", b"00-1"), ("authorization", b"Bearer secret")],
    )
    report = stream.drain()
    found = dict(stream.rejects("record_position, reason"))
    assert found == {offset: reason for offset, (_value, reason) in enumerate(poison) if reason}
    assert report.rows == len(poison) - len(found)
    kept = stream.rejects("source, record_key, record_timestamp, record_headers, record")
    assert {row[:4] for row in kept} == {
        (
            f"kafka://{stream.topic}/0",
            b"PB-\xff",
            moment.replace(tzinfo=None),
            '{"traceparent": "00-1"}',
        )
    }
    assert [row[4] for row in kept][:3] == [None, b"", b"\xff\xfe{}"]
    assert_clean(stream, read=len(poison), rows=report.rows)


def test_only_committed_messages_are_read_and_markers_leave_no_hole(make_stream: MakeStream):
    stream = make_stream()
    producer = Producer({**stream.settings, "transactional.id": stream.topic})
    producer.init_transactions()

    def transact(numbers: range, *, commits: bool) -> None:
        producer.begin_transaction()
        stream.send_with(producer, events(numbers))
        producer.commit_transaction() if commits else producer.abort_transaction()

    transact(range(5), commits=True)
    transact(range(100, 103), commits=False)
    stream.drain()
    assert stream.ledger("first_position, next_position, records_read") == [(0, 0, 0), (0, 10, 5)]
    transact(range(200, 210), commits=False)
    stream.drain()
    assert stream.ledger("first_position, next_position, records_read")[-1] == (10, 21, 0)
    producer.begin_transaction()
    stream.send_with(producer, events(range(300, 305)))
    assert stream.drain().flushes == 0
    producer.commit_transaction()
    stream.drain()
    entities = [entity for (entity,) in stream.bronze("entity_id")]
    assert entities == [f"PB-PGR-{n}" for n in [*range(5), *range(300, 305)]]
    assert_clean(stream, read=10)


def test_what_compaction_removes_leaves_no_hole(make_stream: MakeStream):
    stream = make_stream(
        topic_settings={"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
    )
    cases = 5

    def send(numbers: range) -> None:
        for number in numbers:
            stream.send([event(number)], key=f"case-{number % cases}".encode())

    send(range(20))
    stream.drain()
    send(range(20, 60))
    # Newer messages of the same case have come after it.
    stream.wait_for_compaction(of=20)
    stream.drain()
    ranges = stream.ledger("first_position, next_position")
    assert ranges[0][0] == 0
    assert [first for first, _next in ranges[1:]] == [next_position for _first, next_position in ranges[:-1]]
    assert ranges[-1][1] == stream.end()
    entities = {entity for (entity,) in stream.bronze("entity_id")}
    # The newest of each case when a drain came is there, whatever was removed before or since.
    assert {f"PB-PGR-{number}" for number in [*range(20 - cases, 20), *range(60 - cases, 60)]} <= entities
    assert len(entities) < 60
    rows, fillers = len(stream.bronze("_position")), len(stream.rejects("record_position"))
    assert_clean(stream, read=rows + fillers, rows=rows)


def test_messages_deleted_before_they_were_read_stop_the_drain_until_somebody_accepts_it(make_stream: MakeStream):
    stream = make_stream()
    stream.send(events(range(20)))
    stream.drain()
    stream.send(events(range(20, 50)))
    stream.forget(before=30)
    with pytest.raises(RetentionGapError) as raised:
        stream.drain()
    assert f"kafka://{stream.topic}/0 offsets [20, 30)" in str(raised.value)
    stream.drain(accepted_gap=AcceptedGap(actor="on-call", reason="retention was too short"))
    kinds = stream.ledger("kind, first_position, next_position, records_read, actor, reason")
    assert kinds[2:] == [
        ("gap", 20, 30, 0, "on-call", "retention was too short"),
        ("load", 30, 50, 20, None, None),
    ]
    assert_clean(stream, read=40)


def test_a_contract_may_have_gaps_recorded(make_stream: MakeStream):
    stream = make_stream(origin=", on_gap: record")
    stream.send(events(range(10)))
    stream.drain()
    stream.send(events(range(10, 30)))
    stream.forget(before=20)
    stream.drain()
    assert [kind for (kind,) in stream.ledger("kind")] == ["load", "load", "gap", "load"]
    assert_clean(stream, read=20)


def test_a_topic_that_is_created_again_is_another_source(make_stream: MakeStream):
    stream = make_stream()
    stream.send(events(range(20)))
    stream.drain()
    stream.delete()
    stream.create()
    stream.send(events(range(100, 130)))
    stream.drain()
    accounts = stream.accounts()
    assert sorted((account.bronze_rows, account.problems) for account in accounts) == [(20, ""), (30, "")]
    assert len({account.source_id for account in accounts}) == 2
    # Offsets that both have mean those of the topic that is there now.
    [named] = find_ranges(
        stream.contract.name,
        target=stream.contract.target,
        engine=stream.platform.engine,
        ledger=Ledger(engine=stream.platform.engine),
        offsets=OffsetRange(f"kafka://{stream.topic}/0", 0, 30),
    )
    assert (named.rows, named.source_id) == (30, max(accounts, key=lambda account: account.bronze_rows).source_id)


def test_what_is_read_of_a_topic_that_is_replaced_meanwhile_is_not_taken_for_the_old_one(make_stream: MakeStream):
    stream = make_stream()
    stream.send(events(range(20)))
    stream.drain()
    stream.send(events(range(20, 25)))
    replaced = []

    def replace_once(step: str) -> None:
        if step == "judged" and not replaced:
            replaced.append(step)
            stream.delete()
            stream.create()
            stream.send(events(range(100, 150)))

    stream.drain(on_step=replace_once)
    accounts = stream.accounts()
    assert sorted((account.bronze_rows, account.problems) for account in accounts) == [(20, ""), (50, "")]


def test_partitions_that_are_added_are_read_from_their_first_message_on(make_stream: MakeStream):
    stream = make_stream(origin=", start: latest")
    stream.drain()
    stream.send(events(range(10)))
    seen = []

    def on_flush(report: FlushReport) -> None:
        seen.append(report)
        if len(seen) == 1:
            stream.add_partitions(2)
            stream.send(events(range(100, 110)), partition=1)
        if sum(flush.rows for flush in seen) == 20:
            drain._stop.set()

    drain = stream.make_drain(on_flush=on_flush, look_seconds=0.5, window=DrainWindow(seconds=120))
    drain.run()
    assert [entity for (entity,) in stream.bronze("entity_id")] == [
        f"PB-PGR-{n}" for n in [*range(10), *range(100, 110)]
    ]
    assert_clean(stream, read=20)


def test_two_drains_of_one_partition_load_every_message_once(make_stream: MakeStream):
    stream = make_stream()
    stream.send(events(range(3_000)))
    sizes = (400, 700)
    with ThreadPoolExecutor(max_workers=2) as pool:
        drains = [
            pool.submit(stream.drain, limits=FlushLimits(records=size, seconds=60), engine=new_engine(stream))
            for size in sizes
        ]
        reports = [drain.result() for drain in drains]
    assert sum(report.rows for report in reports) >= 3_000
    assert [position for (position,) in stream.bronze("_position")] == list(range(3_000))
    assert_clean(stream, read=3_000)


def new_engine(stream: Stream):
    from lakehouse.engine import TrinoEngine, connect_with  # noqa: PLC0415

    return TrinoEngine(connect_with(stream.platform.settings, source="tests"))


@pytest.mark.parametrize(("start", "expected"), [("earliest", [0, 1, 2, 3, 4]), ("latest", []), ("group", [3, 4])])
def test_a_partition_that_was_never_read_begins_where_its_contract_says(
    make_stream: MakeStream, start: str, expected: list[int]
):
    stream = make_stream(origin=f", start: {start}")
    stream.send(events(range(5)))
    consumer = Consumer({**stream.settings, "group.id": stream.group})
    consumer.commit(offsets=[DriverPartition(stream.topic, 0, 3)], asynchronous=False)
    consumer.close()
    stream.drain()
    assert [position for (position,) in stream.bronze("_position")] == expected
    stream.send(events(range(5, 7)))
    stream.drain()
    assert [position for (position,) in stream.bronze("_position")] == [*expected, 5, 6]
    assert_clean(stream, read=len(expected) + 2)


def test_a_start_at_a_moment_is_the_first_message_that_is_not_older(make_stream: MakeStream):
    stream = make_stream(origin=", start: '2026-10-02T00:00:00Z'")
    for day in (1, 2, 3):
        moment = datetime(2026, 10, day, tzinfo=UTC)
        stream.send([event(day)], timestamp=int(moment.timestamp() * 1000))
    stream.drain()
    assert [position for (position,) in stream.bronze("_position")] == [1, 2]


def test_whoever_still_reads_in_the_group_is_named(make_stream: MakeStream, caplog: pytest.LogCaptureFixture):
    stream = make_stream()
    stream.send(events(range(5)))
    old = Consumer({**stream.settings, "group.id": stream.group, "client.id": "old-consumer"})
    old.subscribe([stream.topic])
    while not old.assignment():
        old.poll(0.1)
    with caplog.at_level(logging.WARNING):
        stream.drain()
    old.close()
    assert any("old-consumer" in record.getMessage() for record in caplog.records)
    assert_clean(stream, read=5)


def test_a_drain_to_the_end_ends_though_messages_keep_coming(make_stream: MakeStream):
    stream = make_stream()
    stream.send(events(range(10)))
    producer = Producer({**stream.settings, "linger.ms": 0})
    sent = []

    def on_step(step: str) -> None:
        sent.append(step)
        stream.send_with(producer, [event(len(sent))])

    report = stream.drain(on_step=on_step)
    assert report.rows >= 10
    assert report.flushes <= 2
