"""Which processes are the stack's, and who holds a port."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from stack.environment import BIND_ADDRESS, PROCESS_MARKER
from stack.errors import PortTakenError

TERMINATION_SECONDS = 15
# A killed process holds its ports until its memory is given back; meanwhile nobody can be seen to own them.
DYING_SECONDS = 20


def stack_processes(directory: Path) -> list[psutil.Process]:
    """Return every living process of the stack at a directory, found by the marker in its environment."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _is_of_stack(process, directory)
    ]


def _is_of_stack(process: psutil.Process, directory: Path) -> bool:
    try:
        return process.environ().get(PROCESS_MARKER) == str(directory)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def orphaned(processes: Iterable[psutil.Process], *, supervisor: int | None) -> list[psutil.Process]:
    """Return those processes that do not descend from the supervisor; all, when there is none."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if supervisor not in {process.pid, *(parent.pid for parent in process.parents())}:
                found.append(process)
    return found


def has_other_environment(pid: int, expected: Mapping[str, str]) -> bool:
    """Whether a process was started with other values of some variables."""
    environment = psutil.Process(pid).environ()
    return any(environment.get(name) != value for name, value in expected.items())


def stop_processes(processes: Iterable[psutil.Process]) -> None:
    """Ask processes to end, and kill those that have not after a while."""
    alive = list(processes)
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                stop(process)
        _, alive = psutil.wait_procs(alive, timeout=TERMINATION_SECONDS)


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        return bool(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def memory_of(pids: Iterable[int]) -> int:
    """Return the bytes that processes with all their descendants hold, shared pages counted once."""
    total = 0
    for pid in pids:
        try:
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def listeners(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """Return every (address, port) on which processes accept TCP connections."""
    found = set()
    for process in processes:
        try:
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    # Java listens on IPv6 sockets, which show an IPv4 address in this form.
                    found.add((connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def require_free_ports(ports: Mapping[str, int], *, directory: Path, path: Path) -> None:
    """Raise PortTakenError when something that is not the stack's own listens on one of its ports.

    :param ports: ports by the name of their setting.
    :param directory: the stack's directory, by which its own processes are known.
    :param path: the file the settings stand in.
    """
    deadline = time.monotonic() + DYING_SECONDS
    while taken := _first_taken(ports, directory):
        setting, owner = taken
        if owner is not None or time.monotonic() > deadline:
            raise PortTakenError(port=ports[setting], setting=setting, owner=owner, path=path)
        time.sleep(0.1)


def _first_taken(ports: Mapping[str, int], directory: Path) -> tuple[str, str | None] | None:
    """Return the first setting whose port somebody else holds, and who, as far as that can be seen."""
    busy = {setting: port for setting, port in ports.items() if not _is_free(port)}
    owners = _owners() if busy else {}
    for setting, port in busy.items():
        owner = owners.get(port)
        if owner is None or not is_alive(owner.pid):
            return setting, None
        if not _is_of_stack(owner, directory):
            with suppress(psutil.NoSuchProcess):
                return setting, f"{owner.name()} (process {owner.pid})"
    return None


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((BIND_ADDRESS, port))
        except OSError:
            return False
    return True


def _owners() -> dict[int, psutil.Process]:
    """Return the process that listens on each port, as far as this account can see it."""
    owners = {}
    for connection in psutil.net_connections(kind="tcp"):
        if connection.laddr and connection.status == psutil.CONN_LISTEN and connection.pid is not None:
            with suppress(psutil.NoSuchProcess):
                owners[connection.laddr.port] = psutil.Process(connection.pid)
    return owners
