from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.partition_texts import bytes_in_path, parser_of_partition_texts
from lakehouse.contracts.reason import Reason, Refusal

READ = parser_of_partition_texts("service")
#: 255 less ``service=``.
LONGEST = 247


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 0),
        ("WATER", 5),
        ("a b", 3),
        ("a/b", 5),
        ("..", 2),
        ("~", 3),
        ("%2F", 5),
        ("\n", 3),
        ("é", 6),
        ("पानी", 36),
        ("😀", 12),
    ],
)
def test_a_text_is_as_long_as_iceberg_writes_it(text, size):
    assert bytes_in_path(text) == size


@given(text=st.text())
def test_lengths_are_those_of_url_encoding(text):
    # Python leaves the tilde alone, Java does not.
    assert bytes_in_path(text) == len(quote_plus(text, safe="*").replace("~", "%7E"))


@pytest.mark.parametrize("text", [" ", ".", "..", "/", "a/../b", "\t\r\n", "null", "%00", "x" * LONGEST, "é" * 41])
def test_what_fits_is_taken_as_it_is(text):
    assert READ(text) == text


@pytest.mark.parametrize("text", ["", "x" * (LONGEST + 1), "é" * 42, "/" * 83, "x" * 1_000, "😀" * 1_000_000])
def test_what_does_not_fit_is_out_of_range(text):
    refusal = READ(text)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.OUT_OF_RANGE
    assert len(refusal.detail) < 300


def test_a_longer_name_leaves_less_for_the_value():
    assert isinstance(parser_of_partition_texts("x" * 200)("y" * 55), Refusal)
    assert parser_of_partition_texts("x" * 200)("y" * 54) == "y" * 54


@pytest.mark.parametrize("rule", ["value", "default"])
def test_a_constant_that_does_not_fit_is_a_problem_of_the_contract(problems, rule):
    (problem,) = problems(f"columns: {{service: {{{rule}: {'x' * 300}}}}}\n")

    assert (problem.line, problem.key) == (5, f"columns.service.{rule}")
    assert "247 are allowed" in problem.problem
