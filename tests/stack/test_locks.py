from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from stack.layout import CLONE

LOCKS = [CLONE / "requirements.txt", CLONE / "requirements-dev.txt", CLONE / "stack" / "requirements-uv.txt"]
PINNED = re.compile(r"^(?P<name>[a-z0-9._-]+)(\[[a-z0-9,]+\])?==(?P<version>\S+)", re.MULTILINE)


def pins(lock: Path) -> set[tuple[str, str]]:
    return {(match["name"], match["version"]) for match in PINNED.finditer(lock.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_names_no_host_and_no_place(lock):
    text = lock.read_text(encoding="utf-8")
    assert [word for word in ("://", "--index", "--extra-index", "--find-links", "file:") if word in text] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_pinned_with_hashes(lock):
    requirements = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    requirements = [requirement for requirement in requirements if not requirement.startswith("#")]
    assert requirements
    assert [it for it in requirements if not PINNED.match(it) or "--hash=sha256:" not in it] == []


def test_clone_runs_what_the_image_runs():
    image, clone = pins(LOCKS[0]), pins(LOCKS[1])
    assert image - clone == set()


def test_every_dependency_is_in_the_locks():
    project = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))

    def names(requirements: list[str]) -> set[str]:
        found = (re.match(r"[A-Za-z0-9._-]+", requirement)[0] for requirement in requirements)
        return {re.sub(r"[-_.]+", "-", name).lower() for name in found}

    locked_for_image = {name for name, _ in pins(LOCKS[0])}
    locked_for_clone = {name for name, _ in pins(LOCKS[1])}
    assert names(project["project"]["dependencies"]) - locked_for_image == set()
    assert names(project["dependency-groups"]["dev"]) - locked_for_clone == set()


def test_dbt_is_held_below_the_release_that_builds_from_source():
    assert ("dbt-core", "1.12.0") in pins(LOCKS[0])
