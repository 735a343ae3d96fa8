from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.drain.groups import PartitionGroup, group_partitions

ids = st.lists(st.text("abc0", min_size=1, max_size=6), unique=True)


def test_one_group_takes_all_partitions_and_those_that_come():
    assert group_partitions(["b", "a"], groups=1) == (PartitionGroup(label="all partitions", source_ids=None),)
    assert group_partitions([], groups=4) == group_partitions(["a"], groups=4)


@given(ids, st.integers(1, 8))
def test_groups_are_contiguous_runs_of_sorted_ids(source_ids, groups):
    found = group_partitions(source_ids, groups=groups)
    if found[0].source_ids is None:
        return
    assert [each for group in found for each in group.source_ids or ()] == sorted(source_ids)
    assert all(group.source_ids for group in found)
    assert len({group.label for group in found}) == len(found) <= groups
