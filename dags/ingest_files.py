"""Airflow DAGs that load files: ``ingest_files__<source>`` for each file contract in ``include/contracts/``.

A contract that is wrong has no DAG here; ``contract_errors.py`` shows what is wrong with it.
"""

from __future__ import annotations

from lakehouse.contracts import FilesContract
from lakehouse.dag_factory import ingest_files_dag
from lakehouse.sources import usable_sources

for source in usable_sources(FilesContract):
    dag = ingest_files_dag(source)
    globals()[dag.dag_id] = dag
