"""The pinned files the engines are made of: what ``stack/versions.toml`` says."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.errors import UnreadablePinsError

PINS_FILE = Path(__file__).parent / "versions.toml"


@dataclass(frozen=True, order=True)
class Artefact:
    """One file of a Maven repository, and the SHA-256 it must have."""

    group: str
    name: str
    packaging: str
    version: str
    sha256: str

    @classmethod
    def parse(cls, coordinate: str, sha256: str) -> Artefact:
        """Read ``group:name:packaging:version``; ValueError when it is not that."""
        group, name, packaging, version = coordinate.split(":")
        return cls(group, name, packaging, version, sha256)

    @property
    def coordinate(self) -> str:
        """Return ``group:name:packaging:version``."""
        return f"{self.group}:{self.name}:{self.packaging}:{self.version}"

    @property
    def filename(self) -> str:
        """Return the name the file has in a Maven repository."""
        return f"{self.name}-{self.version}.{self.packaging}"


@dataclass(frozen=True)
class Distribution:
    """An engine as a set of pinned files."""

    name: str
    version: str
    artefacts: tuple[Artefact, ...]

    @property
    def directory_name(self) -> str:
        """Return a name that changes whenever any pinned file does."""
        pinned = "\n".join(f"{artefact.coordinate} {artefact.sha256}" for artefact in sorted(self.artefacts))
        return f"{self.name}-{self.version}-{hashlib.sha256(pinned.encode()).hexdigest()[:12]}"


def read_pins(path: Path = PINS_FILE) -> Mapping[str, Distribution]:
    """Return the pinned distributions by name; UnreadablePinsError when the file has another form."""
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return {
            name: Distribution(
                name=name,
                version=entry["version"],
                artefacts=tuple(Artefact.parse(key, value) for key, value in entry["artefacts"].items()),
            )
            for name, entry in document.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadablePinsError(path=path, detail=f"{type(error).__name__}: {error}") from error
