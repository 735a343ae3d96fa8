"""What is wrong with contract files: everything at once, each with its place and its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import TerminalError

_MOST_LISTED = 200


@dataclass(frozen=True, order=True)
class ContractProblem:
    """One thing to correct.

    :param line: counted from 1.
    :param key: path of keys joined with dots (``columns.tenant_id.allowed``); empty for the file as a whole.
    """

    file: Path
    line: int
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        key = f" {self.key}:" if self.key else ""
        return f"{self.file}:{self.line}:{key} {self.problem} {self.remedy}".rstrip()


class ContractError(TerminalError):
    """One or more contract files are wrong; ``problems`` holds all that is, by file and line."""

    def __init__(self, problems: Iterable[ContractProblem]) -> None:
        self.problems = tuple(sorted(problems))
        more = len(self.problems) - _MOST_LISTED
        listed = "\n".join(f"  {problem}" for problem in self.problems[:_MOST_LISTED])
        listed += f"\n  … and {more} more" if more > 0 else ""
        super().__init__(
            f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''} in contracts:\n{listed}\n",
            remedy="Nothing was loaded under them; correct the lines named above.",
        )
