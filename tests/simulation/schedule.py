"""Processes that load at once, interleaved at every statement, killed at any of them: one seed, one run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import BinaryIO

from lakehouse.engine import Outcome
from lakehouse.errors import CommitConflictError, EngineUnavailableError, StoreUnavailableError
from lakehouse.identity import ObjectVersion
from lakehouse.statements import Statement
from lakehouse.store import ObjectStore
from tests.simulation.lake import Lake, PlannedMerge


class Instruction(Enum):
    """What happens to a process where it waits."""

    GO_ON = auto()
    DIE = auto()
    LOSE_ANSWER = auto()


class KilledError(BaseException):
    """The process is dead: it does nothing any more, not even clean up."""


@dataclass
class Process:
    """A thread that runs only when it is told to, and only up to where it waits next."""

    name: str
    work: Callable[[Process], None]
    error: Exception | None = None
    has_ended: bool = False
    _is_dead: bool = False
    _instruction: Instruction = Instruction.GO_ON
    _may_run: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _waits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        threading.Thread(target=self._run, name=self.name, daemon=True).start()

    def step(self, instruction: Instruction = Instruction.GO_ON) -> None:
        """Let it run to where it waits next, or to its end."""
        self._instruction = instruction
        self._may_run.release()
        self._waits.acquire()

    def wait(self) -> Instruction:
        """Called by the process itself, between two things it does."""
        if self._is_dead:
            raise KilledError
        self._waits.release()
        self._may_run.acquire()
        if self._instruction is Instruction.DIE:
            self._is_dead = True
            raise KilledError
        return self._instruction

    def _run(self) -> None:
        self._may_run.acquire()
        try:
            if self._instruction is not Instruction.DIE:
                self.work(self)
        except KilledError:
            pass
        except Exception as error:  # noqa: BLE001 (whatever it is, the schedule raises it)
            self.error = error
        finally:
            self.has_ended = True
            self._waits.release()


class ScheduledEngine:
    """The engine as one process sees it.

    :param abandoned: takes the merges whose process died or hung up; they go on without it.
    """

    def __init__(self, lake: Lake, *, process: Process, abandoned: list[PlannedMerge]) -> None:
        self._lake = lake
        self._process = process
        self._abandoned = abandoned

    def execute(self, statement: Statement) -> Outcome:
        self._wait("the statement did not arrive")
        if not self._lake.is_merge(statement):
            return self._lake.read(statement)
        merge = self._lake.plan(statement)
        try:
            self._wait("the answer is lost")
        except (KilledError, EngineUnavailableError):
            self._abandoned.append(merge)
            raise
        outcome = self._lake.commit(merge)
        self._wait("the answer is lost")
        return outcome

    def _wait(self, message: str) -> None:
        if self._process.wait() is Instruction.LOSE_ANSWER:
            raise EngineUnavailableError(message=message)


class ScheduledStore(ObjectStore):
    """The object store as one process sees it."""

    def __init__(self, lake: Lake, *, process: Process) -> None:
        self._store = lake.store
        self._process = process

    def list_objects(self, *, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
        self._wait("list")
        return self._store.list_objects(bucket=bucket, prefix=prefix)

    @contextlib.contextmanager
    def open_version(self, version: ObjectVersion) -> Iterator[BinaryIO]:
        self._wait("get")
        with self._store.open_version(version) as stream:
            yield stream

    def get(self, *, bucket: str, key: str) -> bytes:
        self._wait("get")
        return self._store.get(bucket=bucket, key=key)

    def put(self, content: bytes, *, bucket: str, key: str) -> None:
        self._wait("put")
        self._store.put(content, bucket=bucket, key=key)

    def delete(self, *, bucket: str, key: str) -> None:
        self._wait("delete")
        self._store.delete(bucket=bucket, key=key)

    def _wait(self, operation: str) -> None:
        if self._process.wait() is Instruction.LOSE_ANSWER:
            raise StoreUnavailableError(operation=operation, message="the answer is lost")


class Schedule:
    """Decides, from one seed, who runs next and who dies.

    :param work: what each process does, with the store and the engine it is given.
    :param disturb: something that happens in the world between two steps.
    :param after_step: looks at the lake after everything that happened.
    :param deadliness: how often the process that runs next dies or loses an answer instead.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        random: Random,
        work: Callable[[ObjectStore, ScheduledEngine], None],
        disturb: Callable[[], None],
        after_step: Callable[[], None],
        deadliness: float,
    ) -> None:
        self._lake = lake
        self._random = random
        self._work = work
        self._disturb = disturb
        self._after_step = after_step
        self._deadliness = deadliness
        self._processes: list[Process] = []
        self._abandoned: list[PlannedMerge] = []

    def run(self, *, processes: int) -> None:
        """Run so many processes, one over the other, until all have ended and no statement runs.

        :raises LakehouseError: a process failed for good.
        """
        to_start = processes
        try:
            while to_start or self._processes or self._abandoned:
                match self._next(may_start=to_start > 0):
                    case "start":
                        to_start -= 1
                        self._processes.append(self._new_process(to_start))
                    case "disturb":
                        self._disturb()
                    case "step":
                        self._step()
                    case "end":
                        self._end_abandoned_merge()
                self._after_step()
        finally:
            for process in self._processes:
                while not process.has_ended:
                    process.step(Instruction.DIE)

    def _next(self, *, may_start: bool) -> str:
        weights = {
            "start": (2 if self._processes else 20) * may_start,
            "disturb": 1 * may_start,
            "step": 20 * bool(self._processes),
            "end": 2 * bool(self._abandoned),
        }
        return self._random.choices(list(weights), weights=list(weights.values()))[0]

    def _new_process(self, number: int) -> Process:
        def work(process: Process) -> None:
            self._work(
                ScheduledStore(self._lake, process=process),
                ScheduledEngine(self._lake, process=process, abandoned=self._abandoned),
            )

        return Process(name=f"process {number}", work=work)

    def _step(self) -> None:
        process = self._random.choice(self._processes)
        instruction = Instruction.GO_ON
        if self._random.random() < self._deadliness:
            instruction = self._random.choice([Instruction.DIE, Instruction.LOSE_ANSWER])
        process.step(instruction)
        if process.has_ended:
            self._processes.remove(process)
            if process.error is not None:
                raise process.error

    def _end_abandoned_merge(self) -> None:
        merge = self._abandoned.pop(self._random.randrange(len(self._abandoned)))
        # Or it was cancelled, which is the same as a conflict: nothing is written.
        if self._random.random() < 0.7:
            with contextlib.suppress(CommitConflictError):
                self._lake.commit(merge)
