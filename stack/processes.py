"""Which processes are the stack's, and who holds a port."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from stack.environment import BIND_ADDRESS, PROCESS_MARKER
from stack.errors import PortTakenError

TERMINATION_SECONDS = 15


def stack_processes(directory: Path) -> list[psutil.Process]:
    """Return every living process of the stack at a directory, found by the marker in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(PROCESS_MARKER) == str(directory) and process.pid != os.getpid():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


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


def require_free_ports(ports: Mapping[str, int], *, own: Iterable[psutil.Process], path: Path) -> None:
    """Raise PortTakenError when something that is not the stack's own listens on one of its ports.

    :param ports: ports by the name of their setting.
    :param path: the file the settings stand in.
    """
    held = {port for _, port in listeners(own)}
    for setting, port in ports.items():
        if port not in held and not _is_free(port):
            raise PortTakenError(port=port, setting=setting, owner=_owner_of(port), path=path)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((BIND_ADDRESS, port))
        except OSError:
            return False
    return True


def _owner_of(port: int) -> str | None:
    for connection in psutil.net_connections(kind="tcp"):
        if connection.laddr and connection.laddr.port == port and connection.pid is not None:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.NoSuchProcess:
                continue
    return None
