"""The clone's own checks: linters, and every test on engines of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO

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
    environment = {"LAKEHOUSE_STACK_DIRECTORY": str(stack.layout.directory)}
    try:
        console.print("Starting the tests' own stack")
        stack.up()
        # Tests on engines wait for them most of the time, with one processor of two: the others run meanwhile.
        with _Beside(*_tests("not engine and not disruptive", long=long), environment=environment) as beside:
            on_engines = _passes(console, *_tests("engine and not disruptive", long=long), environment=environment)
            without_engines = beside.passes(console)
        # Tests that kill engines come last, in a session of their own, so that no other test meets a dead engine.
        killing = _passes(console, *_tests("disruptive", long=long), environment=environment)
    finally:
        remove_tests_stack(stack)
    return linted and on_engines and without_engines and killing


def _tests(marker: str, *, long: bool) -> tuple[str, ...]:
    return "pytest", "-m", marker if long else f"{marker} and not long"


def _passes(console: Console, *command: str, environment: Mapping[str, str] | None = None) -> bool:
    console.print(f"[bold]{' '.join(command)}")
    started = time.monotonic()
    has_passed = _start(command, environment).wait() == 0
    console.print(f"{_verdict(has_passed)} after {time.monotonic() - started:.0f} s")
    return has_passed


class _Beside:
    """A command that runs while another one has the terminal, and says what it said afterwards."""

    def __init__(self, *command: str, environment: Mapping[str, str]) -> None:
        self._command = command
        self._told = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by __exit__)
        self._process = _start(command, environment, output=self._told)

    def __enter__(self) -> _Beside:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._told.close()

    def passes(self, console: Console) -> bool:
        has_passed = self._process.wait() == 0
        console.print(f"[bold]{' '.join(self._command)}[/], meanwhile")
        self._told.seek(0)
        shutil.copyfileobj(self._told, sys.stdout)
        console.print(_verdict(has_passed))
        return has_passed


def _verdict(has_passed: bool) -> str:  # noqa: FBT001  (it is the one thing to tell)
    return "[green]passed[/]" if has_passed else "[red]failed[/]"


def _start(
    command: Sequence[str], environment: Mapping[str, str] | None, *, output: IO[str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [VENV_BIN / command[0], *command[1:]],
        cwd=CLONE,
        env={**os.environ, **(environment or {})},
        stdout=output,
        stderr=output,
    )
