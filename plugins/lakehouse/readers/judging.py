"""Judges blocks of records in their order: here while they are few, then in processes beside this one.

    judging = Judging(JudgeMaker(JsonBlockJudge, contract, table), processes=reader_processes())
    with contextlib.closing(judging):
        for batch in judging.judged(blocks):          # any number of times
            writer.add(batch)

A block is whatever its judge takes: records of a file (:class:`~lakehouse.readers.json_block.JsonBlock` with the
positions of its lines), messages of a Kafka partition (the same, with their offsets), CSV records. Each gives one
:class:`~lakehouse.readers.judged_batch.JudgedBatch`, in the order of the blocks, the same as one process gives: a
judge carries nothing from block to block that changes a verdict. What a judge raises is raised where its batch
would have come.

Memory: each process holds one block and what it makes of it, and as many blocks wait here, plus one.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lakehouse.contracts.contract import Contract
from lakehouse.errors import LakehouseError
from lakehouse.readers.judged_batch import JudgedBatch
from lakehouse.readers.judging_process import JudgingProcess
from lakehouse.tables.definition import TableDefinition

#: Less is judged before a process has started.
SERIAL_BYTES = 32 * 10**6


class Block(Protocol):
    """Records that are judged together; can be pickled."""

    @property
    def size(self) -> int:
        """Of its records, in bytes."""
        ...


BlockT = TypeVar("BlockT", bound=Block)
JudgedT_contra = TypeVar("JudgedT_contra", bound=Block, contravariant=True)


class BlockJudge(Protocol[JudgedT_contra]):
    """Judges blocks, each by itself."""

    def judge(self, block: JudgedT_contra, /) -> JudgedBatch:
        """The rows and rejects of a block.

        :raises LakehouseError: the whole source cannot be taken.
        """
        ...


@dataclass(frozen=True)
class JudgeMaker(Generic[BlockT]):
    """How each process makes a judge of its own; can be pickled, which judges cannot.

    :param judge: a class of a module, made from the contract and the table.
    """

    judge: Callable[[Any, TableDefinition], BlockJudge[BlockT]]
    contract: Contract
    table: TableDefinition

    def make(self) -> BlockJudge[BlockT]:
        return self.judge(self.contract, self.table)


class Judging(Generic[BlockT]):
    """Judges blocks under one contract; must be closed.

    :param processes: that judge beside this one, once blocks of ``serial_bytes`` have come at one go; with 1 every
        block is judged here.
    """

    def __init__(self, maker: JudgeMaker[BlockT], *, processes: int = 1) -> None:
        self._maker = maker
        self._own = maker.make()
        self._processes = processes
        self._running: _Processes[BlockT] | None = None

    def judged(self, blocks: Iterable[BlockT]) -> Iterator[JudgedBatch]:
        """What becomes of each block, in order. Reads ahead by as many blocks as there are processes, and one.

        :raises LakehouseError: what the blocks or a judge raise, after the batches of all earlier blocks.
        :raises ReaderProcessError: a process died.
        """
        waiting = iter(blocks)
        if self._running is None:
            yield from self._judged_here(waiting)
        if self._running is not None:
            yield from self._running.judged(waiting)

    def close(self) -> None:
        """End the processes, whatever they do."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _judged_here(self, blocks: Iterator[BlockT]) -> Iterator[JudgedBatch]:
        """The first blocks; the processes run when there are more than that."""
        judged_bytes = 0
        for block in blocks:
            judged_bytes += block.size
            if self._processes > 1 and judged_bytes >= SERIAL_BYTES:
                # They start while this block is judged.
                self._running = _Processes(self._maker, self._processes)
                yield self._own.judge(block)
                return
            yield self._own.judge(block)


class _Processes(Generic[BlockT]):
    """Some processes, and for each a thread that hands it a block and waits."""

    def __init__(self, maker: JudgeMaker[BlockT], count: int) -> None:
        self._count = count
        self._all: list[JudgingProcess] = []
        self._idle: queue.SimpleQueue[JudgingProcess] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="judging")
        for _ in range(count):
            process = JudgingProcess(maker)
            self._all.append(process)
            self._idle.put(process)

    def judged(self, blocks: Iterator[BlockT]) -> Iterator[JudgedBatch]:
        pending: deque[Future[JudgedBatch]] = deque()
        failure: LakehouseError | None = None
        try:
            while failure is None:
                try:
                    block = next(blocks)
                except StopIteration:
                    break
                except LakehouseError as error:
                    # What came before it is judged first, as it would be in one process.
                    failure = error
                    break
                pending.append(self._threads.submit(self._judge, block))
                del block
                if len(pending) > self._count + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
        if failure is not None:
            raise failure

    def close(self) -> None:
        for process in self._all:
            process.close()
        self._threads.shutdown(cancel_futures=True)

    def _judge(self, block: BlockT) -> JudgedBatch:
        process = self._idle.get()
        try:
            return process.judge(block)
        finally:
            self._idle.put(process)
