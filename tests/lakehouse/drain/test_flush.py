from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.drain.collector import CollectedRange
from lakehouse.drain.flush import neighbours
from tests.lakehouse.drain.doubles import assigned


def part(number: int, first: int, next_position: int) -> CollectedRange:
    return CollectedRange(
        partition=assigned(number), first=first, next_position=next_position, batches=(), source_bytes=0
    )


def runs(*parts: CollectedRange) -> list[list[int]]:
    return [[each.partition.key.partition for each in run] for run in neighbours(parts)]


def test_partitions_that_keep_pace_share_a_merge():
    assert runs(part(1, 1_000, 1_300), part(0, 1_100, 1_350), part(2, 900, 1_250)) == [[0, 1, 2]]


def test_partitions_that_are_far_apart_have_merges_of_their_own():
    assert runs(part(0, 0, 100), part(1, 1_000_000, 1_000_100), part(2, 1_000_050, 1_000_150)) == [[0], [1, 2]]


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**5)), min_size=1, max_size=20))
def test_every_range_is_in_one_merge_and_merges_do_not_overlap_in_source_ids(widths):
    parts = [part(number, first, first + width) for number, (first, width) in enumerate(widths)]
    found = list(neighbours(parts))
    assert sorted(each.partition.source_id for run in found for each in run) == sorted(
        each.partition.source_id for each in parts
    )
    for before, after in pairwise(found):
        assert max(each.partition.source_id for each in before) < min(each.partition.source_id for each in after)
