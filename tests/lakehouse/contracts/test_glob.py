from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.glob import Glob


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("staging/pgr_*.csv*", "staging/pgr_1.csv", True),
        ("staging/pgr_*.csv*", "staging/pgr_.csv.gz", True),
        ("staging/pgr_*.csv", "staging/pgr_old/2024.csv", False),
        ("staging/**.csv", "staging/pgr_old/2024.csv", True),
        ("staging/**", "staging/", True),
        ("staging/?.csv", "staging/a.csv", True),
        ("staging/?.csv", "staging//.csv", False),
        ("a.csv", "aXcsv", False),
        ("a[b].csv", "a[b].csv", True),
        ("a*", "a\nb", True),
        ("a**", "a\nb", True),
        ("a", "a\n", False),
    ],
)
def test_a_star_stays_within_a_segment_and_two_cross(pattern, key, matches):
    assert Glob(pattern).matches(key) is matches


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("staging/pgr_*.csv", "staging/pgr_"), ("**", ""), ("a/b", "a/b"), ("a?c", "a")],
)
def test_the_prefix_to_list_ends_at_the_first_wildcard(pattern, prefix):
    assert Glob(pattern).literal_prefix == prefix


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ("staging/pgr_*.csv", "staging/*_fines.csv", True),
        ("staging/pgr_*.csv", "staging/fines_*.csv", False),
        ("a/*", "a/b/*", False),
        ("a/**", "a/b/*", True),
        ("a*b", "a*c", False),
        ("*.csv", "*.csv.gz", False),
        ("*.csv*", "*.jsonl*", True),
        ("a?", "a/", False),
        ("a**", "a/", True),
    ],
)
def test_two_globs_overlap_when_some_key_matches_both(first, second, overlap):
    assert Glob(first).overlaps(Glob(second)) is overlap
    assert Glob(second).overlaps(Glob(first)) is overlap


PATTERNS = st.lists(st.sampled_from(["a", "b", "/", "?", "*", "**"]), max_size=4).map("".join)
#: Every key that two such patterns could need to meet in: as long as both together.
KEYS = ["".join(letters) for length in range(7) for letters in product("ab/", repeat=length)]


@given(first=PATTERNS, second=PATTERNS)
def test_overlap_is_what_trying_every_short_key_finds(first, second):
    tried = any(Glob(first).matches(key) and Glob(second).matches(key) for key in KEYS)

    assert Glob(first).overlaps(Glob(second)) is tried
