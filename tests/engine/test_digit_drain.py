"""DIGIT's own topics, drained by the shipped contract: nothing personal is stored, spooled or told on the way."""

from __future__ import annotations

import copy
import io
import json
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq
import pytest

from lakehouse.broker import broker_settings
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.drain.drain import DrainReport
from lakehouse.identity import SPOOL_PREFIX
from lakehouse.sources import read_source
from tests.engine.conftest import Platform
from tests.engine.stream import Stream
from tests.lakehouse.test_digit_pgr_kafka import MESSAGE, PERSONAL, of

pytestmark = pytest.mark.engine

LARGEST = 10_000
SENT_WITH = {"key": b"9800000001", "headers": [("authorization", b"Bearer SECRET-token")]}


@dataclass(frozen=True)
class DigitTopic(Stream):
    """One of the topics that a pattern takes."""

    name: str = ""

    @property
    def topic(self) -> str:
        return self.name


@dataclass(frozen=True)
class DigitTopics:
    """The topics of one state of its own, which the shipped contract reads under another name."""

    saved: DigitTopic
    updated: DigitTopic

    def drain(self, **options: object) -> DrainReport:
        return self.saved.drain(**options)


@pytest.fixture
def digit(platform: Platform, stack_environment: dict[str, str]) -> DigitTopics:
    # With digits, no prefix of a state: nobody but this test takes it for one.
    state = f"t{uuid.uuid4().hex[:8]}0"
    contract = read_source("digit_pgr_kafka", kind=KafkaContract).contract
    origin = contract.origin.model_copy(
        update={"pattern": f"^({state}-)?(save|update)-pgr-request$", "group": state}
    )
    contract = contract.model_copy(update={"name": f"test_{state}", "origin": origin, "max_record_bytes": LARGEST})
    saved, updated = (
        DigitTopic(
            platform=platform,
            contract=contract,
            contract_path=None,
            settings=broker_settings(stack_environment),
            name=f"{state}-{kind}-pgr-request",
        )
        for kind in ("save", "update")
    )
    return DigitTopics(saved=saved, updated=updated)


def spooled(platform: Platform) -> dict[str, str]:
    """The text of every object in the spool."""
    bucket, found = platform.settings.names.bucket, {}
    for version in platform.store.list_objects(bucket=bucket, prefix=SPOOL_PREFIX):
        content = platform.store.get(bucket=bucket, key=version.key)
        is_parquet = version.key.endswith(".parquet")
        found[version.key] = (
            repr(pq.read_table(io.BytesIO(content)).to_pylist()) if is_parquet else content.decode()
        )
    return found


def stored(stream: Stream) -> Iterator[str]:
    """The text of everything that the tables have of a source."""
    yield repr(stream.bronze("*"))
    yield repr(stream.rejects("*"))
    yield repr(stream.ledger("*"))


def test_topics_of_a_pattern_are_drained_and_nothing_personal_is_kept_of_them(
    digit: DigitTopics, caplog: pytest.LogCaptureFixture
):
    broken = copy.deepcopy(MESSAGE)
    broken["service"]["auditDetails"]["lastModifiedTime"] = "yesterday"
    truncated = json.dumps(MESSAGE).encode()[:-20]
    too_large = json.dumps(MESSAGE).encode() + b" " * LARGEST
    digit.saved.create(partitions=2)
    digit.saved.send([of("APPLY", "PENDINGFORASSIGNMENT"), truncated], **SENT_WITH)
    digit.saved.send([of("TRANSFER", "PENDINGATLME"), None], partition=1, **SENT_WITH)
    digit.updated.create()
    digit.updated.send([of("ASSIGN", "PENDINGATLME"), broken, b"", b"\xff", too_large], **SENT_WITH)
    spool: dict[str, str] = {}

    def look_into_spool(step: str) -> None:
        if step == "staged":
            spool.update(spooled(digit.saved.platform))

    with caplog.at_level(logging.DEBUG):
        report = digit.drain(on_step=look_into_spool)

    assert (report.partitions, report.rows, report.rejects) == (3, 2, 7)
    stream = digit.saved
    assert stream.bronze("s.source, event_type, entity_id") == [
        (f"kafka://{topic.topic}/0", event_type, "PB-PGR-2026-11-25-000001")
        for topic, event_type in ((digit.saved, "CaseSubmitted"), (digit.updated, "CaseAssigned"))
    ]
    kept = "".join([*stored(stream), *spool.values(), caplog.text])
    assert "PB-PGR-2026-11-25-000001" in "".join(spool.values())
    assert [secret for secret in (*PERSONAL, "Bearer") if secret in kept] == []
    assert {key for (key,) in stream.rejects("record_key")} == {None}
    accounts = stream.accounts()
    assert [account.problems for account in accounts] == [""] * 3


def test_a_pattern_that_no_topic_matches_is_said_and_is_no_failure(
    digit: DigitTopics, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        report = digit.drain()

    assert (report.partitions, report.flushes) == (0, 0)
    assert f"There is no topic that matches {digit.saved.contract.origin.pattern}" in caplog.text


def test_a_topic_of_a_pattern_that_is_made_later_is_read_from_its_first_message_on(digit: DigitTopics):
    digit.saved.create()
    digit.saved.send([of("APPLY", "PENDINGFORASSIGNMENT")])
    digit.drain()
    digit.updated.create()
    digit.updated.send([of("ASSIGN", "PENDINGATLME")])

    assert digit.drain().rows == 1
    assert [row for (row,) in digit.saved.bronze("event_type")] == ["CaseSubmitted", "CaseAssigned"]
