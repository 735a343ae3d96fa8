"""The engines of a test session."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trino
from hypothesis import settings
from rich.console import Console

from stack.environment import without_proxy_for_loopback
from stack.layout import StackLayout
from stack.lifecycle import Stack
from stack.tests_stack import make_tests_stack, remove_tests_stack

# How long an example takes is no property of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

STACK: pytest.StashKey[Stack] = pytest.StashKey()
PRIVATE_STACK: pytest.StashKey[Stack] = pytest.StashKey()
FUZZ_COUNTS: pytest.StashKey[dict[str, Counter[str]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        choices=("own", "clone"),
        default="own",
        help="own (default): the stack LAKEHOUSE_STACK_DIRECTORY names, else one for this session only; "
        "clone: the running one of `make up`",
    )


def pytest_configure(config: pytest.Config) -> None:
    console = Console(stderr=True)
    if config.getoption("--stack") == "clone":
        stack = Stack(StackLayout.of_environment({}), console)
    elif "LAKEHOUSE_STACK_DIRECTORY" in os.environ:
        stack = Stack(StackLayout.of_environment(), console)
    else:
        stack = config.stash[PRIVATE_STACK] = make_tests_stack(console)
    config.stash[STACK] = stack
    # Airflow takes its home and its database from the environment when it is first imported, which is before any
    # fixture. Connections come with the fixture only: whoever does not ask for it has none.
    for name, value in stack.environment().items():
        if name == "AIRFLOW_HOME" or name.startswith("AIRFLOW__"):
            os.environ[name] = value


def pytest_unconfigure(config: pytest.Config) -> None:
    if private_stack := config.stash.get(PRIVATE_STACK, None):
        remove_tests_stack(private_stack)


@pytest.fixture(scope="session")
def fuzz_counts(request: pytest.FixtureRequest) -> Callable[[str], Counter[str]]:
    """The counts of a fuzzer, by its name; printed when the session ends."""
    counts = request.config.stash.setdefault(FUZZ_COUNTS, {})
    return lambda name: counts.setdefault(name, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if counts := config.stash.get(FUZZ_COUNTS, None):
        terminalreporter.section("fuzzers")
        for name, counter in sorted(counts.items()):
            told = ", ".join(f"{outcome} {count:,}" for outcome, count in sorted(counter.items()))
            terminalreporter.write_line(f"{name}: {told}")


@pytest.fixture(scope="session")
def running_stack(request: pytest.FixtureRequest) -> Stack:
    """The stack, every engine answering."""
    stack = request.config.stash[STACK]
    if PRIVATE_STACK in request.config.stash:
        stack.up()
    elif not stack.is_up():
        pytest.fail(f"The stack of {stack.layout.environment_file} is not up; start it with `make up`.")
    return stack


@pytest.fixture(scope="session")
def stack_environment(running_stack: Stack) -> Iterator[dict[str, str]]:
    """The settings of the running stack, which are also in the environment while the session lasts."""
    environment = running_stack.environment()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
            patch.delenv(name)
        for name, value in (environment | without_proxy_for_loopback(os.environ)).items():
            patch.setenv(name, value)
        yield environment


@pytest.fixture(scope="session")
def query(stack_environment: dict[str, str]) -> Iterator[Callable[[str], list[list[Any]]]]:
    """Runs a statement on the running Trino and returns its rows."""
    with trino.dbapi.connect(
        host=stack_environment["TRINO_HOST"],
        port=int(stack_environment["TRINO_PORT"]),
        user=stack_environment["TRINO_USER"],
    ) as connection:

        def rows_of(statement: str) -> list[list[Any]]:
            return connection.cursor().execute(statement).fetchall()

        yield rows_of
