"""What runs in the processes of :mod:`lakehouse.readers.judging_process`."""

from __future__ import annotations

import contextlib
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from lakehouse.errors import LakehouseError
from lakehouse.readers.judged_batch import JudgedBatch


def main(descriptor: int) -> None:
    """Judge what comes, until nothing does any more.

    :param descriptor: of the socket to the parent.
    """
    # Whoever interrupts the parent from a terminal means the parent, which then closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        judge = connection.recv().make()
        while True:
            _answer(connection, judge)


def _answer(connection: Connection[Any, Any], judge: Any) -> None:
    try:
        batch: JudgedBatch = judge.judge(connection.recv())
    except LakehouseError as error:
        connection.send(error)
        return
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.rows.schema) as stream:
        stream.write_table(batch.rows)
    connection.send((batch.rejects, batch.first_position, batch.next_position, batch.unknown_columns))
    connection.send_bytes(memoryview(sink.getvalue()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
