"""The engines that a benchmark runs on: a throw-away stack of its own, or the one of ``make up``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

import click
from rich.console import Console

from stack.engines import SEAWEEDFS, TRINO, Engine, NotAnsweringError
from stack.environment import without_proxy_for_loopback
from stack.errors import StackNotRunningError
from stack.layout import CLONE, StackLayout
from stack.lifecycle import Stack
from stack.tests_stack import make_tests_stack, remove_tests_stack

#: What loading files needs.
FOR_FILES = (SEAWEEDFS, TRINO)
_SESSIONS = CLONE / ".stack" / "bench"


class StackChoice(StrEnum):
    """Which engines a benchmark uses."""

    OWN = "own"
    CLONE = "clone"


def stack_option(command: Callable[..., None]) -> Callable[..., None]:
    """The option ``--stack`` of a benchmark's command."""
    return click.option(
        "--stack",
        "choice",
        type=click.Choice([choice.value for choice in StackChoice]),
        default=StackChoice.OWN.value,
        show_default=True,
        help="own: engines for this run only, with empty tables; clone: the running ones of `make up`.",
    )(command)


@contextmanager
def engines_of(choice: str, engines: Sequence[Engine], console: Console) -> Iterator[dict[str, str]]:
    """The environment of running engines, also set in this process while the context lasts.

    :param engines: those that are needed; of a stack of the run's own, no others are started.
    :raises StackNotRunningError: the clone's stack is chosen and one of them does not answer.
    :raises StackError: the run's own stack does not start.
    """
    if StackChoice(choice) is StackChoice.CLONE:
        stack = Stack(StackLayout.of_environment(), console)
        with _environment_of(_answering(stack, engines)) as environment:
            yield environment
        return
    stack = make_tests_stack(console, sessions=_SESSIONS)
    try:
        stack.up(engines)
        with _environment_of(stack) as environment:
            yield environment
    finally:
        remove_tests_stack(stack)


def stack_of(choice: str, console: Console) -> tuple[Stack, Callable[[], None]]:
    """The whole stack of a benchmark that runs DAGs, not started, and what is to be done with it in the end."""
    if StackChoice(choice) is StackChoice.CLONE:
        return Stack(StackLayout.of_environment(), console), lambda: None
    stack = make_tests_stack(console, sessions=_SESSIONS)
    return stack, lambda: remove_tests_stack(stack)


def _answering(stack: Stack, engines: Sequence[Engine]) -> Stack:
    settings = stack.settings()
    for engine in engines:
        try:
            engine.ask(settings)
        except NotAnsweringError as error:
            raise StackNotRunningError from error
    return stack


@contextmanager
def _environment_of(stack: Stack) -> Iterator[dict[str, str]]:
    environment = stack.environment()
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        del os.environ[name]
    os.environ.update(environment | without_proxy_for_loopback(os.environ))
    try:
        yield environment
    finally:
        os.environ.clear()
        os.environ.update(before)
