"""The end of a log."""

from __future__ import annotations

from collections import deque
from pathlib import Path


def tail(path: Path, *, lines: int = 20, width: int = 300) -> str:
    """Return the last lines of a file, cut to a width; nothing when there is no such file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "\n".join(line.rstrip("\n")[:width] for line in deque(file, maxlen=lines))
    except FileNotFoundError:
        return ""
