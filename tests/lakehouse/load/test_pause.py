from __future__ import annotations

import random
import time
from unittest.mock import create_autospec

import pytest

from lakehouse.load.pause import pause_for_others


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """The longest each pause may take."""
    slept: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda _least, most: most)
    monkeypatch.setattr(time, "sleep", create_autospec(time.sleep, side_effect=slept.append))
    return slept


def test_pause_grows_with_each_lost_commit_up_to_a_limit(slept):
    for lost in range(8):
        pause_for_others(lost)
    assert slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_pauses_of_two_that_lost_at_once_differ(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", create_autospec(time.sleep, side_effect=slept.append))
    for _ in range(20):
        pause_for_others(3)
    assert len(set(slept)) > 1
    assert all(0 <= seconds <= 1.6 for seconds in slept)
