"""Imports what forked processes need once, in the process that they are forked from, and not in each of them.

The scheduler forks a process for each task, and the imports of dbt are most of the processor time of a task that
builds a model (docs/adr/0012 has the figures). The DAG processor forks one for each reading of a DAG file. Where
they are started as processes of their own, this does nothing.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Sequence

_DAGS = ("lakehouse.dag_factory", "lakehouse.transform_groups", "cosmos.operators.local")
_TASKS = (*_DAGS, "dbt.cli.main", "dbt.task.build", "dbt.adapters.trino")
#: By the command of Airflow whose process forks.
_MODULES = {"scheduler": _TASKS, "celery": _TASKS, "dag-processor": _DAGS}


def preload(arguments: Sequence[str]) -> bool:
    """Import what tasks and DAG files need, if this is a process that forks those who use them.

    :param arguments: the command line of this process, such as ``airflow scheduler``.
    :returns: whether it was one.
    """
    modules = [module for command in arguments[1:2] for module in _MODULES.get(command, ())]
    for module in modules:
        importlib.import_module(module)
    if modules:
        # What stays for ever need not be looked through by each collection of each fork, which would also copy it.
        gc.freeze()
    return bool(modules)
