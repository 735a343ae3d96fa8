from __future__ import annotations

from pathlib import Path

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from lakehouse.web import dbt_docs


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    return tmp_path / "static_index.html"


@pytest.fixture
def anonymous() -> TestClient:
    return TestClient(dbt_docs.app)


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setitem(dbt_docs.app.dependency_overrides, get_user, object)
    return TestClient(dbt_docs.app)


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/static_index.html", "/manifest.json"])
def test_nobody_reads_a_word_without_having_signed_in(docs: Path, anonymous: TestClient, path: str):
    docs.write_text("<html>the models</html>")
    answer = anonymous.get(path)
    assert answer.status_code in {401, 404}
    assert "the models" not in answer.text
    assert anonymous.get("/").status_code == 401


def test_whoever_has_signed_in_reads_the_documentation_and_it_reports_to_nobody(docs: Path, signed_in: TestClient):
    docs.write_text("<html>the models</html>")
    answer = signed_in.get("/")
    assert (answer.status_code, answer.text) == (200, "<html>the models</html>")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy


def test_the_page_says_how_to_make_what_is_not_there_yet(docs: Path, signed_in: TestClient):
    answer = signed_in.get("/")
    assert answer.status_code == 404
    assert "make dbt-docs" in answer.text
