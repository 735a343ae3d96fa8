"""Where the files of a feed are kept: one module a kind of place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import IO


class Storage(Protocol):
    """Takes whole files."""

    def address(self, name: str) -> str:
        """Return where the file of this name lies, for people."""

    def names(self, beginning: str) -> list[str]:
        """Return the names of all files there that begin like this."""

    def new_file(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Give a new file to write; it is there when the block has ended well, and else is as it was."""
