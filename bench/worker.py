"""Runs what is measured in a process of its own, as a task of Airflow is one, and watches its memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Generic, ParamSpec, TypeVar

from bench.memory import PeakMemory

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured(Generic[Result]):
    """What a worker returned, and the most memory that it and its children held."""

    result: Result
    peak_rss_mb: float


def in_worker(
    work: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
) -> Measured[Result]:
    """Run a function of a module in a new process; what it raises is raised here.

    The function takes its time itself: the start of the process is not part of it.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pid = pool.submit(os.getpid).result()
        with PeakMemory(pid) as memory:
            result = pool.submit(work, *arguments, **named).result()
    return Measured(result=result, peak_rss_mb=memory.peak_mb)
