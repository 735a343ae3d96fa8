"""The supervisor that keeps the engines running, spoken to over its Unix socket."""

from __future__ import annotations

import subprocess
import time
import xmlrpc.client
from collections.abc import Mapping
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

RUNNING_STATES = frozenset({"STARTING", "RUNNING"})


@dataclass(frozen=True)
class ProgramState:
    """What the supervisor says of one program."""

    program: str
    state: str
    pid: int
    detail: str

    @property
    def is_running(self) -> bool:
        """Whether the program's process exists, as far as the supervisor knows."""
        return self.state in RUNNING_STATES


class Supervisor:
    """The supervisor of one stack."""

    def __init__(self, layout: StackLayout) -> None:
        self._layout = layout

    def process_id(self) -> int | None:
        """Return the supervisor's process id, None when there is none that answers."""
        try:
            return int(self._calls().getPID())
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
        return {
            info["name"]: ProgramState(
                program=f"{info['group']}:{info['name']}",
                state=info["statename"],
                pid=info["pid"],
                detail=info["spawnerr"] or info["description"],
            )
            for info in self._calls().getAllProcessInfo()
        }

    def start(self, state: ProgramState) -> None:
        """Start a program unless it runs; does not wait for it."""
        if state.is_running:
            return
        if state.state == "BACKOFF":
            self._calls().stopProcess(state.program)
        self._calls().startProcess(state.program, False)  # noqa: FBT003

    def shut_down(self) -> None:
        """Ask the supervisor to stop every program and then itself; does not wait."""
        self._calls().shutdown()

    def _calls(self) -> Any:
        # A connection of its own for each call: they are few, and a kept one outlives a killed supervisor.
        transport = SupervisorTransport(None, None, f"unix://{self._layout.supervisor_socket}")
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor
