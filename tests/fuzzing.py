"""What fuzzers share: how many examples they take, and damage to real samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Damage = tuple[str, float, int, bytes]


def fuzzed(*, few: int, many: int) -> pytest.MarkDecorator:
    """Gives a test its number of ``examples``: few always, many with the marker ``long``."""
    return pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.long)])


def taking(examples: int) -> Callable[[Any], Any]:
    """The settings of a property that is checked on so many examples."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )


def damaged(samples: Sequence[bytes], inserts: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Real samples with bits flipped, parts cut out, doubled or moved in from another, and tokens put in."""
    steps = st.lists(
        st.tuples(
            st.sampled_from(["flip", "put", "cut", "double", "splice", "end"]),
            st.floats(0, 1),
            st.integers(0, 200),
            st.sampled_from(list(inserts)) | st.binary(max_size=4),
        ),
        min_size=1,
        max_size=5,
    )
    return st.builds(_damaged, st.sampled_from(list(samples)), st.sampled_from(list(samples)), steps)


def _damaged(sample: bytes, other: bytes, steps: Sequence[Damage]) -> bytes:
    content = sample
    for kind, where, size, token in steps:
        place = int(where * len(content))
        head, tail = content[:place], content[place:]
        match kind:
            case "flip" if tail:
                content = head + bytes([tail[0] ^ (1 << size % 8)]) + tail[1:]
            case "put":
                content = head + token + tail
            case "cut":
                content = head + tail[size:]
            case "double":
                content = head + tail[:size] + tail
            case "splice":
                begin = int(where * len(other))
                content = head + other[begin : begin + size] + tail
            case "end":
                content = head
    return content
