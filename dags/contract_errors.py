"""Shows wrong contracts in Airflow as an import error of this file; it has no DAG of its own.

A DAG file that fails shows none of its DAGs, so this one fails in place of those of the sources that are right.
"""

from __future__ import annotations

from lakehouse.sources import check_contracts

check_contracts()
