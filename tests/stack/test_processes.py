from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stack import processes
from stack.environment import PROCESS_MARKER
from stack.errors import PortTakenError
from stack.processes import is_alive, listeners, require_free_ports, stack_processes, stop_processes


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def start(*arguments: str, marker: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, PROCESS_MARKER: str(marker)} if marker else None
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    return process


WAITING = "import signal; print('ready'); signal.pause()"
LISTENING = "import signal, socket; s = socket.create_server(('127.0.0.1', 0)); print('ready'); signal.pause()"
IGNORING = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); signal.pause()"


def test_taken_port_is_told_with_owner_setting_and_file(listening, tmp_path):
    with pytest.raises(PortTakenError) as caught:
        require_free_ports({"S3_PORT": listening}, directory=tmp_path, path=Path("/clone/.env"))
    message = str(caught.value)
    assert f"Port {listening} (S3_PORT)" in message
    assert f"(process {os.getpid()})" in message
    assert "set S3_PORT in /clone/.env to a free port" in message


def test_own_ports_are_not_taken(tmp_path):
    process = start(LISTENING, marker=tmp_path)
    try:
        ((_, port),) = listeners([psutil.Process(process.pid)])
        require_free_ports({"S3_PORT": port}, directory=tmp_path, path=Path(".env"))
        with pytest.raises(PortTakenError):
            require_free_ports({"S3_PORT": port}, directory=tmp_path / "other", path=Path(".env"))
    finally:
        process.kill()
        process.wait()


def test_free_port_is_not_taken(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    require_free_ports({"S3_PORT": port}, directory=tmp_path, path=Path(".env"))


def test_port_of_a_dying_process_is_waited_for(listening, tmp_path, monkeypatch):
    """A killed process keeps its ports for a moment in which it has no file descriptors to be seen."""
    answers = [False, False, True]
    monkeypatch.setattr(processes, "_is_free", lambda port: answers.pop(0))
    monkeypatch.setattr(processes, "_owners", dict)
    require_free_ports({"S3_PORT": listening}, directory=tmp_path, path=Path(".env"))
    assert answers == []


def test_port_of_an_invisible_owner_is_given_up_after_a_while(listening, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "DYING_SECONDS", 0)
    monkeypatch.setattr(processes, "_owners", dict)
    with pytest.raises(PortTakenError, match="cannot be seen"):
        require_free_ports({"S3_PORT": listening}, directory=tmp_path, path=Path(".env"))


def test_listeners_are_told_with_their_address(listening):
    assert ("127.0.0.1", listening) in listeners([psutil.Process()])


def test_processes_are_found_by_their_marker_alone(tmp_path):
    ours = start(WAITING, marker=tmp_path)
    others = start(WAITING, marker=tmp_path / "other")
    try:
        assert [process.pid for process in stack_processes(tmp_path)] == [ours.pid]
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()


def test_stubborn_processes_are_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("stack.processes.TERMINATION_SECONDS", 0.2)
    stubborn = start(IGNORING, marker=tmp_path)
    stop_processes(stack_processes(tmp_path))
    assert not is_alive(stubborn.pid)
    stubborn.wait()


def test_ended_process_is_not_alive():
    process = start(WAITING)
    assert is_alive(process.pid)
    process.kill()
    process.wait()
    assert not is_alive(process.pid)


def test_no_process_is_not_alive():
    assert not is_alive(0)
