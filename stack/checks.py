"""The clone's own checks: linters, and every test on engines of the tests' own."""

from __future__ import annotations

import subprocess
import time

from rich.console import Console

from stack.environment import VENV_BIN
from stack.layout import CLONE
from stack.tests_stack import make_tests_stack

LINTERS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("sqlfluff", "lint", "include/sql"),
)


def lint(console: Console) -> bool:
    """Run every linter; return whether all are content."""
    outcomes = [_passes(console, *command) for command in LINTERS]
    return all(outcomes)


def test(console: Console, *, long: bool) -> bool:
    """Run every linter and test, on a stack started for it; return whether all passed.

    :param long: also the tests that take full counts.
    """
    linted = lint(console)
    stack = make_tests_stack(console)
    stack.reset()
    console.print("Starting the tests' own stack")
    try:
        stack.up()
        # Tests that kill engines come last, in a session of their own, so that no other test meets a dead engine.
        sessions = ("not disruptive", "disruptive")
        outcomes = [
            _passes(console, "pytest", "-m", marker if long else f"{marker} and not long") for marker in sessions
        ]
    finally:
        stack.down()
    return linted and all(outcomes)


def _passes(console: Console, *command: str) -> bool:
    console.print(f"[bold]{' '.join(command)}")
    started = time.monotonic()
    passed = subprocess.run([VENV_BIN / command[0], *command[1:]], cwd=CLONE, check=False).returncode == 0
    console.print(f"{'[green]passed' if passed else '[red]failed'}[/] after {time.monotonic() - started:.0f} s")
    return passed
