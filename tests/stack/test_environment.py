from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from stack.environment import (
    PROCESS_MARKER,
    activation_script,
    inherited_environment,
    process_environment,
    user_environment,
    without_proxy_for_loopback,
)
from stack.environment_file import ensure_environment_file, read_environment_file
from stack.layout import CLONE, StackLayout

STACK = CLONE / "stack"


@pytest.fixture
def layout(tmp_path: Path) -> StackLayout:
    return StackLayout(directory=tmp_path / "with space", environment_file=tmp_path / "with space" / ".env")


@pytest.fixture
def settings(layout: StackLayout) -> dict[str, str]:
    ensure_environment_file(layout.environment_file, environment={"AIRFLOW_PORT": "8555", "S3_PORT": "9555"})
    return read_environment_file(layout.environment_file)


def templates() -> list[tuple[Path, str]]:
    return [
        *((path, r"\$\{ENV:(\w+)\}") for path in sorted((STACK / "trino").rglob("*.properties"))),
        (STACK / "kafka" / "server.properties", r"\$\{env:(\w+)\}"),
        *((path, r'"?\$(?!0)(\w+)') for path in sorted(STACK.glob("*/start.sh"))),
        (STACK / "supervisord.conf", r"%\(ENV_(\w+)\)s"),
    ]


@pytest.mark.parametrize(
    ("path", "reference"), templates(), ids=[str(path.relative_to(STACK)) for path, _ in templates()]
)
def test_configuration_asks_only_for_what_processes_get(path, reference, layout, settings):
    environment = process_environment(layout, settings, trino=Path("/trino"), kafka=Path("/kafka"))
    text = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    own = set(re.findall(r"^\s*(?:export )?(\w+)=", text, re.MULTILINE)) if path.name == "start.sh" else set()
    assert set(re.findall(reference, text)) - own - set(environment) == set()


def test_configuration_files_hold_no_setting_of_their_own(settings):
    secret = re.compile("PASSWORD|SECRET|FERNET|SIGNING")
    secrets = [value for name, value in settings.items() if secret.search(name)]
    ports = [value for name, value in settings.items() if name.endswith("_PORT")]
    assert secrets
    assert ports
    for path, _ in templates():
        text = path.read_text(encoding="utf-8")
        assert [value for value in secrets + ports if value in text] == [], path


def test_airflow_listens_and_answers_at_the_port_of_the_settings(layout, settings):
    environment = user_environment(layout, settings)
    assert environment["AIRFLOW__API__PORT"] == "8555"
    assert environment["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8555"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_connections_of_airflow_follow_the_settings(layout, settings):
    environment = user_environment(layout, settings)
    trino = json.loads(environment["AIRFLOW_CONN_LAKEHOUSE_TRINO"])
    s3 = json.loads(environment["AIRFLOW_CONN_LAKEHOUSE_S3"])
    assert (trino["host"], str(trino["port"]), trino["login"]) == (
        "127.0.0.1",
        settings["TRINO_PORT"],
        "lakehouse",
    )
    assert s3["extra"]["endpoint_url"] == "http://127.0.0.1:9555"
    assert s3["password"] == settings["AWS_SECRET_ACCESS_KEY"]


def test_only_processes_of_the_stack_carry_the_marker(layout, settings):
    processes = process_environment(layout, settings, trino=Path("/trino"), kafka=Path("/kafka"))
    assert processes[PROCESS_MARKER] == str(layout.directory)
    assert PROCESS_MARKER not in user_environment(layout, settings)


def test_cloud_credentials_of_the_shell_do_not_reach_the_stack():
    shell = {"AWS_SESSION_TOKEN": "token", "AWS_PROFILE": "prod", "AWS_CA_BUNDLE": "/ca.pem", "PATH": "/bin"}
    inherited = inherited_environment(shell)
    assert {name for name in inherited if name.startswith("AWS_")} == {"AWS_CA_BUNDLE"}
    assert inherited["PATH"].endswith(":/bin")


def test_proxies_are_not_asked_for_the_engines_and_exemptions_are_kept():
    assert without_proxy_for_loopback({"NO_PROXY": "internal.example,localhost"}) == {
        "NO_PROXY": "internal.example,localhost,127.0.0.1",
        "no_proxy": "127.0.0.1,localhost",
    }


def test_activation_script_gives_a_shell_the_same_environment(layout, settings):
    script = layout.directory / "activate"
    script.write_text(activation_script(layout, settings), encoding="utf-8")
    command = f". {shlex.quote(str(script))}; command -v airflow; env -0"
    shell = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, env={"PATH": "/bin"})
    airflow, _, variables = shell.stdout.partition("\n")
    seen = dict(line.split("=", 1) for line in variables.split("\0") if line)
    expected = user_environment(layout, settings)
    assert {name: seen.get(name) for name in expected} == expected
    assert Path(airflow).name == "airflow"
