"""dbt as a command of its own process, for what needs no engine: reading the project, selecting models."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lakehouse.transform.errors import DbtProjectError

#: Nothing that says where an engine is, so that the answer is the same everywhere.
_INHERITED = ("HOME", "PATH", "LANG", "TMPDIR")


def run_dbt(arguments: Sequence[str], *, project: Path, directory: Path) -> str:
    """What dbt prints; it leaves its files in the directory.

    :param arguments: a subcommand that connects to nothing, and its options.
    :raises DbtProjectError: dbt cannot read the project, or refuses the arguments.
    """
    command = [
        *(sys.executable, "-c", "from dbt.cli.main import cli; cli()"),
        *("--no-use-colors", "--no-send-anonymous-usage-stats", "--quiet", "--log-path", str(directory)),
        *arguments,
        *("--no-partial-parse", "--target-path", str(directory)),
        *("--project-dir", str(project), "--profiles-dir", str(project)),
    ]
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    finished = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise DbtProjectError(output=(finished.stdout or finished.stderr).strip())
    return finished.stdout
