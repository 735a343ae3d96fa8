"""Airflow DAG ``ingest_rows``: rows given with a run, for the contracts of kind rows in ``include/contracts/``.

Without such a contract, or when each is wrong, there is no DAG; ``contract_errors.py`` shows what is wrong.
"""

from __future__ import annotations

from lakehouse.contracts import RowsContract
from lakehouse.dag_factory import ingest_rows_dag
from lakehouse.sources import usable_sources

sources = list(usable_sources(RowsContract))
if sources:
    dag = ingest_rows_dag(sources)
