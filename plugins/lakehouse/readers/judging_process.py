"""A process that judges blocks of records for another one, and ends when that one does.

It is a fresh interpreter and not a fork (there are threads and open connections where loads run), and not one of
``multiprocessing`` (which imports the main module again, and refuses children to daemons). Both ends speak over a
socket that nobody else holds: when the parent dies, however it dies, the process sees the end of it, and ends too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Pipe
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.errors import LakehouseError
from lakehouse.readers.errors import ReaderProcessError
from lakehouse.readers.judged_batch import JudgedBatch

if TYPE_CHECKING:
    from lakehouse.readers.judging import JudgeMaker

_WORKER = "lakehouse.readers.judging_worker"
_KILL_SECONDS = 10


class JudgingProcess:
    """One such process, as its parent sees it. Of one thread at a time."""

    def __init__(self, maker: JudgeMaker[Any]) -> None:
        self._connection, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _WORKER, str(theirs.fileno())],
                # Airflow puts plugins/ on the path of the running interpreter only.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()
        with self._death_told():
            self._connection.send(maker)

    def judge(self, block: object) -> JudgedBatch:
        """What the process makes of a block.

        :raises LakehouseError: what its judge raised.
        :raises ReaderProcessError: the process died.
        """
        with self._death_told():
            self._connection.send(block)
            answer = self._connection.recv()
            if isinstance(answer, LakehouseError):
                raise answer
            rows = self._connection.recv_bytes()
        return JudgedBatch(pa.ipc.open_stream(rows).read_all(), *answer)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait(_KILL_SECONDS)
        self._connection.close()

    @contextlib.contextmanager
    def _death_told(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError) as error:
            status = self._process.wait(_KILL_SECONDS)
            raise ReaderProcessError(status=status) from error
