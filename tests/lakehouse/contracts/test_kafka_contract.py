from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.contracts import ContractError, KafkaContract, load_contract, load_contracts
from lakehouse.contracts.kafka_contract import OnGap, StartPosition

MINIMAL = """\
name: {name}
kind: kafka
from: {{{origin}, group: bronze-ingestion}}
target: iceberg.bronze.service_events_raw
"""


@pytest.fixture
def load(write, tables):
    """Load a Kafka contract of a topic, with some lines added."""

    def load(origin: str = "topic: pgr-events", added: str = "") -> KafkaContract:
        text = MINIMAL.format(name="pgr_events", origin=origin) + added
        contract = load_contract(write(text, name="pgr_events"), tables, environment={})
        assert isinstance(contract, KafkaContract)
        return contract

    return load


def test_a_minimal_contract_has_the_documented_defaults(load):
    contract = load()

    assert contract.origin.start is StartPosition.EARLIEST
    assert contract.origin.on_gap is OnGap.STOP
    assert contract.origin.headers == ()
    assert contract.batch.records == 200_000
    assert contract.batch.interval == timedelta(seconds=5)
    assert contract.reject_budget.share == 1
    assert contract.schedule is None
    assert contract.by_event() == (contract,)


def test_a_start_may_be_a_moment(load):
    contract = load("topic: pgr-events, start: '2026-11-01T00:00:00+05:30'")

    assert contract.origin.start == datetime(2026, 10, 31, 18, 30, tzinfo=UTC)


def test_a_pattern_takes_whole_names_of_topics(load):
    origin = load("pattern: 'pgr-.+'").origin

    assert origin.matches("pgr-events")
    assert not origin.matches("old-pgr-events")
    assert not origin.matches("pgr-")


@pytest.mark.parametrize(
    ("origin", "added", "key", "said"),
    [
        ("topic: a, pattern: b", "", "from", "Give one of the two"),
        ("start: latest", "", "from", "Give one of the two"),
        ("topic: a b", "", "from.topic", "Not the name of a topic"),
        ("topic: ..", "", "from.topic", "Not the name of a topic"),
        ("pattern: '('", "", "from.pattern", "Not a regular expression"),
        ("topic: a, start: soon", "", "from.start", "Neither earliest, latest, group nor a time"),
        ("topic: a, start: '2026-11-01T00:00:00'", "", "from.start", "with its offset"),
        ("topic: a, start: 1700000000", "", "from.start", "with its offset"),
        ("topic: a, on_gap: skip", "", "from.on_gap", "'skip' is not 'stop' or 'record'"),
        ("topic: a, isolation: read_uncommitted", "", "from.isolation", "no such key"),
        ("topic: a", "batch: {interval: 0s}", "batch.interval", "No time at all"),
        ("topic: a", "batch: {intervall: 5s}", "batch.intervall", "Did you mean interval?"),
        ("topic: a", "events: {opened: {}}", "events", "kind kafka has no such key"),
    ],
)
def test_a_problem_names_its_key_and_what_to_do(load, origin, added, key, said):
    with pytest.raises(ContractError) as caught:
        load(origin, added + "\n")

    (problem,) = caught.value.problems
    assert problem.key == key
    assert said in str(problem)


def test_headers_that_may_be_kept_decide_a_verdict_and_the_group_does_not(load):
    one = load("topic: a, headers: [x, y]")

    assert one.fingerprint == load("topic: b, headers: [y, x], start: latest").fingerprint
    assert one.fingerprint != load("topic: a").fingerprint


@pytest.mark.parametrize(
    ("one", "other", "is_taken_twice"),
    [
        ("topic: a", "topic: a", True),
        ("topic: a", "topic: b", False),
        ("topic: a", "pattern: '[ab]'", True),
        ("pattern: '[bc]'", "topic: a", False),
        ("pattern: '[bc]'", "pattern: '[bc]'", True),
    ],
)
def test_contracts_overlap_when_they_take_one_topic(load, one, other, is_taken_twice):
    assert load(one).overlaps(load(other)) is is_taken_twice
    assert load(other).overlaps(load(one)) is is_taken_twice


def test_two_contracts_that_take_one_topic_are_a_problem(write, tables, tmp_path):
    for name in ("one", "other"):
        write(MINIMAL.format(name=name, origin="topic: a"), name=name)

    with pytest.raises(ContractError, match="one takes some of the same topics"):
        load_contracts(tmp_path, tables)
