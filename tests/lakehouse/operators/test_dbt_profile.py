from __future__ import annotations

import json
from typing import Any

import pytest

from lakehouse.operators.dbt_profile import TrinoConnectionProfile


@pytest.fixture
def profile_of(monkeypatch: pytest.MonkeyPatch):
    def profile_of(*, extra: dict[str, Any] | None = None, **connection: Any) -> TrinoConnectionProfile:
        given = {"conn_type": "trino", "host": "trino.example", "port": 8443, "login": "ana", "schema": "bronze"}
        extras = {"catalog": "lake", "protocol": "http", **(extra or {})}
        text = json.dumps({**given, **connection, "extra": extras})
        monkeypatch.setenv("AIRFLOW_CONN_LAKEHOUSE_TRINO", text)
        return TrinoConnectionProfile(conn_id="lakehouse_trino", profile_args={"threads": 2})

    return profile_of


def test_a_connection_without_a_password_is_one_without_a_sign_in(profile_of):
    profile = profile_of()
    assert profile.profile == {
        "type": "trino",
        "method": "none",
        "host": "trino.example",
        "port": 8443,
        "user": "ana",
        "database": "lake",
        "schema": "bronze",
        "http_scheme": "http",
        "threads": 2,
    }
    assert profile.env_vars == {}


@pytest.mark.parametrize(
    ("connection", "method", "field"),
    [
        ({"password": "s3cret-word"}, "ldap", "password"),
        ({"extra": {"auth": "jwt", "jwt__token": "s3cret-word"}}, "jwt", "jwt_token"),
    ],
)
def test_a_secret_goes_to_dbt_by_its_environment_and_stands_in_no_file(profile_of, connection, method, field):
    profile = profile_of(**connection)
    text = profile.get_profile_file_contents(profile_name="lakehouse", target_name="airflow")
    assert "s3cret-word" not in text
    assert profile.profile["method"] == method
    assert list(profile.env_vars.values()) == ["s3cret-word"]
    assert next(iter(profile.env_vars)) in profile.profile[field]


def test_another_password_is_another_profile_only_when_it_is_asked_for_otherwise(profile_of):
    version = profile_of(password="one").version("lakehouse", "airflow")
    assert profile_of(password="two").version("lakehouse", "airflow") == version
    assert profile_of().version("lakehouse", "airflow") != version
