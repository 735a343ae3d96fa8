"""Airflow DAG that keeps the lakehouse small: old rows, small files, snapshots, orphans, what dead workers left.

It disturbs nobody: a load that reads a snapshot which expires meanwhile fails once, and is run again, and so is a
model of silver or gold that changes rows of a file which is being rewritten. Each *maintain* task returns (XCom)
what it rewrote: partitions, files and bytes before and after. Work is bounded; what is left, the next run takes.

**Triage notes**

- A failed *maintain* task changes no data; the next run does what it left. If it fails for hours, metadata grows
  and loads become slower: read its message (a retention below what the catalog allows is the usual one).
- *retain* removes rows of bronze that are older than `LAKEHOUSE_RETENTION` says, and nothing while that is off;
  the ledger names what went (`docs/runbooks/keep-bronze-for-a-time.md`). If it failed, the next run goes on.
- *sweep* removes staging tables and spools only when they are older than a day, which no attempt lives.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from lakehouse.dag_factory import DEFAULT_OWNER, RETRIES, START_DATE
from lakehouse.operators.list_tables_operator import ListTablesOperator
from lakehouse.operators.maintain_table_operator import MaintainTableOperator
from lakehouse.operators.retain_rows_operator import RetainRowsOperator
from lakehouse.operators.sweep_attempts_operator import SweepAttemptsOperator

with DAG(
    dag_id="maintain_tables",
    description="Removes old rows, small files, old snapshots, orphans, and what dead workers left",
    doc_md=__doc__,
    schedule="*/30 * * * *",
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": DEFAULT_OWNER, "execution_timeout": timedelta(hours=2), **RETRIES},
    tags={"maintenance"},
    params={
        "table": Param(
            default=None,
            type=["null", "string"],
            title="Table",
            description="As `catalog.schema.table`: only files of this one. Empty: of all tables of bronze, "
            "silver and gold. Retention and the sweep take all in any case.",
        )
    },
):
    RetainRowsOperator(task_id="retain")
    tables = ListTablesOperator(task_id="tables", table="{{ params.table or '' }}")
    MaintainTableOperator.partial(
        task_id="maintain", map_index_template="{{ task.table }}", max_active_tis_per_dagrun=1
    ).expand(table=tables.output)
    SweepAttemptsOperator(task_id="sweep")
