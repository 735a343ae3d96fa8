"""Airflow DAG that keeps the lakehouse small: old snapshots, orphan files, and what dead workers left behind.

It disturbs nobody: a load that reads a snapshot which expires meanwhile fails once, and is run again.

**Triage notes**

- A failed *maintain* task changes no data; the next run does what it left. If it fails for hours, metadata grows
  and loads become slower: read its message (a retention below what the catalog allows is the usual one).
- *sweep* removes staging tables and spools only when they are older than a day, which no attempt lives.
"""

from __future__ import annotations

from dataclasses import astuple
from datetime import timedelta

from airflow.sdk import DAG

from lakehouse.dag_factory import DEFAULT_OWNER, RETRIES, START_DATE
from lakehouse.load.ledger import ProtocolTables
from lakehouse.operators.maintain_table_operator import MaintainTableOperator
from lakehouse.operators.sweep_attempts_operator import SweepAttemptsOperator
from lakehouse.paths import BRONZE_TABLES
from lakehouse.tables.definition import read_table_definitions
from lakehouse.watch.checks import CHECKS

protocol = ProtocolTables()
tables = [*read_table_definitions(BRONZE_TABLES), *astuple(protocol), CHECKS]

with DAG(
    dag_id="maintain_tables",
    description="Expires snapshots, removes orphan files, sweeps what dead workers left behind",
    doc_md=__doc__,
    schedule="*/30 * * * *",
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": DEFAULT_OWNER, "execution_timeout": timedelta(hours=2), **RETRIES},
    tags={"maintenance"},
):
    MaintainTableOperator.partial(task_id="maintain", map_index_template="{{ task.table }}").expand(table=tables)
    SweepAttemptsOperator(task_id="sweep")
