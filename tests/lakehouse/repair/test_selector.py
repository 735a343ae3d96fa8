from __future__ import annotations

import hashlib
import hmac
import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.repair.errors import SelectorError
from lakehouse.repair.selector import Selector

PERSON = "9876543210"


def candidates(selector: Selector, text: str) -> list[str]:
    """What a statement looks at."""
    return re.findall(selector.bound["pattern"], text.lower())


def is_named(selector: Selector, text: str) -> bool:
    """Whether a statement finds the person in a text."""
    key = bytes.fromhex(selector.bound["key"])
    digests = [hmac.new(key, each.encode(), hashlib.sha256).hexdigest() for each in candidates(selector, text)]
    return selector.bound["digest"] in digests


@pytest.mark.parametrize(
    "text",
    [
        PERSON,
        f'{{"citizen": {{"mobileNumber": "{PERSON}"}}}}',
        f'{{"mobile": {PERSON}}}',
        f"a,b,{PERSON}\n",
        f"call +{PERSON}, please",
        f"{PERSON[:5]} {PERSON}",
    ],
)
def test_a_person_is_found_wherever_the_value_stands_by_itself(text):
    selector = Selector(f" {PERSON}\n")
    assert is_named(selector, text)
    assert pc.match_substring_regex(pa.array([text]), selector.text_pattern).to_pylist() == [True]
    assert pc.match_substring_regex(pa.array([text.encode()]), selector.text_pattern).to_pylist() == [True]


@pytest.mark.parametrize("text", [f"{PERSON}1", f"91{PERSON}", f"id{PERSON}", PERSON[:-1], "", "ab"])
def test_another_is_not_whose_value_holds_this_one(text):
    selector = Selector(PERSON)
    assert not is_named(selector, text)
    assert pc.match_substring_regex(pa.array([text]), selector.text_pattern).to_pylist() == [False]


@pytest.mark.parametrize("value", ["PB-PGR-2026-11-27-000123", "27/11/2026/000123", "a.b+c@example.org", "Müller"])
def test_case_does_not_matter_and_what_json_writes_in_several_ways_is_refused(value):
    if not value.isascii():
        with pytest.raises(SelectorError, match="beyond ASCII"):
            Selector(value)
        return
    assert is_named(Selector(value.upper()), f"x {value.lower()} y")


@pytest.mark.parametrize(
    "value", ["", "12345", " 12345 ", "x" * 201, 'ab"cdef', "ab\\cdef", "-abcdef", "abcdef\ng"]
)
def test_what_names_more_than_one_person_or_cannot_be_found_is_refused_without_telling_it(value):
    with pytest.raises(SelectorError) as refused:
        Selector(value)
    if value:
        assert value not in str(refused.value)


def test_the_value_is_neither_shown_nor_bound_and_each_erasure_has_a_key_of_its_own():
    one, other = Selector(PERSON), Selector(PERSON)
    assert PERSON not in repr(one)
    assert PERSON not in " ".join(one.bound.values())
    assert one.bound["digest"] != other.bound["digest"]


#: Two letters beyond ASCII are, to RE2 alone, cases of one within it.
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\u017f\u212a"), max_size=20)


@given(before=_TEXTS, after=_TEXTS)
def test_both_searches_find_the_same(before, after):
    # What lower() makes longer or shorter is beyond ASCII, and so is no part of a value.
    text = f"{before}{PERSON}{after}"
    selector = Selector(PERSON)
    in_process = pc.match_substring_regex(pa.array([text.lower()]), selector.text_pattern).to_pylist()
    assert in_process == [is_named(selector, text)]
