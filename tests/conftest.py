"""The engines of a test session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from rich.console import Console

from stack.environment import without_proxy_for_loopback
from stack.layout import StackLayout
from stack.lifecycle import Stack
from stack.tests_stack import make_tests_stack

STACK: pytest.StashKey[Stack] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        choices=("own", "clone"),
        default="own",
        help="own (default): a stack that only tests use, started unless it is up; clone: that of `make up`",
    )


def pytest_configure(config: pytest.Config) -> None:
    console = Console(stderr=True)
    if config.getoption("--stack") == "own":
        stack = make_tests_stack(console)
    else:
        stack = Stack(StackLayout.of_environment({}), console)
    config.stash[STACK] = stack
    # Airflow takes its home and its database from the environment when it is first imported, which is before any
    # fixture. Connections come with the fixture only: whoever does not ask for it has none.
    for name, value in stack.environment().items():
        if name == "AIRFLOW_HOME" or name.startswith("AIRFLOW__"):
            os.environ[name] = value


@pytest.fixture(scope="session")
def running_stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack, every engine answering; stopped in the end if it was started here."""
    stack = request.config.stash[STACK]
    if stack.is_up():
        yield stack
    elif request.config.getoption("--stack") == "clone":
        pytest.fail("The clone's stack is not up; start it with `make up`.")
    else:
        stack.reset()
        stack.up()
        yield stack
        stack.down()


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
