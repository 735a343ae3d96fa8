from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.arrival.announcements import Announcement, Announcements
from lakehouse.arrival.watch import Look


def look(news: int) -> Look:
    return Look(objects=10, news=news, example="staging/a.csv" if news else "", ends_cycle=True)


def told(news: list[int], *, every: float = 3.0) -> list[tuple[float, int]]:
    """When events are made of looks that find so much, and of how many objects each."""
    announcements = Announcements(pause=10, burst=30)
    events = []
    for number, count in enumerate(news):
        announcement = announcements.after(look(count), now=number * every)
        if announcement is not None:
            events.append((number * every, announcement.objects))
    return events


def test_news_after_a_silence_are_told_at_once():
    assert Announcements().after(look(1), now=0.0) == Announcement(objects=1, example="staging/a.csv")
    assert told([1, *[0] * 20, 1]) == [(0, 1), (63, 1)]


def test_no_news_are_not_told():
    assert told([0] * 50) == []


def test_a_burst_is_a_few_events_and_its_end_is_told():
    # A minute of 100 objects a look.
    assert told([100] * 20 + [0] * 10) == [(0, 100), (30, 1_000), (60, 900)]


def test_a_second_object_soon_after_the_first_waits_for_the_pause():
    assert told([1, 1, 0, 0, 0, 0]) == [(0, 1), (12, 1)]


@given(st.lists(st.integers(0, 5), max_size=60))
def test_everything_is_told_once_the_news_end_and_never_too_often(news):
    events = told([*news, *[0] * 10])
    assert sum(objects for _, objects in events) == sum(news)
    times = [time for time, _ in events]
    assert all(later - earlier >= 10 for earlier, later in pairwise(times))
