"""The stack that tests run on: the clone's second one, beside the one its user may be working with."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

from rich.console import Console

from stack.environment import BIND_ADDRESS
from stack.environment_file import EXAMPLE_FILE, ensure_environment_file, port_settings
from stack.layout import CLONE, StackLayout
from stack.lifecycle import Stack

# Below the range of client ports: an engine that is down for a moment finds its port free again.
PORTS = range(20_000, 32_000)


def make_tests_stack(console: Console) -> Stack:
    """Return the tests' stack, with settings but not started; its ports are free ones, chosen once."""
    directory = CLONE / ".stack" / "test"
    layout = StackLayout(directory=directory, environment_file=directory / ".env")
    layout.create()
    chosen = {name: str(port) for name, port in zip(port_settings(EXAMPLE_FILE), free_ports(), strict=False)}
    ensure_environment_file(layout.environment_file, environment=chosen)
    return Stack(layout, console)


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
