"""What can go wrong with the local stack.

StackError
├── UnreadablePinsError        stack/versions.toml does not have the expected form
├── DownloadError              a pinned file could not be downloaded
├── ChecksumMismatchError      a downloaded file is not the pinned one
├── InvalidSettingError        a line of .env cannot be used
├── PortTakenError             something else listens on a port of .env
├── EngineFailedError          an engine stopped, or stayed silent, while the stack waited for it
├── StackNotRunningError       a command needs engines that are not up
├── AirflowRequestError        Airflow refused a request, or did not answer it
├── DagMissingError            Airflow does not show a DAG
├── RunFailedError             a run of a DAG failed, or did not end in time
├── DayStandsStillError        what should come by itself in an operator's day did not come
└── DemoDiffersError           what arrived is not what was generated
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


class AirflowRequestError(StackError):
    """Airflow refused a request, or did not answer it."""

    def __init__(self, *, request: str, reason: str) -> None:
        self.request = request
        self.reason = reason
        super().__init__(
            f"Airflow's answer to {request}: {reason}.",
            remedy="See `make status`, and its log with `python -m stack logs api-server`.",
        )


class DagMissingError(StackError):
    """Airflow does not show a DAG."""

    def __init__(self, *, dag_id: str, seconds: float, import_errors: list[str], log: Path) -> None:
        self.dag_id = dag_id
        self.import_errors = import_errors
        found = "\n".join(import_errors) or "No DAG file has an import error."
        super().__init__(
            f"Airflow shows no DAG {dag_id} after {seconds:.0f} s. {found}",
            remedy=f"Correct the DAG file, or read {log}; then run the command again.",
        )


class RunFailedError(StackError):
    """A run of a DAG failed, or did not end in time.

    :param tasks: what to look at: each task with its state and its log.
    """

    def __init__(self, *, dag_id: str, run_id: str, reason: str, tasks: list[str], page: str) -> None:
        self.dag_id = dag_id
        self.run_id = run_id
        self.reason = reason
        listed = "".join(f"\n  {task}" for task in tasks)
        super().__init__(
            f"Run {run_id} of {dag_id} {reason}.{listed}",
            remedy=f"The log says why, also at {page}. When the cause is mended, run the command again: what is "
            "loaded already is not loaded twice.",
        )


class DayStandsStillError(StackError):
    """What should come by itself in an operator's day did not come in time."""

    def __init__(self, *, what: str, seconds: float, logs: Path) -> None:
        self.what = what
        self.seconds = seconds
        super().__init__(
            f"Waited {seconds:.0f} s for {what}, in vain.",
            remedy=f"`python -m stack status` shows whether every engine answers; the logs are in {logs}. When an "
            "object came and started nothing: docs/runbooks/arrival-unnoticed.md. Then live the day again.",
        )


class DemoDiffersError(StackError):
    """What arrived is not what was generated."""

    def __init__(self, *, differences: list[str]) -> None:
        self.differences = differences
        super().__init__(
            f"What arrived is not what was generated: {', '.join(differences)}.",
            remedy="`make certificate` shows which source is off, `make verify-engine` whether the engine keeps "
            "its promise. Please report it: this must not happen.",
        )
