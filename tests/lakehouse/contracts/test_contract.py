from __future__ import annotations

import pytest

from lakehouse.contracts import load_contract
from lakehouse.paths import CONTRACTS

PLAIN_CSV = r'{"delimiter": ",", "encoding": "utf-8", "quote": "\"", "skip_lines": 0}'


@pytest.mark.parametrize(
    "added",
    [
        "description: something else",
        "owner: somebody",
        "schedule: '0 3 * * *'",
        "freshness: 7d",
        "batch: {records: 5}",
        "reject_budget: {share: 1}",
        "csv: {delimiter: ','}",
        "times: {zone: UTC}",
    ],
)
def test_the_fingerprint_stays_when_no_verdict_can_change(load, added):
    assert load(added + "\n").fingerprint == load().fingerprint


@pytest.mark.parametrize(
    "added",
    [
        "nulls: ['']",
        "times: {zone: Asia/Kolkata}",
        "times: {formats: [epoch_ms, iso8601]}",
        "columns: {tenant_id: {required: true}}",
        "columns: {channel: {from: source}}",
        "columns: {channel: {map: {a: b}}}",
        "unknown_columns: reject",
        "max_record_bytes: 1MB",
        "csv: {delimiter: ';'}",
        "csv: {encoding: latin-1}",
        "events: {closed: {columns: {status: {value: CLOSED}}}}",
    ],
)
def test_the_fingerprint_changes_with_what_decides_a_verdict(load, added):
    assert load(added + "\n").fingerprint != load().fingerprint


def test_the_fingerprint_is_sixteen_hexadecimal_characters(load):
    assert len(load().fingerprint) == 16
    assert set(load().fingerprint) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("name", "fingerprint", "framing"),
    [
        ("boston_311_csv", "2bca7b205f41b362", f'["csv", {PLAIN_CSV}, "submitted", "closed"]'),
        ("pgr_events_csv", "97f9dfb6a7fbb2f3", f'["csv", {PLAIN_CSV}]'),
        ("pgr_events_jsonl", "68e6f364a62f70b8", '["jsonl", {}]'),
        ("pgr_events_parquet", "19b1b14b805a4c3a", '["parquet", {}]'),
    ],
)
def test_what_shipped_contracts_are_known_by_does_not_change_between_releases(name, fingerprint, framing, tables):
    # Rows that exist carry both; another framing would keep a half-loaded file from going on. A contract that is
    # changed on purpose has another fingerprint: write it here.
    contract = load_contract(CONTRACTS / f"{name}.yaml", tables, environment={})

    assert contract.fingerprint == fingerprint
    assert contract.framing == framing


JSON = "name: parking_fines\nkind: rows\ntarget: iceberg.bronze.service_events_raw\n"


@pytest.mark.parametrize(
    "parts",
    [
        ["scrub: [a]", "scrub: [a]\nscrub_except: [a.b]", "scrub: [a]\nscrub_to_length: [a.b]"],
        [
            "columns: {channel: {from: a}}",
            "columns: {channel: {from: [a]}}",
            "columns: {channel: {from: [a, b]}}",
            "columns: {channel: {from: [b, a]}}",
        ],
        [
            "columns: {channel: {map: {a: b}}}",
            "columns: {channel: {map: {a: c}}}",
            "columns: {channel: {map: {a: b}, unmapped: keep}}",
        ],
        # Members stand in the text in their order.
        [
            "columns: {channel: {object: {a: a, b: b}}}",
            "columns: {channel: {object: {b: b, a: a}}}",
            "columns: {channel: {object: {a: b, b: a}}}",
        ],
    ],
)
def test_each_way_to_make_a_value_has_a_fingerprint_of_its_own(write, tables, parts):
    fingerprints = {load_contract(write(f"{JSON}{part}\n"), tables).fingerprint for part in ["", *parts]}

    assert len(fingerprints) == len(parts) + 1


def test_what_later_keys_leave_unsaid_is_nothing_to_the_fingerprint(load):
    columns = "columns: {status: {required: true}}\nevents: {opened: {columns: {channel: {default: WEB}}}}\n"

    assert load(f"scrub_except: []\nscrub_to_length: []\n{columns}").fingerprint == load(columns).fingerprint


def test_the_order_in_which_columns_are_written_is_nothing_to_the_fingerprint(load):
    one = load("columns: {status: {required: true}, channel: {default: WEB}}\n")
    other = load("columns: {channel: {default: WEB}, status: {required: true}}\n")

    assert one.fingerprint == other.fingerprint


def test_the_fingerprint_stays_when_the_landing_prefix_moves(load):
    contract = load()
    moved = contract.origin.model_copy(update={"bucket": "pune", "key": "landing/*.csv"})

    assert contract.model_copy(update={"origin": moved}).fingerprint == contract.fingerprint


@pytest.mark.parametrize(
    ("bucket", "key", "matches"),
    [
        ("warehouse", "staging/parking_1.csv", True),
        ("other", "staging/parking_1.csv", False),
        ("warehouse", "staging/deeper/parking_1.csv", False),
        ("warehouse", "staging/parking_1.jsonl.csv", True),
        ("warehouse", "staging/parking_1.csv.gz", False),
    ],
)
def test_an_object_is_a_sources_by_bucket_and_key(load, bucket, key, matches):
    assert load().matches(bucket, key) is matches


def test_a_key_that_names_another_format_last_is_not_taken(load):
    contract = load().model_copy(
        update={"origin": load().origin.model_copy(update={"key": "staging/parking_*.csv*"})}
    )

    assert contract.matches("warehouse", "staging/parking_1.csv.zst")
    assert not contract.matches("warehouse", "staging/parking_1.csv.jsonl")


def test_the_order_of_events_decides_what_a_position_is(load):
    one = load("events: {opened: {}, closed: {when: closed_dt}}\n")
    other = load("events: {closed: {when: closed_dt}, opened: {}}\n")

    assert len({one.framing, other.framing, load().framing}) == 3


def test_the_columns_of_an_event_go_before_those_that_all_share(load):
    contract = load(
        "columns: {status: {value: A}, channel: {value: B}}\nevents: {closed: {columns: {status: {value: C}}}}\n"
    )

    (closed,) = contract.by_event()

    assert (closed.rule("status").value, closed.rule("channel").value) == ("C", "B")


def test_a_contract_cannot_be_changed(load):
    with pytest.raises(ValueError, match="frozen"):
        load().name = "another"
