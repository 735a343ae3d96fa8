"""Why a whole file is not read."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.errors import FileRefusedError, TerminalError, TransientError

#: Of a list in a message; a damaged header may have any number of columns.
_MOST_LINES = 200


class DamagedFileError(FileRefusedError):
    """A file ends before it should, or its compression or encoding is broken."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"The file is damaged: {problem}.",
            remedy="Nothing of it was loaded. Put it again, whole; compare its size with the one at its origin.",
        )
        self.problem_found = problem


class ForeignFileError(FileRefusedError):
    """A file is of a kind that is not read, whatever its name says."""

    def __init__(self, *, kind: str) -> None:
        super().__init__(
            f"The file is {kind}, by its first bytes, and that is not read.",
            remedy="Nothing of it was loaded. Put it as CSV, JSON lines or Parquet as its contract says, plain or "
            "compressed with gzip or zstd, one file an object.",
        )
        self.kind = kind


class SchemaMismatchError(FileRefusedError):
    """A file's columns are not those its contract wants.

    :ivar found: names of the columns that the file has.
    :ivar differences: one line for each column that is missing, doubled or unknown.
    :ivar comparison: column by column what the contract wants and what the file has; empty where one is not there.
    """

    def __init__(
        self,
        *,
        contract: str,
        found: Sequence[str],
        differences: Sequence[str],
        comparison: Sequence[tuple[str, str]] = (),
    ) -> None:
        listed = "".join(f"\n  {difference}" for difference in _some(differences))
        shown = _compared(comparison) if comparison else f"  the file has: {', '.join(_some(found)) or 'none'}\n"
        super().__init__(
            f"The file's columns are not what contract {contract} wants:{listed}\n{shown}",
            remedy=(
                "Correct the header, or map the names in the contract with columns.<column>.from "
                "(unknown_columns says what happens to others)."
            ),
        )
        self.contract = contract
        self.found = tuple(found)
        self.differences = tuple(differences)
        self.comparison = tuple(comparison)


def _compared(comparison: Sequence[tuple[str, str]]) -> str:
    rows = [("the contract wants", "the file has"), *comparison]
    width = max(len(wanted) for wanted, _ in rows)
    lines = [f"{wanted or '-':<{width}}  {found or '-'}" for wanted, found in rows]
    return "".join(f"  {line}\n" for line in _some(lines))


def _some(lines: Sequence[str]) -> list[str]:
    """As many as a message has room for."""
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"… and {more} more"] if more > 0 else [])]


class TemporarySpaceError(TransientError):
    """A file that must be copied before it can be read cannot be."""

    def __init__(self, *, directory: str, problem: str) -> None:
        super().__init__(
            f"A temporary copy of the file cannot be written in {directory}: {problem}.",
            remedy="Make room there, or name another directory with TMPDIR. A copy takes what the file has "
            "uncompressed, and is gone when the file was read.",
        )
        self.directory = directory
        self.problem_found = problem


class NotRowsError(TerminalError):
    """A text is no list of rows."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"The rows are not a JSON array: {problem}.",
            remedy="Write one array of objects, or one object a line. Nothing was loaded.",
        )
        self.problem_of_text = problem


class ReaderProcessError(TransientError):
    """A process that judged records died."""

    def __init__(self, *, status: int) -> None:
        cause = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        super().__init__(
            f"A process that judged records died ({cause}).",
            remedy="Nothing of the file was loaded. Signal 9 is usually the machine running out of memory: give "
            "it more, or set LAKEHOUSE_READER_PROCESSES lower (1 reads without such processes). Any other status "
            "has a traceback in the log above.",
        )
        self.status = status
