"""Opens the sources of a batch in turn; small ones are fetched, some at a time, before their turn comes.

A batch of thousands of small objects would otherwise wait for the store once for each of them.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from lakehouse.store import ObjectStore

if TYPE_CHECKING:
    from lakehouse.load.stage import StageSource

#: A larger source is streamed when its turn comes: what a request costs is little of it.
SMALL_BYTES = 1 << 20
_AT_ONCE = 4
#: Held or on their way at any time, so 16 MB at most.
_AHEAD = 16


class ReadAhead:
    """Some sources in their order, each to be opened in its turn. To be used as a context."""

    def __init__(self, sources: Sequence[StageSource], *, store: ObjectStore) -> None:
        self._sources = sources
        self._store = store
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="read-ahead")
        self._fetched: deque[Future[bytes] | None] = deque()
        self._next = 0

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[StageSource, AbstractContextManager[BinaryIO]]]:
        """Each source with its stream, which raises what opening the source raises when it is entered."""
        for source in self._sources:
            self._fetch_ahead()
            fetched = self._fetched.popleft()
            yield source, source.open(self._store) if fetched is None else _stream(fetched)

    def _fetch_ahead(self) -> None:
        while self._next < len(self._sources) and len(self._fetched) < _AHEAD:
            source = self._sources[self._next]
            is_small = len(self._sources) > 1 and source.identity.size <= SMALL_BYTES
            self._fetched.append(self._threads.submit(self._content_of, source) if is_small else None)
            self._next += 1

    def _content_of(self, source: StageSource) -> bytes:
        with source.open(self._store) as stream:
            return stream.read()


@contextmanager
def _stream(fetched: Future[bytes]) -> Iterator[BinaryIO]:
    yield io.BytesIO(fetched.result())
