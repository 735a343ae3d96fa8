"""The stack's settings: ``.env``, made from ``.env.example`` at the first start."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values

from stack.errors import InvalidSettingError
from stack.layout import CLONE
from stack.private_files import write_privately

EXAMPLE_FILE = CLONE / ".env.example"

ASSIGNMENT = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
# Names that other tools use too: a value in the shell was hardly meant for this, and may be a real secret.
NEVER_ADOPTED = re.compile(r"^AWS_")


def ensure_environment_file(path: Path, *, environment: Mapping[str, str], example: Path = EXAMPLE_FILE) -> None:
    """Make the file, or add the settings that a newer version brings; what it says already stays.

    Lines without a value get a random secret; the others take their value from ``environment`` where it has one.
    The mode is 0600 in any case.
    """
    present = set(dotenv_values(path)) if path.exists() else set()
    lines = list(_first_values(example.read_text(encoding="utf-8"), environment=environment, without=present))
    if not present:
        write_privately(path, "\n".join(lines) + "\n")
    elif added := [line for line in lines if ASSIGNMENT.match(line)]:
        write_privately(
            path, path.read_text(encoding="utf-8").rstrip("\n") + "\n\n# Added\n" + "\n".join(added) + "\n"
        )
    else:
        path.chmod(0o600)


def read_environment_file(path: Path) -> dict[str, str]:
    """Return the settings; InvalidSettingError for an empty one, a bad port, or a port that is used twice."""
    settings = {name: value or "" for name, value in dotenv_values(path).items()}
    for name, value in settings.items():
        if not value:
            raise InvalidSettingError(name=name, value=value, path=path, detail="it has no value")
    by_port: dict[int, str] = {}
    for name, port in ports(settings, path=path).items():
        if port in by_port:
            raise InvalidSettingError(
                name=name, value=settings[name], path=path, detail=f"{by_port[port]} has the same port"
            )
        by_port[port] = name
    return settings


def port_settings(path: Path) -> list[str]:
    """Return the names of the settings that are listening ports."""
    return [name for name in dotenv_values(path) if name.endswith("_PORT")]


def ports(settings: Mapping[str, str], *, path: Path) -> dict[str, int]:
    """Return every listening port by the name of its setting; InvalidSettingError when one is not a port."""
    found = {}
    for name, value in settings.items():
        if name.endswith("_PORT"):
            if not value.isdecimal() or not 0 < int(value) < 65_536:
                raise InvalidSettingError(
                    name=name, value=value, path=path, detail="a port is a number from 1 to 65535"
                )
            found[name] = int(value)
    return found


def _first_values(example: str, *, environment: Mapping[str, str], without: set[str]) -> Iterator[str]:
    for line in example.splitlines():
        assignment = ASSIGNMENT.match(line)
        if assignment is None:
            yield line
        elif (name := assignment["name"]) not in without:
            yield f"{name}={_first_value(name, assignment['value'], environment)}"


def _first_value(name: str, default: str, environment: Mapping[str, str]) -> str:
    if not default:
        return _random_secret(name)
    if NEVER_ADOPTED.match(name):
        return default
    return environment.get(name) or default


def _random_secret(name: str) -> str:
    if name.endswith("_FERNET_KEY"):
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(16)
