"""The supervisor that keeps the engines running, spoken to over its Unix socket."""

from __future__ import annotations

import subprocess
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from stack.environment import VENV_BIN
from stack.errors import EngineFailedError
from stack.layout import CLONE, StackLayout
from stack.log_files import tail

CONFIGURATION = Path(__file__).parent / "supervisord.conf"
START_SECONDS = 15
# The supervisor kills a program that has not ended 10 s after it was asked to.
STOP_SECONDS = 15

STARTED_STATES = frozenset({"STARTING", "RUNNING", "BACKOFF"})
# The supervisor has given up, or was told to stop it; in EXITED and BACKOFF it is about to start it again.
FAILED_STATES = frozenset({"FATAL", "STOPPED", "STOPPING", "UNKNOWN"})


@dataclass(frozen=True)
class ProgramState:
    """What the supervisor says of one program."""

    program: str
    state: str
    pid: int
    detail: str

    @property
    def has_failed(self) -> bool:
        """Whether the supervisor will not start the program again by itself."""
        return self.state in FAILED_STATES


class Supervisor:
    """The supervisor of one stack."""

    def __init__(self, layout: StackLayout) -> None:
        self._layout = layout

    def process_id(self) -> int | None:
        """Return the supervisor's process id, None when there is none that answers."""
        try:
            with self._calls() as calls:
                return int(calls.getPID())
        except (OSError, HTTPException):
            return None

    def launch(self, environment: Mapping[str, str]) -> None:
        """Start the supervisor, without any program; EngineFailedError when it does not answer."""
        finished = subprocess.run(
            [VENV_BIN / "supervisord", "--configuration", CONFIGURATION],
            cwd=CLONE,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        deadline = time.monotonic() + START_SECONDS
        while finished.returncode == 0 and time.monotonic() < deadline:
            if self.process_id() is not None:
                return
            time.sleep(0.05)
        log = self._layout.logs / "supervisord.log"
        raise EngineFailedError(
            engine="The supervisor",
            reason=(finished.stdout + finished.stderr).strip() or f"it does not answer after {START_SECONDS} s",
            log=log,
            tail=tail(log),
        )

    def states(self) -> dict[str, ProgramState]:
        """Return the state of every program by its name."""
        with self._calls() as calls:
            programs = calls.getAllProcessInfo()
        return {
            info["name"]: ProgramState(
                program=f"{info['group']}:{info['name']}",
                state=info["statename"],
                pid=info["pid"],
                detail=info["spawnerr"] or info["description"],
            )
            for info in programs
        }

    def start(self, program: str) -> None:
        """Start a program unless it runs or is about to; does not wait for it."""
        deadline = time.monotonic() + STOP_SECONDS
        while (state := self.states()[program]).state == "STOPPING" and time.monotonic() < deadline:
            time.sleep(0.1)
        if state.state not in STARTED_STATES:
            # The supervisor may have started it in the meantime.
            with suppress(xmlrpc.client.Fault), self._calls() as calls:
                calls.startProcess(state.program, False)  # noqa: FBT003

    def stop(self, program: str) -> None:
        """Stop a program if it runs; does not wait for it."""
        state = self.states()[program]
        if not state.has_failed:
            # It may have ended in the meantime.
            with suppress(xmlrpc.client.Fault), self._calls() as calls:
                calls.stopProcess(state.program, False)  # noqa: FBT003

    def shut_down(self) -> None:
        """Ask the supervisor to stop every program and then itself; does not wait."""
        with self._calls() as calls:
            calls.shutdown()

    @contextmanager
    def _calls(self) -> Iterator[Any]:
        """Give the supervisor's remote calls, over a connection for this use only."""
        transport = SupervisorTransport(None, None, f"unix://{self._layout.supervisor_socket}")
        try:
            yield xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor
        finally:
            transport.close()
