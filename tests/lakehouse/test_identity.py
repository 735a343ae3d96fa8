from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.identity import ObjectVersion, RowsRequest, day_prefix, digest, framing_mark, load_id, new_attempt

ID = re.compile(r"[0-9a-v]{16}")
MOMENT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
VERSION = ObjectVersion(
    bucket="warehouse",
    key="staging/pgr_events_1.csv",
    etag="d41d8cd98f00b204e9800998ecf8427e",
    size=12,
    last_modified=MOMENT,
)
days = st.dates(min_value=date(1970, 1, 1), max_value=date(4000, 1, 1))
moments = st.builds(datetime.fromtimestamp, st.integers(0, 2**36), st.just(UTC))
versions = st.builds(
    ObjectVersion,
    bucket=st.text(),
    key=st.text(),
    etag=st.text(),
    size=st.integers(0, 2**63),
    last_modified=moments,
)
load_inputs = st.fixed_dictionaries(
    {
        "source_id": st.text(alphabet="0123456789abcdefghijklmnopqrstuv", min_size=16, max_size=16),
        "first": st.integers(0, 2**40),
        "next_position": st.integers(0, 2**40),
        "fingerprint": st.text(alphabet="0123456789abcdef", min_size=16, max_size=16),
        "framing": st.text(),
        "columns": st.text(),
    }
)
INPUTS = {
    "source_id": "0k9cj09f9966oucd",
    "first": 0,
    "next_position": 10,
    "fingerprint": "0123456789abcdef",
    "framing": '["jsonl", {}]',
    "columns": "event_date date, service varchar",
}


def test_ids_do_not_change_between_releases():
    # Another id for what is loaded already would load every source a second time.
    assert VERSION.digest == "j09f9966oucd"
    assert VERSION.proposed_source_id == "0k9cj09f9966oucd"
    assert framing_mark(INPUTS["framing"]) == "o5l"
    assert load_id(**INPUTS) == "0k9cfmtvbomtao5l"


def test_identity_of_a_version_does_not_change_between_releases():
    assert VERSION.identity == (
        '{"bucket": "warehouse", "etag": "d41d8cd98f00b204e9800998ecf8427e", '
        '"key": "staging/pgr_events_1.csv", "size": 12}'
    )


@given(versions)
def test_source_id_is_sixteen_characters_that_a_table_name_may_hold(version):
    assert ID.fullmatch(version.proposed_source_id)


@given(load_inputs)
def test_load_id_is_sixteen_characters_that_begin_with_the_day_of_its_source(inputs):
    name = load_id(**inputs)
    assert ID.fullmatch(name)
    assert name[:4] == inputs["source_id"][:4]


@given(days, days)
def test_day_prefixes_sort_like_days(one, other):
    assert (day_prefix(one) < day_prefix(other)) == (one < other)
    assert (day_prefix(one) == day_prefix(other)) == (one == other)


def test_source_ids_sort_by_the_day_in_utc():
    evening_in_utc = VERSION.last_modified.replace(hour=20)
    next_morning_in_india = evening_in_utc.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert next_morning_in_india.date() != evening_in_utc.date()
    assert (
        replace(VERSION, last_modified=next_morning_in_india).proposed_source_id
        == replace(VERSION, last_modified=evening_in_utc).proposed_source_id
    )
    later = replace(VERSION, last_modified=MOMENT + timedelta(days=1))
    assert later.proposed_source_id > VERSION.proposed_source_id


@given(versions, moments)
def test_digest_and_identity_do_not_depend_on_the_day_of_upload(version, other_moment):
    again = replace(version, last_modified=other_moment)
    assert again.digest == version.digest
    assert again.identity == version.identity


@given(versions, versions)
def test_versions_that_differ_in_any_field_differ_in_digest_and_identity(one, other):
    is_same = (one.bucket, one.key, one.etag, one.size) == (other.bucket, other.key, other.etag, other.size)
    assert (one.digest == other.digest) == is_same
    assert (one.identity == other.identity) == is_same


