"""A directory on this machine."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class LocalDirectory:
    """A directory, made when it is not there."""

    directory: Path

    def address(self, name: str) -> str:
        """Return the path of the file."""
        return str(self.directory / name)

    def names(self, beginning: str) -> list[str]:
        """Return the names of what lies in the directory and begins like this."""
        return sorted(path.name for path in self.directory.glob(f"{beginning}*"))

    @contextmanager
    def new_file(self, name: str) -> Iterator[IO[bytes]]:
        """Give a new file. Until the block has ended well, it has another name."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / name
        unfinished = path.with_name(f".{name}.unfinished")
        with unfinished.open("wb") as stream:
            yield stream
        unfinished.replace(path)
