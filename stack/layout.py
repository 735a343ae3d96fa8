"""Where a stack keeps its things."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]

# A Unix socket's address is this long at most; a clone may lie deeper.
LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True)
class StackLayout:
    """The paths of one stack.

    :param directory: data, logs and run-time files; git-ignored.
    :param environment_file: the stack's settings.
    """

    directory: Path
    environment_file: Path

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> StackLayout:
        """Return the clone's own stack, or the one LAKEHOUSE_STACK_DIRECTORY names, which has its .env inside."""
        if chosen := environment.get("LAKEHOUSE_STACK_DIRECTORY"):
            directory = Path(chosen).resolve()
            return cls(directory=directory, environment_file=directory / ".env")
        return cls(directory=CLONE / ".stack", environment_file=CLONE / ".env")

    @property
    def logs(self) -> Path:
        """Return the directory of the engines' logs."""
        return self.directory / "logs"

    @property
    def data(self) -> Path:
        """Return the directory of the engines' data."""
        return self.directory / "data"

    @property
    def airflow_home(self) -> Path:
        """Return Airflow's own directory: metadata database, task logs, sign-in."""
        return self.directory / "airflow"

    @property
    def activation_script(self) -> Path:
        """Return the script to ``source`` in a shell."""
        return self.directory / "activate"

    @property
    def supervisor_socket(self) -> Path:
        """Return the socket the supervisor listens on."""
        usual = self.directory / "supervisor.sock"
        if len(os.fsencode(usual)) <= LONGEST_SOCKET_PATH:
            return usual
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"lakehouse-{os.getuid()}-{digest}.sock"

    def create(self) -> None:
        """Make the directories, readable by their owner only."""
        for directory in (self.directory, self.logs, self.data, self.airflow_home):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
