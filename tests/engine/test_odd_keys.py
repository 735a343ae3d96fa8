"""Keys that a tool or a person may choose: each is loaded, or told why not; none is skipped in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lakehouse.arrival.watch import Watch
from lakehouse.contracts import FilesContract
from tests.engine.conftest import Source, event, lines

pytestmark = pytest.mark.engine

ODD_NAMES = [
    "with a space.jsonl",
    " leading space.jsonl",
    "a#b.jsonl",
    "a%2Fb.jsonl",
    "a+b&c=d.jsonl",
    "quote'\"s.jsonl",
    "ಅಮೃತಸರ ਅੰਮ੍ਰਿਤਸਰ 🚰.jsonl",
    "_leading.jsonl",
    ".leading.jsonl",
    "a?b*c[d].jsonl",
    "a;b,c@d:e.jsonl",
]
LONGEST_KEY_BYTES = 1_024


def names_for(source: Source) -> list[str]:
    """The odd names, and one that makes a key as long as keys may be; the local store has shorter segments."""
    left = LONGEST_KEY_BYTES - len(source.prefix) - len(".jsonl")
    longest = "".join("/" if place % 200 == 199 else "x" for place in range(left))
    return [*ODD_NAMES, f"{longest}.jsonl"]


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    """A source that takes whatever lies below its prefix."""
    made = make_source()
    assert isinstance(made.contract, FilesContract)
    origin = made.contract.origin.model_copy(update={"key": f"{made.prefix}**"})
    return replace(made, contract=made.contract.model_copy(update={"origin": origin}))


def test_every_odd_key_is_loaded_and_named_as_it_is(source: Source):
    names = names_for(source)
    uris = [source.put(name, lines([event(number)])) for number, name in enumerate(names)]
    (report,) = source.load()
    assert report.failures == ()
    assert sorted(uri for (uri,) in source.bronze("s.source")) == sorted(uris)
    assert source.load() == []
    assert {account.problems for account in source.accounts()} == {""}


def test_a_zero_byte_object_is_loaded_as_nothing_and_is_in_the_certificate(source: Source):
    uri = source.put("marker_$folder$", "")
    (report,) = source.load()
    assert (report.sources, report.rows, report.failures) == (1, 0, ())
    assert [(account.source, account.records_read, account.problems) for account in source.accounts()] == [
        (uri, 0, "")
    ]
    assert source.load() == []


def test_a_watch_notices_every_odd_key(source: Source):
    contract = source.contract
    assert isinstance(contract, FilesContract)
    watch = Watch(store=source.platform.store, bucket=contract.origin.bucket, glob=contract.key_glob, pages=1)
    assert watch.look().news == 0
    for number, name in enumerate(names_for(source)):
        uri = source.put(name, lines([event(number)]))
        look = watch.look()
        assert look.news == 1
        assert uri.endswith(look.example)
    assert watch.look().news == 0


def test_a_listing_goes_on_after_every_odd_key(source: Source):
    names = names_for(source)
    for name in names:
        source.put(name, "{}")
    store, bucket = source.platform.store, source.platform.settings.names.bucket
    keys = [version.key for version in store.list_objects(bucket=bucket, prefix=source.prefix)]
    assert sorted(keys) == sorted(source.prefix + name for name in names)
    for place, key in enumerate(keys):
        page = store.list_page(bucket=bucket, prefix=source.prefix, after=key)
        assert [version.key for version in page.objects] == keys[place + 1 :]
        assert page.is_last
