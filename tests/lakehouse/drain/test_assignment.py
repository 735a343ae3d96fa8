from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lakehouse.broker import TopicPartition
from lakehouse.drain.assignment import AcceptedGap, assign_partitions
from lakehouse.drain.errors import LogTruncatedError, RetentionGapError
from tests.lakehouse.drain.doubles import MOMENT, MemoryBroker, MemoryPositions, contract_of, identity_of


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def positions() -> MemoryPositions:
    return MemoryPositions()


def assign(contract, broker, positions, **options):
    return {
        partition.key: partition.position
        for partition in assign_partitions(
            contract, broker=broker, positions=positions, clock=lambda: MOMENT, **options
        )
    }


def test_reading_goes_on_where_the_ledger_ends(broker, positions):
    broker.add("visits", (0, 100), (0, 50))
    positions.record(identity_of(0), 40)
    positions.record(identity_of(1), 50)
    assert assign(contract_of(), broker, positions) == {("visits", 0): 40, ("visits", 1): 50}
    assert positions.starts == []


@pytest.mark.parametrize(
    ("start", "position", "reason"),
    [
        ("earliest", 7, "start: earliest"),
        ("latest", 100, "start: latest"),
        ("group", 30, "start: group"),
        (datetime(2026, 11, 1, tzinfo=UTC), 60, "start: 2026-11-01T00:00:00+00:00"),
    ],
)
def test_a_partition_without_a_ledger_row_begins_where_its_contract_says(
    broker, positions, start, position, reason
):
    broker.add("visits", (7, 100))
    broker.group_offsets[TopicPartition("visits", 0)] = 30
    broker.at_moment[TopicPartition("visits", 0)] = 60
    assert assign(contract_of(origin={"start": start}), broker, positions) == {("visits", 0): position}
    assert [(begun.position, begun.reason) for begun in positions.starts] == [(position, reason)]


@pytest.mark.parametrize("committed", [None, 101])
def test_without_an_offset_of_its_group_that_the_log_has_a_partition_begins_at_the_earliest(
    broker, positions, committed
):
    broker.add("visits", (7, 100))
    if committed is not None:
        broker.group_offsets[TopicPartition("visits", 0)] = committed
    assert assign(contract_of(origin={"start": "group"}), broker, positions) == {("visits", 0): 7}


def test_an_offset_of_the_group_that_was_deleted_by_now_is_a_gap(broker, positions):
    broker.add("visits", (7, 100))
    broker.group_offsets[TopicPartition("visits", 0)] = 3
    with pytest.raises(RetentionGapError, match=r"kafka://visits/0 offsets \[3, 7\)"):
        assign(contract_of(origin={"start": "group"}), broker, positions)


@pytest.mark.parametrize("start", ["latest", "group"])
def test_what_is_added_to_a_source_that_has_begun_is_read_from_its_first_message_on(broker, positions, start):
    broker.add("visits", (0, 100), (0, 50))
    broker.group_offsets[TopicPartition("visits", 1)] = 20
    positions.record(identity_of(0), 40)
    contract = contract_of(origin={"start": start})
    assert assign(contract, broker, positions) == {("visits", 0): 40, ("visits", 1): 0}


def test_a_topic_of_another_id_is_another_source(broker, positions):
    positions.record(identity_of(0, topic_id="old"), 40)
    broker.add("visits", (0, 10), topic_id="new")
    assert assign(contract_of(), broker, positions) == {("visits", 0): 0}


def test_a_pattern_takes_every_topic_that_it_matches(broker, positions):
    broker.add("pgr-a", (0, 1), topic_id="a")
    broker.add("pgr-b", (0, 1), topic_id="b")
    broker.add("other", (0, 1), topic_id="c")
    found = assign(contract_of(origin={"pattern": "pgr-.*"}), broker, positions)
    assert set(found) == {("pgr-a", 0), ("pgr-b", 0)}


def test_a_topic_that_is_not_there_yet_has_no_partitions(broker, positions):
    assert assign(contract_of(), broker, positions) == {}


def test_messages_that_were_deleted_before_they_were_read_stop_the_drain(broker, positions):
    broker.add("visits", (30, 100), (0, 50))
    positions.record(identity_of(0), 20)
    positions.record(identity_of(1), 0)
    with pytest.raises(RetentionGapError) as raised:
        assign(contract_of(), broker, positions)
    assert [(gap.source, gap.first, gap.next_position) for gap in raised.value.missing] == [
        ("kafka://visits/0", 20, 30)
    ]
    assert positions.gaps == []


@pytest.mark.parametrize(
    ("on_gap", "accepted", "actor"),
    [("stop", AcceptedGap(actor="on-call", reason="known"), "on-call"), ("record", None, "contract")],
)
def test_an_accepted_gap_is_recorded_and_read_on_behind(broker, positions, on_gap, accepted, actor):
    broker.add("visits", (30, 100))
    positions.record(identity_of(0), 20)
    contract = contract_of(origin={"on_gap": on_gap})
    assert assign(contract, broker, positions, accepted_gap=accepted) == {("visits", 0): 30}
    assert [(gap.first, gap.next_position, by) for gap, by, _why in positions.gaps] == [(20, 30, actor)]


def test_a_gap_ends_where_a_recorded_range_begins(broker, positions):
    broker.add("visits", (30, 100))
    positions.record(identity_of(0), 20, until=25)
    accepted = AcceptedGap(actor="on-call", reason="known")
    assign(contract_of(), broker, positions, accepted_gap=accepted)
    assert [(gap.first, gap.next_position) for gap, _by, _why in positions.gaps] == [(20, 25)]


def test_a_log_that_ends_before_its_recorded_position_stops_the_drain(broker, positions):
    broker.add("visits", (0, 10))
    positions.record(identity_of(0), 20)
    with pytest.raises(LogTruncatedError, match="ends at offset 10, but is recorded up to 20"):
        assign(contract_of(), broker, positions)


def test_a_drain_of_some_partitions_takes_no_others(broker, positions):
    broker.add("visits", (0, 100), (0, 50))
    positions.record(identity_of(0), 0)
    positions.record(identity_of(1), 0)
    only = {identity_of(1).proposed_source_id}
    assert assign(contract_of(), broker, positions, only=only) == {("visits", 1): 0}
