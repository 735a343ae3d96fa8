from __future__ import annotations

import io
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner
from rich.console import Console

from lakehouse.engine import TrinoEngine
from lakehouse.errors import EngineUnavailableError
from lakehouse.settings import StorageNames
from lakehouse.tables.creation import TableChange, create_tables
from stack import cli, lifecycle
from stack.cli import main
from stack.errors import EngineFailedError
from stack.layout import StackLayout
from stack.lifecycle import Stack


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEHOUSE_STACK_DIRECTORY", str(tmp_path))
    return tmp_path


def test_expected_errors_are_told_without_traceback_and_with_a_remedy():
    result = CliRunner().invoke(main, ["status"])
    assert result.exit_code == 1
    assert result.stderr == "The stack is not running.\nStart it with `make up`.\n"


def test_reset_asks_first_and_keeps_the_data_when_told_no(own_directory):
    data = own_directory / "data" / "kafka" / "segment"
    data.parent.mkdir(parents=True)
    data.touch()
    result = CliRunner().invoke(main, ["reset"], input="n\n")
    assert result.exit_code != 0
    assert str(own_directory) in result.output
    assert data.exists()


def test_reset_deletes_data_logs_and_history_but_not_the_settings(own_directory):
    for name in ("data/kafka/segment", "logs/trino.log", "airflow/airflow.db", "activate", ".env"):
        path = own_directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    result = CliRunner().invoke(main, ["reset", "--yes"])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in own_directory.iterdir()) == [".env", "lock"]


def test_unknown_command_is_named(own_directory):
    lifecycle.ensure_environment_file(own_directory / ".env", environment={})
    result = CliRunner().invoke(main, ["run", "--", "no-such-command"])
    assert result.exit_code == 1
    assert "no-such-command" in result.stderr


@pytest.fixture
def creating(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """A stack whose engines answer at once, and what creates its tables."""
    stack = mock.create_autospec(Stack, instance=True, layout=StackLayout.of_environment())
    stack.environment.return_value = {
        "TRINO_PORT": "1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    stack.settings.return_value = {"AIRFLOW_URL": "http://127.0.0.1:2", "AIRFLOW_USER": "admin"}
    creating = mock.create_autospec(create_tables)
    creating.return_value = [TableChange(name="iceberg.bronze.ledger", action="created")]
    monkeypatch.setattr(cli, "_stack", lambda: stack)
    monkeypatch.setattr(cli, "create_tables", creating)
    return creating


def test_a_stack_that_is_up_has_its_tables(creating: mock.Mock):
    result = CliRunner().invoke(main, ["up"])
    assert result.exit_code == 0, result.output
    assert "iceberg.bronze.ledger: created" in result.output
    ((engine,), arguments) = creating.call_args
    assert isinstance(engine, TrinoEngine)
    assert arguments == {"names": StorageNames()}


def test_tables_that_cannot_be_created_are_told_with_a_remedy(creating: mock.Mock):
    creating.side_effect = EngineUnavailableError(message="no answer")
    result = CliRunner().invoke(main, ["up"])
    assert result.exit_code == 1
    assert "no answer" in result.stderr


def test_down_of_a_stack_that_never_ran_is_content():
    assert CliRunner().invoke(main, ["down"]).exit_code == 0


def test_failed_engine_is_told_with_its_log_and_the_end_of_it(tmp_path):
    error = EngineFailedError(engine="Trino", reason="it ended", log=tmp_path / "trino.log", tail="the last line")
    assert str(tmp_path / "trino.log") in error.problem
    assert "the last line" in error.problem


def test_stack_that_never_ran_is_not_up(tmp_path):
    stack = Stack(StackLayout(tmp_path, tmp_path / ".env"), Console(file=io.StringIO()))
    assert not stack.is_up()
