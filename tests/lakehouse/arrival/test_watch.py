from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.arrival.watch import Look, Watch
from lakehouse.contracts.glob import Glob
from lakehouse.errors import StoreUnavailableError
from lakehouse.store import Page
from tests.lakehouse.load.doubles import MOMENT, MemoryStore

#: Looks after which a watch has certainly seen every key twice.
_CYCLES = 100


class PagedStore(MemoryStore):
    """A store whose pages are short."""

    page_size = 2

    def list_page(self, *, bucket: str, prefix: str, after: str = "") -> Page:
        later = [version for version in self.list_objects(bucket=bucket, prefix=prefix) if version.key > after]
        return Page(objects=tuple(later[: self.page_size]), is_last=len(later) <= self.page_size)


@pytest.fixture
def store() -> PagedStore:
    return PagedStore()


def put(store: MemoryStore, *names: object, content: bytes = b"{}") -> None:
    for name in names:
        store.put(content, bucket="warehouse", key=f"staging/parking_{name}.jsonl")


def watch_of(store: MemoryStore, *, pages: int = 2) -> Watch:
    return Watch(store=store, bucket="warehouse", glob=Glob("staging/parking_*.jsonl"), pages=pages)


def settled(store: MemoryStore, *, pages: int = 2) -> Watch:
    """A watch that has seen everything that is there."""
    watch = watch_of(store, pages=pages)
    while not watch.look().ends_cycle:
        pass
    return watch


def test_what_is_there_at_first_may_be_news(store):
    put(store, 1, 2)
    assert watch_of(store).look() == Look(objects=2, news=2, example="staging/parking_1.jsonl", ends_cycle=True)


def test_nothing_there_is_no_news(store):
    assert watch_of(store).look() == Look(objects=0, news=0, example="", ends_cycle=True)


def test_an_object_that_comes_is_news_once(store):
    put(store, 1)
    watch = settled(store)
    put(store, 2)
    look = watch.look()
    assert (look.news, look.example) == (1, "staging/parking_2.jsonl")
    assert watch.look().news == 0


def test_an_object_that_is_put_again_with_other_bytes_is_news(store):
    put(store, 1)
    watch = settled(store)
    put(store, 1, content=b"other")
    assert watch.look().news == 1


def test_the_same_bytes_put_again_are_no_news(store):
    put(store, 1)
    watch = settled(store)
    store.now += timedelta(days=1)
    put(store, 1)
    assert watch.look().news == 0


@pytest.mark.parametrize("days", [-3_000, 3_000], ids=["long ago", "in the future"])
def test_no_clock_decides_what_is_news(store, days):
    put(store, 1)
    watch = settled(store)
    store.now = MOMENT + timedelta(days=days)
    put(store, 0)
    assert watch.look().news == 1


def test_objects_of_other_sources_are_no_news(store):
    watch = settled(store)
    for key in ("staging/water_1.jsonl", "staging/parking_1.csv", "staging/parking_old/1.jsonl"):
        store.put(b"{}", bucket="warehouse", key=key)
    assert watch.look() == Look(objects=0, news=0, example="", ends_cycle=True)


def test_a_look_reads_no_more_pages_than_it_may_and_the_next_goes_on(store):
    put(store, *range(9))
    watch = watch_of(store, pages=2)
    looks = [watch.look() for _ in range(4)]
    assert [look.objects for look in looks] == [4, 4, 1, 4]
    assert [look.ends_cycle for look in looks] == [False, False, True, False]


def test_a_new_watch_tells_at_its_first_look_and_when_it_has_seen_everything(store):
    put(store, *range(9))
    watch = watch_of(store, pages=2)
    assert [watch.look().news for _ in range(6)] == [4, 0, 9, 0, 0, 0]


def test_an_object_that_comes_behind_a_page_that_was_read_is_news_in_the_next_cycle(store):
    put(store, *range(9))
    watch = settled(store)
    watch.look()
    put(store, "00")
    assert [watch.look().news for _ in range(3)] == [0, 0, 1]


def test_what_was_deleted_and_is_put_again_much_later_is_news(store):
    put(store, 1, 2)
    watch = settled(store)
    store.delete(bucket="warehouse", key="staging/parking_1.jsonl")
    watch.look()
    watch.look()
    put(store, 1)
    assert watch.look().news == 1


@pytest.mark.parametrize("pages_before_it_fails", [0, 1])
def test_a_look_that_fails_loses_nothing(store, monkeypatch, pages_before_it_fails):
    put(store, *range(1, 4))
    watch = settled(store)
    put(store, 0)
    with monkeypatch.context() as patch:
        pages = [store.list_page(bucket="warehouse", prefix="staging/parking_")] * pages_before_it_fails
        down = StoreUnavailableError(operation="list", message="down")
        patch.setattr(store, "list_page", mock.Mock(side_effect=[*pages, down]))
        with pytest.raises(StoreUnavailableError):
            watch.look()
    assert watch.look().news == 1


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=6), max_size=12),
    st.integers(1, 3),
)
def test_whatever_comes_is_told_after_it_came(arrivals, pages):
    store = PagedStore()
    watch = watch_of(store, pages=pages)
    untold: set[str] = set()
    for batch in arrivals:
        before = set(store.keys_under())
        put(store, *batch)
        untold |= set(store.keys_under()) - before
        if watch.look().news:
            # A run that is started now lists everything that is there now.
            untold = set()
    for _ in range(_CYCLES):
        if watch.look().news:
            untold = set()
    assert untold == set()
