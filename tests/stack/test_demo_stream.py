from __future__ import annotations

from dataclasses import replace

import pytest

import feed
from lakehouse.engine import Outcome
from lakehouse.statements import Statement
from stack.demo_stream import compare_stream

SENT = (
    feed.PartitionTruth(topic="events", partition=0, first=0, next=12, good_rows=9, rejects={"not_utf8": 3}),
    feed.PartitionTruth(topic="events", partition=1, first=4, next=8, good_rows=3, rejects={"not_utf8": 1}),
)


class BronzeOf:
    """An engine whose tables hold what was sent."""

    def __init__(self, partitions: tuple[feed.PartitionTruth, ...]) -> None:
        self._by_source = {f"kafka://{sent.topic}/{sent.partition}": sent for sent in partitions}

    def execute(self, statement: Statement) -> Outcome:
        sent = self._by_source[str(statement.parameters[0])]
        assert statement.parameters[1:3] == (sent.first, sent.next)
        rows = (("", sent.good_rows), *sent.rejects.items())
        return Outcome(columns=("reason", "records"), rows=rows, query_id=None, updated=None)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> feed.Truth:
    return replace(feed.write(feed.Options(events=50), tmp_path_factory.mktemp("feed")), partitions=SENT)


def test_messages_that_arrived_agree(truth: feed.Truth):
    figures = compare_stream(BronzeOf(SENT), truth).figures
    assert [(figure.name, figure.generated, figure.found) for figure in figures] == [
        ("rows in bronze", 12, 12),
        ("rejected: not_utf8", 4, 4),
    ]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"good_rows": 8}, "rows in bronze"),
        ({"good_rows": 10}, "rows in bronze"),
        ({"rejects": {}}, "rejected: not_utf8"),
        ({"rejects": {"not_utf8": 3, "too_deep": 1}}, "rejected: too_deep"),
    ],
    ids=["a row lost", "a row doubled", "rejects lost", "a reject of another reason"],
)
def test_what_differs_is_named(truth: feed.Truth, change: dict[str, object], name: str):
    found = compare_stream(BronzeOf((replace(SENT[0], **change), SENT[1])), truth)
    assert [figure.name for figure in found.figures if not figure.agrees] == [name]
