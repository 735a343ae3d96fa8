"""Imports dbt and the DAGs' library once, in the process that tasks are forked from, and not in each task.

The imports are most of the processor time of a task that builds a model; docs/adr/0012 has the figures. Where
tasks are started as processes of their own, this does nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

#: Commands of Airflow whose process forks one for each task.
_FORKING_COMMANDS = frozenset({"scheduler", "celery"})
_MODULES = (
    "lakehouse.transform_groups",
    "cosmos.operators.local",
    "dbt.cli.main",
    "dbt.task.build",
    "dbt.adapters.trino",
)


def preload(arguments: Sequence[str]) -> bool:
    """Import what tasks need, if this is a process that forks them.

    :param arguments: the command line of this process, such as ``airflow scheduler``.
    :returns: whether it was one.
    """
    if not _FORKING_COMMANDS.intersection(arguments[1:2]):
        return False
    for module in _MODULES:
        importlib.import_module(module)
    return True
