"""Airflow DAG that brings silver and gold up to date with bronze.

It starts when a load has committed to bronze, every quarter of an hour, and by hand. *plan* looks first: when no
load and no row by hand is waiting, nothing runs. What waits is taken from the ledger, not from what started the
run, so a burst of loads is one run, and a load that comes during a run is the next one's.

**By hand**, with the form: *full refresh* builds everything anew from all of bronze, *select* runs some models
only.

**Triage notes**

- A failed *model task* has changed nothing, or has committed once and failed a data test after it. Correct the
  model, then clear it with its downstream tasks: `docs/runbooks/transform-failed.md`.
- *plan* fails only while Trino does not answer, or when a selection takes no model.
- Only failures that may pass are retried. A statement that Trino refuses and a data test that finds rows are not.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from lakehouse.dag_factory import DEFAULT_OWNER, RETRIES, START_DATE, table_asset
from lakehouse.operators.plan_transform_operator import PlanTransformOperator
from lakehouse.transform_groups import layer_group

BRONZE = "iceberg.bronze.service_events_raw"

with DAG(
    dag_id="transform_events",
    description="Brings silver and gold up to date with bronze",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=table_asset(BRONZE)
    ),
    start_date=START_DATE,
    catchup=False,
    # One at a time: what comes meanwhile waits, together, for the next.
    max_active_runs=1,
    default_args={"owner": DEFAULT_OWNER, "execution_timeout": timedelta(hours=2), **RETRIES},
    tags={"transform", "dbt"},
    params={
        "select": Param(
            default=None,
            type=["null", "string"],
            title="Select",
            description="Models to run, in dbt's syntax, such as `gold_pgr_kpis` or `silver_pgr_events+`. "
            "Empty: all of them.",
        ),
        "full_refresh": Param(
            default=False,
            type="boolean",
            title="Full refresh",
            description="Build anew from all of bronze, instead of taking what is pending.",
        ),
    },
):
    plan = PlanTransformOperator(
        task_id="plan", select="{{ params.select or '' }}", full_refresh="{{ params.full_refresh }}"
    )
    plan >> layer_group("silver") >> layer_group("gold")
