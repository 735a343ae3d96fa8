"""Small sources are fetched before their turn, and everything comes in its turn."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest

from lakehouse.errors import ObjectNotFoundError
from lakehouse.load.read_ahead import ReadAhead


@dataclass(frozen=True)
class Identity:
    size: int


@dataclass
class Opened:
    """What was opened, by which thread."""

    names: list[str] = field(default_factory=list)
    threads: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    name: str
    opened: Opened
    size: int = 10
    is_gone: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.size)

    @contextmanager
    def open(self, store: object) -> Iterator[BinaryIO]:
        self.opened.names.append(self.name)
        self.opened.threads[self.name] = threading.current_thread().name
        if self.is_gone:
            raise ObjectNotFoundError(bucket="b", key=self.name)
        yield io.BytesIO(self.name.encode())


def contents(sources: list[Source]) -> list[bytes]:
    read = []
    with ReadAhead(sources, store=None) as opened:
        for source, stream in opened:
            with stream as content:
                read.append(content.read())
                assert content is not None
            assert read[-1] == source.name.encode()
    return read


def test_sources_come_in_their_order():
    opened = Opened()
    sources = [Source(f"{number:03}", opened) for number in range(100)]

    assert contents(sources) == [source.name.encode() for source in sources]
    assert sorted(opened.names) == [source.name for source in sources]


def test_a_large_source_is_streamed_in_its_turn_by_the_thread_that_reads():
    opened = Opened()
    sources = [Source("a", opened), Source("b", opened, size=1 << 21), Source("c", opened)]

    contents(sources)

    assert opened.threads["b"] == threading.current_thread().name
    assert opened.threads["a"].startswith("read-ahead")


def test_a_source_alone_is_streamed():
    opened = Opened()
    contents([Source("a", opened)])
    assert opened.threads == {"a": threading.current_thread().name}


def test_only_some_sources_are_fetched_before_their_turn():
    opened = Opened()
    with ReadAhead([Source(str(number), opened) for number in range(1_000)], store=None) as ahead:
        next(iter(ahead))
    assert len(opened.names) <= 16


def test_what_opening_raises_is_raised_in_turn_and_the_others_go_on():
    opened = Opened()
    sources = [Source("a", opened), Source("b", opened, is_gone=True), Source("c", opened)]
    read = []
    with ReadAhead(sources, store=None) as ahead:
        for source, stream in ahead:
            if source.is_gone:
                with pytest.raises(ObjectNotFoundError), stream:
                    pass
                continue
            with stream as content:
                read.append(content.read())
    assert read == [b"a", b"c"]
