from __future__ import annotations

import gc
import importlib
from unittest import mock

import pytest

from lakehouse.preloading import preload


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    importing = mock.create_autospec(importlib.import_module)
    monkeypatch.setattr(importlib, "import_module", importing)
    # The tests' own objects must still be collected.
    monkeypatch.setattr(gc, "freeze", mock.create_autospec(gc.freeze))
    return importing


@pytest.mark.parametrize(
    "arguments", [["airflow", "scheduler", "--skip-serve-logs"], ["airflow", "celery", "worker"]]
)
def test_the_process_that_tasks_are_forked_from_imports_for_them(imported: mock.Mock, arguments: list[str]):
    assert preload(arguments)
    assert mock.call("dbt.cli.main") in imported.call_args_list
    gc.freeze.assert_called_once_with()


def test_the_process_that_dag_files_are_read_in_forks_of_imports_for_them_and_nothing_of_dbt(imported: mock.Mock):
    assert preload(["airflow", "dag-processor"])
    modules = [call.args[0] for call in imported.call_args_list]
    assert "lakehouse.dag_factory" in modules
    assert not any(module.startswith("dbt") for module in modules)


@pytest.mark.parametrize("arguments", [["airflow", "api-server"], ["airflow", "dags", "test"], ["pytest"], []])
def test_no_other_process_waits_for_that(imported: mock.Mock, arguments: list[str]):
    assert not preload(arguments)
    imported.assert_not_called()
    gc.freeze.assert_not_called()
