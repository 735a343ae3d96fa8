"""Waiting until engines answer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from rich.console import Console

from stack.engines import Engine, NotAnsweringError
from stack.errors import EngineFailedError
from stack.layout import StackLayout
from stack.log_files import tail
from stack.processes import is_alive
from stack.supervision import Supervisor

# What a start may take on a machine that has nothing else to do; several times what it does take.
PATIENCE_SECONDS = 55
PAUSE_SECONDS = 0.5


def patience_seconds() -> float:
    """Return how long to wait now for an engine: longer, the more work each processor has."""
    return PATIENCE_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass(frozen=True)
class Readiness:
    """Waits for the engines of one stack."""

    layout: StackLayout
    supervisor: Supervisor
    environment: Mapping[str, str]
    console: Console

    def wait_for(self, engines: Iterable[Engine]) -> None:
        """Return when every engine has answered; EngineFailedError as soon as one cannot any more."""
        given_up = threading.Event()
        with ThreadPoolExecutor() as pool:
            waiting = [pool.submit(self._wait_for_one, engine, given_up) for engine in engines]
            done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
            given_up.set()
        for future in done:
            future.result()

    def _wait_for_one(self, engine: Engine, given_up: threading.Event) -> None:
        started = time.monotonic()
        pids: dict[str, int] = {}
        is_told = False
        while not given_up.is_set():
            self._require_running(engine, pids)
            try:
                version = engine.ask(self.environment)
            except NotAnsweringError as error:
                reason = str(error)
            else:
                port, seconds = self.environment[engine.port], time.monotonic() - started
                self.console.print(f"  {engine.name} {version} answers on port {port} ({seconds:.0f} s)")
                return
            if (seconds := time.monotonic() - started) > patience_seconds():
                raise self._failure(engine, engine.programs[0], f"no answer after {seconds:.0f} s: {reason}")
            if seconds > PATIENCE_SECONDS and not is_told:
                is_told = True
                log = self.layout.logs / f"{engine.programs[0]}.log"
                self.console.print(f"  {engine.name} does not answer yet; the machine is busy. Its log: {log}")
            given_up.wait(PAUSE_SECONDS)

    def _require_running(self, engine: Engine, pids: dict[str, int]) -> None:
        """Raise EngineFailedError when a program of the engine has ended while it was waited for.

        :param pids: the process first seen of each program; this call adds to them.
        """
        states = self.supervisor.states()
        for program in engine.programs:
            state = states[program]
            if state.has_failed:
                raise self._failure(engine, program, f"its process {program} is {state.state}: {state.detail}")
            # One that was killed a moment before may still be listed; it is about to be started again.
            if is_alive(state.pid) and pids.setdefault(program, state.pid) != state.pid:
                raise self._failure(engine, program, f"its process {program} ended while it was starting")

    def _failure(self, engine: Engine, program: str, reason: str) -> EngineFailedError:
        """Stop the engine, so that it does not fail on and on, and return the error."""
        for name in engine.programs:
            self.supervisor.stop(name)
        log = self.layout.logs / f"{program}.log"
        return EngineFailedError(engine=engine.name, reason=reason, log=log, tail=tail(log))
