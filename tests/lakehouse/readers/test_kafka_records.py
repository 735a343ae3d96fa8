from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lakehouse.readers.json_block import JsonBlockJudge
from lakehouse.readers.judged_batch import JudgedBatch
from lakehouse.readers.kafka_records import block_of, with_messages
from tests.lakehouse.drain.doubles import SentMessage, contract_of


def judged(table, *messages: SentMessage, **contract: object) -> JudgedBatch:
    found = contract_of(**contract)
    batch = JsonBlockJudge(found, table).judge(block_of(messages, contract=found))
    return with_messages(batch, messages, contract=found)


def test_offsets_are_positions_with_whatever_is_missing_between_them(table):
    batch = judged(table, SentMessage(3, b'{"status": "OPEN"}'), SentMessage(7, b"{"), SentMessage(9))
    assert batch.rows.column("_position").to_pylist() == [3, 9]
    assert [reject.position for reject in batch.rejects] == [7]
    assert (batch.first_position, batch.next_position) == (3, 10)


def test_a_tombstone_is_told_from_an_empty_value(table):
    tombstone, empty = judged(table, SentMessage(0, None), SentMessage(1, b"")).rejects
    assert (tombstone.reason, tombstone.record) == ("empty_record", None)
    assert (empty.reason, empty.record) == ("empty_record", b"")


def test_of_a_value_over_the_limit_the_head_is_kept(table):
    [reject] = judged(table, SentMessage(0, b"x" * 200_000), max_record_bytes=1_000).rejects
    assert (reject.reason, reject.record_bytes, reject.record) == ("too_large", 200_000, b"x" * 65_536)


def test_of_a_value_over_the_limit_nothing_is_kept_that_may_be_personal(table):
    contract = {"max_record_bytes": 1_000, "scrub": ["citizen.name"]}
    [reject] = judged(table, SentMessage(0, b"x" * 2_000), **contract).rejects
    assert (reject.record, reject.record_bytes) == (None, 2_000)


def test_a_reject_keeps_key_time_and_the_headers_that_are_allowed(table):
    message = SentMessage(
        0,
        b"{",
        named=b"\xff",
        sent_with=(("trace", b"1"), ("authorization", b"secret"), ("trace", b"2\xff"), ("none", None)),
        moment=(1, 1_790_856_000_250),
    )
    [reject] = judged(table, message, origin={"headers": ["trace", "none"]}).rejects
    assert reject.key == b"\xff"
    assert reject.timestamp == datetime(2026, 10, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert reject.headers == '{"trace": "2\\\\xff", "none": null}'


@pytest.mark.parametrize(
    ("contract", "kept"),
    [
        ({}, b"9800000001"),
        ({"origin": {"keep_keys": False}}, None),
        ({"scrub": ["citizen"]}, None),
        ({"scrub_to_length": ["citizen.comment"]}, None),
        ({"scrub": ["citizen"], "origin": {"keep_keys": True}}, b"9800000001"),
    ],
)
def test_a_key_that_nothing_scrubs_is_kept_only_where_nothing_is_scrubbed_or_the_contract_allows_it(
    table, contract, kept
):
    [reject] = judged(table, SentMessage(0, b"{", named=b"9800000001"), **contract).rejects
    assert reject.key == kept


def test_a_message_without_time_and_headers_has_none(table):
    [reject] = judged(table, SentMessage(0, b"{", moment=(0, -1))).rejects
    assert (reject.timestamp, reject.headers) == (None, None)


@pytest.mark.parametrize("moment", [1_790_856_000_250_000, 1_790_856_000_250_000_000, -(2**62)])
def test_a_time_that_is_none_is_not_kept_and_stops_nobody(table, moment):
    """Some producers send micro- or nanoseconds, and not every broker refuses them."""
    [reject] = judged(table, SentMessage(0, b"{", moment=(1, moment))).rejects
    assert reject.timestamp is None
