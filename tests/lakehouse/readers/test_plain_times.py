"""The short cut for columns of times, held to the definition of a time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.column_judge import ColumnJudge
from lakehouse.contracts.reason import Refusal
from lakehouse.contracts.value_types import parser_of
from lakehouse.readers.plain_times import plain_times, takes_plain_times
from lakehouse.tables.definition import Column, ColumnType

DAYS = st.one_of(
    st.dates().map(str),
    st.sampled_from(
        ["2026-02-29", "2024-02-29", "0001-01-01", "9999-12-31", "0000-01-01", "2026-13-01", "2026-W01-1"]
    ),
)
CLOCKS = st.one_of(
    st.times().map(str),
    st.sampled_from(["00:00", "24:00:00", "23:59:60", "10:00:00.1", "10:00:00.1234567", "10:00:00,5", "9:00:00"]),
)
OFFSETS = st.sampled_from(["", "Z", "z", "+00:00", "+05:30", "-23:59", "+24:00", "+0530", "+05", " UTC"])
TIMES = st.builds("{}{}{}{}".format, DAYS, st.sampled_from(["T", " ", "t"]), CLOCKS, OFFSETS)
TEXTS = st.lists(st.one_of(TIMES, TIMES, st.none(), st.text(max_size=30), DAYS), min_size=1, max_size=8)


def judge(zone: str = "UTC", formats: tuple[str, ...] = ("iso8601", "epoch_ms"), **options: object) -> ColumnJudge:
    parse = parser_of(ColumnType.TIMESTAMP, zone=zone, time_formats=formats)
    return ColumnJudge(
        column=Column("event_time", ColumnType.TIMESTAMP), field="event_time", parse=parse, **options
    )


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
@given(texts=TEXTS)
@settings(deadline=None)
def test_a_plain_time_is_what_the_definition_makes_of_it(zone, texts):
    parse = judge(zone).parse

    counts, are_plain = plain_times(texts, local_is_utc=zone == "UTC")

    for text, count, is_plain in zip(texts, counts.tolist(), are_plain.tolist(), strict=True):
        assert count == (parse(text) if is_plain else 0)


def test_times_as_feeds_write_them_are_plain():
    texts = ["2026-10-01T03:05:40.848+03:00", "2026-10-01 00:00:31.793", "2026-10-01T00:00:31Z", None, "soon"]

    counts, are_plain = plain_times(texts, local_is_utc=True)

    assert are_plain.tolist() == [True, True, True, False, False]
    assert counts.tolist() == [1790813140848000, 1790812831793000, 1790812831000000, 0, 0]
    assert plain_times(texts, local_is_utc=False)[1].tolist() == [True, False, True, False, False]


def test_contracts_that_may_read_a_plain_time_otherwise_do_not_take_the_short_cut():
    assert takes_plain_times(judge(), ("epoch_ms", "iso8601"))
    assert not takes_plain_times(judge(), ("%Y-%d-%mT%H:%M:%S%z", "iso8601"))
    assert not takes_plain_times(judge(), ("epoch_s",))
    assert not takes_plain_times(judge(nulls=frozenset({"1900-01-01T00:00:00Z"})), ("iso8601",))
    assert takes_plain_times(judge(nulls=frozenset({"", "NULL"})), ("iso8601",))
    assert not takes_plain_times(judge(allowed=lambda _text: True), ("iso8601",))
    assert isinstance(judge().parse("NULL"), Refusal)
