from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.paths import DBT_MANIFEST
from lakehouse.transform.errors import DbtProjectError, ManifestMissingError
from lakehouse.transform.manifest import assign_tests, read_nodes

#: silver reads a source; cases and days read silver, kpis reads both.
BUILT = {
    "zones": [],
    "silver": ["source", "zones"],
    "cases": ["silver"],
    "days": ["silver"],
    "kpis": ["cases", "days"],
}


@pytest.mark.parametrize(
    ("looked_at", "task"),
    [
        (["cases"], "cases"),
        (["cases", "silver"], "cases"),
        (["zones"], "zones"),
        (["source"], "silver"),
        (["source", "cases"], "cases"),
        (["cases", "days"], "kpis"),
    ],
)
def test_a_data_test_runs_with_the_first_model_after_which_all_it_looks_at_is_there(
    looked_at: list[str], task: str
):
    assigned = assign_tests(tests={"test": looked_at}, built=BUILT)
    assert {name: tests for name, tests in assigned.items() if tests} == {task: ["test"]}


def test_every_data_test_runs_once():
    tests = {f"test_{number}": [name] for number, name in enumerate([*BUILT, *BUILT])}
    assigned = assign_tests(tests=tests, built=BUILT)
    assert sorted(name for names in assigned.values() for name in names) == sorted(tests)


def test_a_test_that_no_model_comes_after_is_refused_with_the_way_out():
    without_kpis = {name: parents for name, parents in BUILT.items() if name != "kpis"}
    with pytest.raises(DbtProjectError, match=r"(?s)compare.*cases, days.*depends_on"):
        assign_tests(tests={"compare": ["days", "cases"]}, built=without_kpis)


def test_the_manifest_that_is_kept_is_the_one_of_the_models():
    # In a process of its own: dbt leaves threads, signal handlers and settings behind.
    finished = subprocess.run(
        [sys.executable, "-c", "from lakehouse.cli import main; main()", "dbt-manifest", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_manifest_that_is_kept_names_no_engine_no_machine_and_no_moment():
    text = DBT_MANIFEST.read_text(encoding="utf-8")
    assert "127.0.0.1" not in text
    assert str(Path.home()) not in text
    assert json.loads(text).keys() == {"metadata", "nodes", "sources"}


def test_a_manifest_that_is_not_there_says_what_builds_it(tmp_path: Path):
    with pytest.raises(ManifestMissingError, match="make dbt-manifest"):
        read_nodes(tmp_path / "manifest.json")


@pytest.mark.parametrize("text", ["", "[]", '{"nodes": {"model.x": {}}, "sources": {}}'])
def test_a_manifest_that_is_none_says_what_builds_it(tmp_path: Path, text: str):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(ManifestMissingError, match="make dbt-manifest"):
        read_nodes(path)
