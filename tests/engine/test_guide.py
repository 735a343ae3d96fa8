"""Every command of the guide, run as it stands there, in its order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.environment import VENV_BIN
from stack.layout import CLONE
from stack.lifecycle import Stack
from tests.engine.conftest import Platform

pytestmark = pytest.mark.engine

GUIDE = CLONE / "docs" / "guide.md"
#: Blocks that are shown to be replaced; everything else is run.
OLD = "text"
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One command of the guide."""

    language: str
    text: str
    line: int


def blocks() -> dict[str, list[Block]]:
    """The guide's commands by section."""
    guide = GUIDE.read_text(encoding="utf-8")
    starts = [(0, "The shell"), *((match.start(), match["title"]) for match in _SECTION.finditer(guide))]
    by_section: dict[str, list[Block]] = {}
    for match in _BLOCK.finditer(guide):
        title = [title for start, title in starts if start <= match.start()][-1]
        line = guide.count("\n", 0, match.start()) + 1
        if match["language"] != OLD:
            by_section.setdefault(title, []).append(Block(match["language"], match["text"], line))
    return by_section


@pytest.fixture(scope="module")
def run(running_stack: Stack, stack_environment: dict[str, str], platform: Platform) -> Callable[[Block], str]:
    activate = shlex.quote(str(running_stack.layout.activation_script))
    # As in a user's shell, which has nothing but what the guide's first command gives it.
    shell = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}

    def run(block: Block) -> str:
        match block.language:
            case "sh":
                command = ["bash", "-euo", "pipefail", "-c", block.text.replace(".stack/activate", activate)]
            case "sql":
                command = ["lakehouse", "sql", block.text]
            case "python":
                command = ["python", "-c", block.text]
            case other:
                raise AssertionError(f"{GUIDE.name}:{block.line}: nothing runs {other}")
        script = f"source {activate}\ncd {shlex.quote(str(CLONE))}\n{shlex.join(command)}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=shell,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{GUIDE.name}:{block.line}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("section", blocks())
def test_every_command_does_what_the_guide_says(section: str, run: Callable[[Block], str], query: Any):
    said = [run(block) for block in blocks()[section]]
    EXPECTED.get(section, lambda _said, _query: None)(said, query)


def found(query: Any, entity_id: str) -> int:
    return query(f"select count(*) from iceberg.bronze.service_events_raw where entity_id = '{entity_id}'")[0][0]


def after_sql(_said: list[str], query: Any) -> None:
    # A statement by hand doubles when it is repeated; that is what the guide says of it.
    assert found(query, "CMP_GUIDE_1") >= 1


def after_files(said: list[str], query: Any) -> None:
    assert found(query, "CMP_001") == 1
    assert any("clean" in each for each in said)


def after_rows(said: list[str], query: Any) -> None:
    assert "1 [(1, " in said[0]
    assert found(query, "CMP_GUIDE_2") == 1
    assert found(query, "CMP_GUIDE_3") == 1


def after_kafka(said: list[str], query: Any) -> None:
    # A message that is sent again is another message.
    assert found(query, "CMP_KAFKA_1") >= 1
    assert found(query, "CMP_KAFKA_2") >= 1
    assert any("pgr-events" in each and "bronze-ingestion" in each for each in said)


def after_troubles(said: list[str], _query: Any) -> None:
    assert any("constraint on [event_date, service]" in each for each in said)


EXPECTED: dict[str, Callable[[list[str], Any], None]] = {
    "Method 1: rows by SQL": after_sql,
    "Method 2: files": after_files,
    "Method 3: rows from programs": after_rows,
    "Method 4: Kafka": after_kafka,
    "When something is wrong": after_troubles,
}


def test_every_section_that_is_checked_is_there():
    assert set(EXPECTED) <= set(blocks())


def test_interpreter_of_the_guide_is_that_of_the_clone():
    assert Path(sys.executable).parent == VENV_BIN
