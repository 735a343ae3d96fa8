"""What a failed run of dbt came to: something to correct, or something to wait out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.transform.errors import ModelFailedError, ModelInterruptedError

#: dbt's word for a data test that found rows; a test or model that could not run is an "error".
_TEST_FAILED = "fail"
#: What cannot pass by itself: a statement that Trino refuses, a model that dbt cannot render.
_TERMINAL = re.compile(r"type=USER_ERROR|\b(?:Compilation|Parsing|Validation|Dependency|Contract) Error")
#: Another writer's commit is an external error; these are the user's by type, and pass all the same. A snapshot
#: that a model began with may expire while it builds: its next try begins with another.
_TRANSIENT = re.compile(
    r"name=(?:USER_CANCELED|ADMINISTRATIVELY_KILLED|TRANSACTION_CONFLICT)|snapshot ID does not exist"
)


@dataclass(frozen=True)
class Failure:
    """A model or a data test that did not succeed.

    :param status: dbt's word for it.
    """

    name: str
    status: str
    message: str

    @property
    def is_terminal(self) -> bool:
        """Whether running it again comes to the same."""
        if self.status == _TEST_FAILED:
            return True
        return bool(_TERMINAL.search(self.message)) and not _TRANSIENT.search(self.message)

    def __str__(self) -> str:
        return f"{self.name}: {' '.join(self.message.split())}"


def judge(failures: Sequence[Failure]) -> LakehouseError:
    """The error that says whether to run again.

    :param failures: at least one; one that must be corrected outweighs all that may pass.
    """
    texts = [str(failure) for failure in failures]
    if any(failure.is_terminal for failure in failures):
        return ModelFailedError(failures=texts)
    return ModelInterruptedError(failures=texts)
