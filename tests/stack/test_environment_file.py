from __future__ import annotations

import stat
from pathlib import Path

import pytest

from stack.environment_file import (
    EXAMPLE_FILE,
    ensure_environment_file,
    port_settings,
    ports,
    read_environment_file,
)
from stack.errors import InvalidSettingError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_start_makes_a_file_that_only_its_owner_can_read(path):
    ensure_environment_file(path, environment={})
    assert mode_of(path) == 0o600


def test_first_start_gives_every_secret_a_random_value(path, tmp_path):
    other = tmp_path / "other.env"
    ensure_environment_file(path, environment={})
    ensure_environment_file(other, environment={})
    first, second = read_environment_file(path), read_environment_file(other)
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {
        "AIRFLOW_FERNET_KEY",
        "AIRFLOW_JWT_SECRET",
        "AIRFLOW_PASSWORD",
        "AIRFLOW_SECRET_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "SEAWEEDFS_ADMIN_PASSWORD",
        "SEAWEEDFS_SIGNING_KEY",
    }
    assert min(len(first[name]) for name in differing) >= 32


def test_first_start_has_the_ports_users_know(path):
    ensure_environment_file(path, environment={})
    settings = read_environment_file(path)
    known = {"TRINO_PORT": "8090", "KAFKA_PORT": "19092", "S3_PORT": "9000", "AIRFLOW_PORT": "8080"}
    assert {name: settings[name] for name in known} == known


def test_first_start_takes_ports_from_the_environment(path):
    ensure_environment_file(path, environment={"S3_PORT": "9555", "UNRELATED": "1"})
    settings = read_environment_file(path)
    assert settings["S3_PORT"] == "9555"
    assert settings["S3_ENDPOINT"] == "http://127.0.0.1:9555"
    assert "UNRELATED" not in settings


def test_credentials_of_the_shell_are_never_written_down(path):
    shell = {
        "AWS_SECRET_ACCESS_KEY": "cloud-secret",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AIRFLOW_PASSWORD": "mine",
    }
    ensure_environment_file(path, environment=shell)
    text = path.read_text(encoding="utf-8")
    assert not [value for value in shell.values() if value in text]


def test_later_starts_change_nothing_and_restore_the_mode(path):
    ensure_environment_file(path, environment={})
    before = path.read_text(encoding="utf-8")
    path.chmod(0o644)
    ensure_environment_file(path, environment={"TRINO_PORT": "9999"})
    assert path.read_text(encoding="utf-8") == before
    assert mode_of(path) == 0o600


def test_settings_of_a_newer_version_are_added_and_edits_kept(path):
    path.write_text("TRINO_PORT=8099\nAWS_SECRET_ACCESS_KEY=kept\n", encoding="utf-8")
    ensure_environment_file(path, environment={"KAFKA_PORT": "19555"})
    settings = read_environment_file(path)
    assert (settings["TRINO_PORT"], settings["AWS_SECRET_ACCESS_KEY"]) == ("8099", "kept")
    assert settings["KAFKA_PORT"] == "19555"
    assert mode_of(path) == 0o600


@pytest.mark.parametrize("value", ["http", "0", "65536", "-1"])
def test_bad_port_is_an_error_that_names_setting_and_file(path, value):
    with pytest.raises(InvalidSettingError, match=rf"TRINO_PORT='{value}' in {path}"):
        ports({"TRINO_PORT": value}, path=path)


def test_two_settings_with_one_port_are_an_error_that_names_both(path):
    ensure_environment_file(path, environment={"TRINO_PORT": "9000"})
    with pytest.raises(InvalidSettingError, match=r"S3_PORT='9000'.*TRINO_PORT has the same port"):
        read_environment_file(path)


def test_setting_without_value_is_an_error(path):
    path.write_text("AIRFLOW_PASSWORD=\n", encoding="utf-8")
    with pytest.raises(InvalidSettingError, match="AIRFLOW_PASSWORD"):
        read_environment_file(path)


def test_example_holds_no_secret():
    text = EXAMPLE_FILE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if any(word in line for word in ("PASSWORD=", "SECRET", "_KEY="))]
    assert [line for line in lines if not line.endswith("=") and not line.startswith("#")] == []


def test_every_port_of_the_example_is_another():
    names = port_settings(EXAMPLE_FILE)
    assert len(names) > 10
    lines = EXAMPLE_FILE.read_text(encoding="utf-8").splitlines()
    values = [line.partition("=")[2] for line in lines if line.partition("=")[0] in names]
    assert len(set(values)) == len(names)
