from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.arrival import _content, percentile
from lakehouse.contracts import FilesContract
from lakehouse.sources import read_source


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10), (0.95, 19), (1.0, 20), (0.01, 1)])
def test_a_percentile_is_one_of_the_values(share: float, expected: float):
    assert percentile([*range(20, 0, -1)], share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_no_fewer_than_the_share_are_at_most_the_percentile(values: list[float], share: float):
    assert sum(value <= percentile(values, share) for value in values) >= share * len(values) - 1e-9


def test_records_are_new_complaints_spread_over_days():
    events = [json.loads(line) for line in _content("staging/a.jsonl", records=6, days=3).splitlines()]
    assert len({event["entity_id"] for event in events}) == 6
    assert len({event["event_time"][:10] for event in events}) == 3


def test_old_objects_of_many_lie_under_the_prefix_that_is_listed_and_are_not_taken():
    glob = read_source("pgr_events_jsonl", kind=FilesContract).contract.key_glob
    key = "staging/pgr_events_bench_1_old/0000001.jsonl"
    assert key.startswith(glob.literal_prefix)
    assert not glob.matches(key)
