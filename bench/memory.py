"""The most memory that a process and its children held while something ran, by sampling.

The sum of their resident sets: pages that they share are counted in each, so the figure errs upwards.
"""

from __future__ import annotations

import threading
from types import TracebackType

import psutil

_EVERY_SECONDS = 0.05


class PeakMemory:
    """Samples from a thread of the process that waits, never in the one that is measured.

    :param pid: the process that is measured.
    """

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self.peak_bytes = 0

    @property
    def peak_mb(self) -> float:
        return self.peak_bytes / 1e6

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.is_set():
            self.peak_bytes = max(self.peak_bytes, self._resident_bytes())
            self._ended.wait(_EVERY_SECONDS)

    def _resident_bytes(self) -> int:
        try:
            family = [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0
        total = 0
        for process in family:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                # It ended between the list and the question.
                continue
        return total
