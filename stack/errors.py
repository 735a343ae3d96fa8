"""What can go wrong with the local stack.

StackError
├── UnreadablePinsError        stack/versions.toml does not have the expected form
├── DownloadError              a pinned file could not be downloaded
├── ChecksumMismatchError      a downloaded file is not the pinned one
├── InvalidSettingError        a line of .env cannot be used
├── PortTakenError             something else listens on a port of .env
├── EngineFailedError          an engine stopped, or stayed silent, while the stack waited for it
└── StackNotRunningError       a command needs engines that are not up
"""

from __future__ import annotations

from pathlib import Path


class StackError(Exception):
    """A problem with the local stack, with what to do about it."""

    def __init__(self, problem: str, *, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}\n{remedy}")


class UnreadablePinsError(StackError):
    """The pins file does not have the expected form."""

    def __init__(self, *, path: Path, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(
            f"{path} cannot be read: {detail}.",
            remedy="Restore it from version control, or write it anew with `python -m stack pin`.",
        )


class DownloadError(StackError):
    """A pinned file could not be downloaded."""

    def __init__(self, *, coordinate: str, reason: str) -> None:
        self.coordinate = coordinate
        self.reason = reason
        super().__init__(
            f"{coordinate} could not be downloaded: {reason}",
            remedy="Check the network and run the command again; files that arrived whole are not fetched twice.",
        )


class ChecksumMismatchError(StackError):
    """A downloaded file is not the pinned one."""

    def __init__(self, *, coordinate: str, expected: str, actual: str) -> None:
        self.coordinate = coordinate
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"{coordinate} has SHA-256 {actual}, but stack/versions.toml pins {expected}. The file was not kept.",
            remedy="Run the command again. If it stays so, the repository serves another file than the pinned "
            "one: find out why before pinning anew with `python -m stack pin`.",
        )


class InvalidSettingError(StackError):
    """A line of the environment file cannot be used."""

    def __init__(self, *, name: str, value: str, path: Path, detail: str) -> None:
        self.name = name
        self.value = value
        self.path = path
        super().__init__(
            f"{name}={value!r} in {path}: {detail}.", remedy=f"Correct {name} in {path} and run the command again."
        )


class PortTakenError(StackError):
    """Something else listens on a port of the environment file."""

    def __init__(self, *, port: int, setting: str, owner: str | None, path: Path) -> None:
        self.port = port
        self.setting = setting
        self.owner = owner
        super().__init__(
            f"Port {port} ({setting}) is taken by {owner or 'a process that cannot be seen from this account'}.",
            remedy=f"Stop that process, or set {setting} in {path} to a free port.",
        )


class EngineFailedError(StackError):
    """An engine stopped, or stayed silent, while the stack waited for it."""

    def __init__(self, *, engine: str, reason: str, log: Path, tail: str) -> None:
        self.engine = engine
        self.reason = reason
        self.log = log
        self.tail = tail
        super().__init__(
            f"{engine} did not come up: {reason}\nThe end of {log}:\n{tail}",
            remedy=f"Read {log}, mend the cause and run `make up` again; what is already up stays up.",
        )


class StackNotRunningError(StackError):
    """A command needs engines that are not up."""

    def __init__(self) -> None:
        super().__init__("The stack is not running.", remedy="Start it with `make up`.")