@pytest.mark.parametrize(
    "other",
    [
        {"bucket": "other"},
        {"key": "staging/pgr_events_2.csv"},
        {"etag": "900150983cd24fb0d6963f7d28e17f72"},
        {"size": 13},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_the_identity_counts(other):
    changed = replace(VERSION, **other)
    assert changed.digest != VERSION.digest
    assert json.loads(changed.identity) == json.loads(VERSION.identity) | other


@given(st.lists(st.text(), min_size=2, max_size=4))
def test_parts_of_a_digest_do_not_run_into_each_other(parts):
    assert digest(*parts) != digest("".join(parts[:2]), *parts[2:])
    assert digest(*parts) != digest(",".join(parts[:2]), *parts[2:])


def test_number_and_its_text_have_different_digests():
    assert digest("object", 12) != digest("object", "12")


def test_key_with_an_unpaired_surrogate_has_a_digest():
    assert digest("object", "\udc80") != digest("object", "\udc81")


@given(load_inputs, load_inputs)
def test_load_id_is_the_same_for_every_attempt_and_no_other_load(one, other):
    assert load_id(**one) == load_id(**one)
    assert (load_id(**one) == load_id(**other)) == (one == other)


@pytest.mark.parametrize(
    "other",
    [
        {"source_id": "0k9cj09f9966oucc"},
        {"first": 1},
        {"next_position": 11},
        {"fingerprint": "f" * 16},
        {"framing": '["csv", {}]'},
        {"columns": "event_date date"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_input_of_a_load_id_counts(other):
    assert load_id(**(INPUTS | other)) != load_id(**INPUTS)


@given(load_inputs)
def test_load_id_ends_in_the_framing_of_its_source(inputs):
    # Verify tells by it rows of an attempt that cut the same bytes into other records.
    assert load_id(**inputs)[-3:] == framing_mark(inputs["framing"])


def test_attempts_of_one_moment_have_names_of_their_own():
    names = {new_attempt(now=MOMENT) for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(r"20261123_090000_[0-9a-f]{16}", name) for name in names)


def test_attempt_is_named_in_utc():
    assert new_attempt(now=MOMENT.astimezone(timezone(timedelta(hours=-8)))).startswith("20261123_090000_")


REQUEST = RowsRequest(
    source="typed_rows", idempotency_key="form-1", rows_sha256="0" * 64, size=120, received_at=MOMENT
)
requests = st.builds(
    RowsRequest,
    source=st.text(),
    idempotency_key=st.text(),
    rows_sha256=st.text(),
    size=st.integers(0, 2**63),
    received_at=moments,
)


def test_ids_of_requests_do_not_change_between_releases():
    assert REQUEST.digest == "sq031phuaqjh"
    assert REQUEST.identity == f'{{"key": "form-1", "rows_sha256": "{"0" * 64}", "source": "typed_rows"}}'


@given(requests, requests)
def test_requests_are_one_source_only_under_one_key_of_one_contract(one, other):
    is_same = (one.source, one.idempotency_key) == (other.source, other.idempotency_key)
    assert (one.digest == other.digest) == is_same
    assert ID.fullmatch(one.proposed_source_id)


def test_same_key_with_other_rows_claims_the_same_source_under_another_identity():
    other = replace(REQUEST, rows_sha256="1" * 64)
    assert other.digest == REQUEST.digest
    assert other.identity != REQUEST.identity


def test_request_that_comes_again_is_the_same_source():
    again = replace(REQUEST, received_at=MOMENT + timedelta(days=3))
    assert (again.digest, again.identity) == (REQUEST.digest, REQUEST.identity)


def test_object_and_request_of_the_same_names_are_two_sources():
    assert digest("object", "a", "b") != digest("request", "a", "b")
    assert (VERSION.kind, REQUEST.kind) == ("object", "request")
