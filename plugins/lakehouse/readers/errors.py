"""Why a whole file is not read."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.errors import TerminalError, TransientError


class DamagedFileError(TerminalError):
    """A file ends before it should, or its compression or encoding is broken."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"The file is damaged: {problem}.",
            remedy="Nothing of it was loaded. Put it again, whole; compare its size with the one at its origin.",
        )
        self.problem_found = problem


class SchemaMismatchError(TerminalError):
    """A file's columns are not those its contract wants.

    :ivar columns: one line for each column that is missing, doubled or unknown, and for what the file has.
    """

    def __init__(self, *, contract: str, found: Sequence[str], differences: Sequence[str]) -> None:
        listed = "".join(f"\n  {difference}" for difference in differences)
        super().__init__(
            f"The file's columns are not what contract {contract} wants:{listed}\n"
            f"  the file has: {', '.join(found) or 'none'}\n",
            remedy=(
                "Correct the header, or map the names in the contract with columns.<column>.from "
                "(unknown_columns says what happens to others)."
            ),
        )
        self.contract = contract
        self.found = tuple(found)
        self.differences = tuple(differences)


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
