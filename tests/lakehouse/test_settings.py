from __future__ import annotations

import pytest

from lakehouse.settings import SettingError, Settings, StorageNames, read_environment, retention

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_names_of_a_local_stack_are_the_defaults():
    assert StorageNames.from_environment({}) == StorageNames(
        bucket="warehouse", catalog="iceberg", staging_catalog="staging", bronze_location="s3://lake/bronze"
    )


@pytest.mark.parametrize(
    ("variable", "attribute"),
    [
        ("LAKEHOUSE_BUCKET", "bucket"),
        ("TRINO_CATALOG", "catalog"),
        ("STAGING_CATALOG", "staging_catalog"),
        ("BRONZE_LOCATION", "bronze_location"),
    ],
)
def test_each_name_has_a_variable(variable, attribute):
    assert getattr(StorageNames.from_environment({variable: "mine"}), attribute) == "mine"


def test_bronze_location_may_be_left_to_the_catalog():
    assert StorageNames.from_environment({"BRONZE_LOCATION": ""}).bronze_location == ""


def test_names_come_from_the_process_unless_given(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_BUCKET", "of-the-process")
    assert StorageNames.from_environment().bucket == "of-the-process"


def test_settings_read_every_variable():
    settings = Settings.from_environment(
        {
            "TRINO_HOST": "trino.example",
            "TRINO_PORT": "8443",
            "TRINO_USER": "loader",
            "TRINO_SCHEME": "https",
            "S3_ENDPOINT": "http://127.0.0.1:9100",
            "AWS_REGION": "ap-south-1",
            "TRINO_CATALOG": "lake",
            **KEYS,
        }
    )
    assert settings == Settings(
        trino_host="trino.example",
        trino_port=8443,
        trino_user="loader",
        trino_scheme="https",
        s3_endpoint="http://127.0.0.1:9100",
        s3_region="ap-south-1",
        s3_access_key="key",
        s3_secret_key="secret",
        names=StorageNames(catalog="lake"),
    )


def test_without_an_endpoint_the_store_is_that_of_the_region():
    assert Settings.from_environment(KEYS | {"S3_ENDPOINT": ""}).s3_endpoint is None


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("absence", ["unset", "empty"])
def test_missing_credential_is_named(name, absence):
    environment = {key: value for key, value in KEYS.items() if key != name}
    if absence == "empty":
        environment[name] = ""
    with pytest.raises(SettingError, match=f"Setting {name} is not set") as caught:
        Settings.from_environment(environment)
    assert caught.value.name == name


@pytest.mark.parametrize("port", ["http", "", "-1", "80.5"])
def test_port_that_is_no_number_is_named(port):
    with pytest.raises(SettingError, match="TRINO_PORT is not a port number") as caught:
        Settings.from_environment(KEYS | {"TRINO_PORT": port})
    assert repr(port) in caught.value.problem


def test_process_environment_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("TRINO_PORT=1111\nTRINO_USER=of_the_file\nS3_ENDPOINT=\n", encoding="utf-8")
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    monkeypatch.setenv("TRINO_PORT", "2222")
    monkeypatch.delenv("TRINO_USER", raising=False)
    monkeypatch.delenv("S3_ENDPOINT", raising=False)
    environment = read_environment()
    assert environment["TRINO_PORT"] == "2222"
    assert environment["TRINO_USER"] == "of_the_file"
    assert "S3_ENDPOINT" not in environment


def test_secret_is_not_shown_with_the_settings():
    settings = Settings.from_environment({"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "do-not-show"})
    assert settings.s3_secret_key == "do-not-show"
    assert "do-not-show" not in repr(settings)


@pytest.mark.parametrize(("text", "days"), [("off", None), ("", None), ("3650d", 3650), ("30d", 30)])
def test_rows_are_kept_for_ever_unless_a_number_of_days_is_set(text: str, days: int | None):
    age = retention({"LAKEHOUSE_RETENTION": text})
    assert (None if age is None else age.days) == days
    assert retention({}) is None


@pytest.mark.parametrize("text", ["10", "10y", "-1d", "29d", "0d", "for ever"])
def test_a_retention_that_is_a_slip_is_refused(text: str):
    with pytest.raises(SettingError, match="LAKEHOUSE_RETENTION"):
        retention({"LAKEHOUSE_RETENTION": text})
