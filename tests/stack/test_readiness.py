from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from rich.console import Console

from stack import readiness
from stack.engines import Engine, NotAnsweringError
from stack.errors import EngineFailedError
from stack.layout import StackLayout
from stack.readiness import Readiness, patience_seconds
from stack.supervision import ProgramState


class OneProgram:
    """Stands in for a supervisor that runs one program."""

    def __init__(self, *states: tuple[str, int]) -> None:
        self._states = list(states)
        self.stopped: list[str] = []

    def states(self) -> dict[str, ProgramState]:
        state, pid = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return {"trino": ProgramState("engines:trino", state, pid, "exit status 3")}

    def stop(self, program: str) -> None:
        self.stopped.append(program)


class Answers:
    """An engine's answers to being asked: None for no answer."""

    def __init__(self, *versions: str | None) -> None:
        self._versions = list(versions)
        self.asked = threading.Event()

    def __call__(self, environment: object) -> str:
        self.asked.set()
        version = self._versions.pop(0) if len(self._versions) > 1 else self._versions[0]
        if version is None:
            raise NotAnsweringError("connection refused")
        return version


@pytest.fixture(autouse=True)
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PAUSE_SECONDS", 0)


def wait_for(tmp_path: Path, supervisor: OneProgram, *answers: Answers) -> str:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "trino.log").write_text("the last words\n")
    console = Console(file=io.StringIO())
    engines = [Engine(f"Trino {number}", ("trino",), "TRINO_PORT", each) for number, each in enumerate(answers)]
    layout = StackLayout(tmp_path, tmp_path / ".env")
    Readiness(layout, supervisor, {"TRINO_PORT": "8090"}, console).wait_for(engines)
    return console.file.getvalue()


ALIVE = ("RUNNING", os.getpid())


def test_engine_is_waited_for_until_it_answers(tmp_path):
    output = wait_for(tmp_path, OneProgram(ALIVE), Answers(None, None, "476"))
    assert "Trino 0 476 answers on port 8090" in output


def test_engine_the_supervisor_gave_up_is_told_with_its_log(tmp_path):
    with pytest.raises(EngineFailedError) as caught:
        wait_for(tmp_path, OneProgram(("FATAL", 0)), Answers(None))
    assert "exit status 3" in caught.value.reason
    assert "the last words" in caught.value.tail


def test_engine_that_ended_while_starting_is_told_and_stopped(tmp_path):
    supervisor = OneProgram(ALIVE, ALIVE, ("RUNNING", os.getppid()))
    with pytest.raises(EngineFailedError, match="ended while it was starting"):
        wait_for(tmp_path, supervisor, Answers(None))
    assert supervisor.stopped == ["trino"]


def test_engine_killed_a_moment_before_may_come_back(tmp_path):
    gone = ("RUNNING", 2**22 + 1)
    output = wait_for(tmp_path, OneProgram(gone, ("EXITED", 0), ALIVE), Answers(None, None, "476"))
    assert "answers" in output


def test_engine_that_hangs_is_told_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0)
    with pytest.raises(EngineFailedError, match="connection refused"):
        wait_for(tmp_path, OneProgram(ALIVE), Answers(None))


def test_failure_of_one_engine_ends_the_wait_for_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0)
    with pytest.raises(EngineFailedError):
        wait_for(tmp_path, OneProgram(ALIVE), Answers(None), Answers(None))


@pytest.mark.parametrize(("load", "expected"), [(0.5, 55), (2.0, 55), (8.0, 220)])
def test_patience_grows_with_the_load_of_the_machine(monkeypatch, load, expected):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert patience_seconds() == expected
