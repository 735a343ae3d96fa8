"""The clone's own checks: linters, and every test on engines of the tests' own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping

from rich.console import Console

from stack.environment import VENV_BIN
from stack.layout import CLONE
from stack.tests_stack import make_tests_stack, remove_tests_stack

LINTERS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("sqlfluff", "lint", "include/sql", "include/dbt/models"),
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
    try:
        console.print("Starting the tests' own stack")
        stack.up()
        # Tests that kill engines come last, in a session of their own, so that no other test meets a dead engine.
        sessions = ("not disruptive", "disruptive")
        outcomes = [
            _passes(
                console,
                "pytest",
                "-m",
                marker if long else f"{marker} and not long",
                environment={"LAKEHOUSE_STACK_DIRECTORY": str(stack.layout.directory)},
            )
            for marker in sessions
        ]
    finally:
        remove_tests_stack(stack)
    return linted and all(outcomes)


def _passes(console: Console, *command: str, environment: Mapping[str, str] | None = None) -> bool:
    console.print(f"[bold]{' '.join(command)}")
    started = time.monotonic()
    finished = subprocess.run(
        [VENV_BIN / command[0], *command[1:]], cwd=CLONE, env={**os.environ, **(environment or {})}, check=False
    )
    verdict = "[green]passed" if finished.returncode == 0 else "[red]failed"
    console.print(f"{verdict}[/] after {time.monotonic() - started:.0f} s")
    return finished.returncode == 0
