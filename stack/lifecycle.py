"""Starting, stopping and deleting a stack."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from stack.artefact_cache import ArtefactCache, cache_directory
from stack.engines import AIRFLOW, ENGINES, Engine, NotAnsweringError
from stack.environment import (
    ACTIVE_STACK,
    VENV_BIN,
    activation_script,
    airflow_version,
    inherited_environment,
    process_environment,
    user_environment,
)
from stack.environment_file import ensure_environment_file, ports, read_environment_file
from stack.errors import EngineFailedError, StackNotRunningError
from stack.layout import StackLayout
from stack.log_files import tail
from stack.pins import read_pins
from stack.private_files import write_privately
from stack.processes import (
    has_other_environment,
    memory_of,
    orphaned,
    require_free_ports,
    stack_processes,
    stop_processes,
)
from stack.readiness import Readiness
from stack.supervision import Supervisor

SHUTDOWN_SECONDS = 60


@dataclass(frozen=True)
class EngineStatus:
    """What can be said of one engine now.

    :param version: None when it does not answer; ``reason`` then says why.
    :param memory: bytes of its processes and their descendants.
    """

    engine: Engine
    version: str | None
    reason: str
    port: str
    memory: int


@dataclass(frozen=True)
class Stack:
    """The local engines of one layout."""

    layout: StackLayout
    console: Console

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(self.layout)

    def settings(self) -> dict[str, str]:
        """Return the settings; StackNotRunningError when the stack was never started."""
        if not self.layout.environment_file.exists():
            raise StackNotRunningError
        return read_environment_file(self.layout.environment_file)

    def environment(self) -> dict[str, str]:
        """Return what a command needs to work with the stack; StackNotRunningError when it was never started."""
        return user_environment(self.layout, self.settings())

    def up(self, engines: Sequence[Engine] = ENGINES) -> None:
        """Start what is not running, and return when every engine has answered a real request.

        :param engines: those that are wanted; others are left as they are.


        Raises PortTakenError, EngineFailedError, DownloadError, ChecksumMismatchError or InvalidSettingError.
        """
        self.layout.create()
        with self._locked():
            self._ensure_settings()
            settings = self.settings()
            trees = self.fetch()
            own = process_environment(self.layout, settings, trino=trees["trino"], kafka=trees["kafka"])
            self._stop_what_cannot_stay(own)
            require_free_ports(
                ports(settings, path=self.layout.environment_file),
                directory=self.layout.directory,
                path=self.layout.environment_file,
            )
            environment = inherited_environment(os.environ) | own
            if self._supervisor.process_id() is None:
                self._supervisor.launch(environment)
            self._start_programs(engines, environment)
            Readiness(self.layout, self._supervisor, settings, self.console).wait_for(engines)
            write_privately(self.layout.activation_script, activation_script(self.layout, settings))

    def down(self) -> None:
        """Stop every process of the stack; returns when none is left."""
        if self.layout.directory.is_dir():
            with self._locked():
                self._shut_down()

    def reset(self) -> None:
        """Stop every process and delete data, logs and Airflow's history; the settings stay."""
        self.down()
        for directory in (self.layout.data, self.layout.airflow_home, self.layout.logs):
            if directory.exists():
                shutil.rmtree(directory)
        self.layout.activation_script.unlink(missing_ok=True)

    def fetch(self) -> dict[str, Path]:
        """Return the unpacked distributions by name, downloading what is missing."""
        cache = ArtefactCache(cache_directory(os.environ), self.console)
        return {name: cache.install(distribution) for name, distribution in read_pins().items()}

    def status(self) -> list[EngineStatus]:
        """Return what each engine says of itself now; StackNotRunningError when the stack was never started."""
        settings = self.settings()
        alive = self._supervisor.process_id() is not None
        states = self._supervisor.states() if alive else {}

        def of_engine(engine: Engine) -> EngineStatus:
            version, reason = None, ""
            try:
                version = engine.ask(settings)
            except NotAnsweringError as error:
                reason = str(error)
            pids = [
                states[program].pid for program in engine.programs if program in states and states[program].pid
            ]
            return EngineStatus(engine, version, reason, settings[engine.port], memory_of(pids))

        with ThreadPoolExecutor(len(ENGINES)) as pool:
            return list(pool.map(of_engine, ENGINES))

    def is_up(self) -> bool:
        """Whether the stack has been started and every engine answers."""
        try:
            return all(status.version is not None for status in self.status())
        except StackNotRunningError:
            return False

    def _ensure_settings(self) -> None:
        # In a shell that works with another stack, the ports in the environment are that stack's.
        offered: Mapping[str, str] = {} if ACTIVE_STACK in os.environ else os.environ
        ensure_environment_file(self.layout.environment_file, environment=offered)

    def _stop_what_cannot_stay(self, own: Mapping[str, str]) -> None:
        """Stop a supervisor that runs with other settings, and what killed processes have left behind."""
        supervisor = self._supervisor.process_id()
        if supervisor is not None and has_other_environment(supervisor, own):
            self.console.print("Settings or versions have changed since the last start: restarting")
            self._shut_down()
        elif orphans := orphaned(stack_processes(self.layout.directory), supervisor=supervisor):
            self.console.print(f"Stopping {len(orphans)} processes whose parents were killed")
            stop_processes(orphans)

    def _start_programs(self, engines: Sequence[Engine], environment: Mapping[str, str]) -> None:
        for engine in engines:
            if engine is AIRFLOW:
                # While the others are starting.
                self._prepare_airflow(environment)
            else:
                (self.layout.data / engine.programs[0]).mkdir(exist_ok=True)
            for program in engine.programs:
                self._supervisor.start(program)

    def _prepare_airflow(self, environment: Mapping[str, str]) -> None:
        """Write the sign-in, and bring the metadata database to the installed version."""
        sign_in = {environment["AIRFLOW_USER"]: environment["AIRFLOW_PASSWORD"]}
        write_privately(self.layout.airflow_home / "passwords.json", json.dumps(sign_in))
        migrated = self.layout.airflow_home / "migrated-to"
        if migrated.exists() and migrated.read_text(encoding="utf-8") == airflow_version():
            return
        log = self.layout.logs / "airflow-migrate.log"
        with log.open("w", encoding="utf-8") as output:
            finished = subprocess.run(
                [VENV_BIN / "airflow", "db", "migrate"],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o077,
                check=False,
            )
        if finished.returncode != 0:
            raise EngineFailedError(
                engine="Airflow's database", reason=f"exit status {finished.returncode}", log=log, tail=tail(log)
            )
        migrated.write_text(airflow_version(), encoding="utf-8")

    def _shut_down(self) -> None:
        processes = stack_processes(self.layout.directory)
        if self._supervisor.process_id() is not None:
            self._supervisor.shut_down()
            psutil.wait_procs(processes, timeout=SHUTDOWN_SECONDS)
        stop_processes(stack_processes(self.layout.directory))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep two starts and stops of one stack from running into each other."""
        with (self.layout.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
