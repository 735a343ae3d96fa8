"""The stack that one test session runs on, beside the one the clone's user may be working with."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
from rich.console import Console

from stack.environment import BIND_ADDRESS
from stack.environment_file import EXAMPLE_FILE, ensure_environment_file, port_settings
from stack.layout import CLONE, StackLayout
from stack.lifecycle import Stack

# One directory for each session, named for the process that made it.
SESSIONS = CLONE / ".stack" / "tests"

# Below the range of client ports: an engine that is down for a moment finds its port free again.
PORTS = range(20_000, 32_000)


def make_tests_stack(console: Console, *, sessions: Path = SESSIONS) -> Stack:
    """Return a new stack of this process, not started, on free ports; remove what dead sessions have left."""
    for directory in sessions.glob("*"):
        if not psutil.pid_exists(int(directory.name)):
            remove_tests_stack(_stack_at(directory, console))
    stack = _stack_at(sessions / str(os.getpid()), console)
    stack.layout.create()
    chosen = {name: str(port) for name, port in zip(port_settings(EXAMPLE_FILE), free_ports(), strict=False)}
    # What a test does not start by itself must not meddle with it.
    chosen["AIRFLOW_DAGS_PAUSED"] = "True"
    ensure_environment_file(stack.layout.environment_file, environment=chosen)
    return stack


def remove_tests_stack(stack: Stack) -> None:
    """Stop a tests' stack and delete all of it."""
    stack.down()
    shutil.rmtree(stack.layout.directory)


def free_ports() -> Iterator[int]:
    """Yield ports on which nothing listens, each once."""
    with ExitStack() as held:
        for port in random.sample(PORTS, len(PORTS)):
            attempt = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            try:
                attempt.bind((BIND_ADDRESS, port))
            except OSError:
                continue
            yield port


def _stack_at(directory: Path, console: Console) -> Stack:
    return Stack(StackLayout(directory=directory, environment_file=directory / ".env"), console)
