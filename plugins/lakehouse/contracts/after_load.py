"""What happens to an object once it is loaded."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lakehouse.contracts.contract import NotEmpty, Section
from lakehouse.identity import SPOOL_PREFIX

#: What loads and the staging catalog write; nobody else's objects lie there.
RESERVED_PREFIXES = (SPOOL_PREFIX, "_staging_metastore/")


class AfterLoadAction(StrEnum):
    """What is done with an object that the ledger has to its end."""

    KEEP = "keep"
    TAG = "tag"
    """It gets the tag `lakehouse` with the value `loaded`; its other tags stay."""
    ARCHIVE = "archive"
    """It is copied to the prefix, and goes once the copy is known to be the same."""
    DELETE = "delete"


def _archive_prefix(prefix: str) -> str:
    if not prefix.endswith("/") or prefix.startswith("/") or "://" in prefix:
        raise PydanticCustomError("archive_prefix", "Not a folder of the bucket")
    if "*" in prefix or "?" in prefix:
        raise PydanticCustomError("archive_prefix", "A folder has no wildcards")
    if prefix.startswith(RESERVED_PREFIXES):
        raise PydanticCustomError("archive_prefix", "This folder is reserved for loads, and swept")
    return prefix


class AfterLoad(Section):
    """What happens to an object once the ledger has it to its end, and none of its rejects is open."""

    action: AfterLoadAction = AfterLoadAction.KEEP
    prefix: Annotated[NotEmpty, AfterValidator(_archive_prefix)] | None = None
    """Of archive: the folder of the same bucket that it is moved to; no contract may take objects from there."""
    days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    """Of delete: how long after its load it goes."""

    @model_validator(mode="after")
    def _says_what_its_action_needs(self) -> AfterLoad:
        for name, action in (("prefix", AfterLoadAction.ARCHIVE), ("days", AfterLoadAction.DELETE)):
            is_said = getattr(self, name) is not None
            if is_said and self.action is not action:
                raise PydanticCustomError(
                    "after_load",
                    "There is {name}, but the action is not {action}",
                    {"name": name, "action": action},
                )
            if not is_said and self.action is action:
                raise PydanticCustomError(
                    "after_load",
                    "The action is {action}, but there is no {name}",
                    {"name": name, "action": action},
                )
        return self
