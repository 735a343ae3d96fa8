"""Which models a person means."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from lakehouse.paths import DBT_PROJECT
from lakehouse.transform.dbt_command import run_dbt
from lakehouse.transform.errors import NothingSelectedError
from lakehouse.transform.manifest import BUILT_TYPES


def select_nodes(select: str, *, project: Path = DBT_PROJECT) -> frozenset[str]:
    """The models, seeds and snapshots of a selection, by unique id.

    :param select: in dbt's own syntax, such as ``silver_pgr_events+``.
    :raises NothingSelectedError: it takes none.
    :raises DbtProjectError: dbt does not understand it.
    """
    criteria = select.split()
    # What begins so would be another option of dbt's.
    if not criteria or any(criterion.startswith("-") for criterion in criteria):
        raise NothingSelectedError(select=select)
    types = [argument for name in sorted(BUILT_TYPES) for argument in ("--resource-type", name)]
    with tempfile.TemporaryDirectory() as directory:
        printed = run_dbt(
            ["ls", "--output", "json", "--output-keys", "unique_id", *types, "--select", *criteria],
            project=project,
            directory=Path(directory),
        )
    found = frozenset(
        json.loads(line)["unique_id"] for line in printed.splitlines() if line.lstrip().startswith("{")
    )
    if not found:
        raise NothingSelectedError(select=select)
    return found
