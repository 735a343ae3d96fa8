from __future__ import annotations

import json

import pytest

from feed import COLUMNS, Options, generate
from feed.defects import Defect, Reason
from feed.encoders.message_encoder import BronzeMessageEncoder
from tests.feed.independent_reader import judged


@pytest.fixture(scope="module")
def event():
    return next(generate(Options(events=1)))


def test_a_message_has_the_columns_of_bronze_with_the_attributes_as_an_object(event):
    value = json.loads(BronzeMessageEncoder().encode(event).value)
    assert list(value) == list(COLUMNS)
    assert value["attributes_json"]["event_id"] == event.event_id
    assert value["raw_payload"] is None


def test_the_key_names_the_case_alone_whatever_the_value_is(event):
    encoder = BronzeMessageEncoder()
    key = f"{event.case.tenant.tenant_id}/{event.case.entity_id}".encode()
    assert {encoder.encode_damaged(event, defect).key for defect in encoder.defects} == {key}
    assert encoder.encode(event).key == key


def test_every_damaged_message_is_refused_for_its_reason(event):
    encoder = BronzeMessageEncoder()
    for defect in encoder.defects:
        value = encoder.encode_damaged(event, defect).value
        if not value:
            assert defect.reason is Reason.EMPTY_RECORD
        else:
            assert judged(value + b"\n", "jsonl") == [defect.reason]


def test_a_tombstone_has_no_value_and_an_empty_message_an_empty_one(event):
    encoder = BronzeMessageEncoder()
    assert encoder.encode_damaged(event, Defect.TOMBSTONE).value is None
    assert encoder.encode_damaged(event, Defect.EMPTY_VALUE).value == b""
