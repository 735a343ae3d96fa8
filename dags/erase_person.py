"""Airflow DAG that removes one person's records from every layer, beside running loads.

Make a connection of any type (*Admin* → *Connections*) whose password is what names the person: a complaint's id,
a user's uuid, a mobile number, a mail address. Start a run with its id and a reason that does not say who. The dry
run, which the form offers first, says how many records of which sources there are. After the run without it, and
after `transform_events`, run it once more: it says what is left, and how far back tables can still be read. Then
delete the connection. `docs/runbooks/erase-a-person.md`.

**Triage notes**

- *erase* failed: clear it, or start another run; what was noted is removed by whoever runs next. Until then the
  certificate says *removal not finished*.
- Loads that are retried meanwhile, for a lost commit, are as they should be.
- What it names as *delete yourself* holds the records still: nothing here deletes what users put.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from lakehouse.contracts import Contract
from lakehouse.dag_factory import DEFAULT_OWNER, RETRIES, START_DATE, reason_param, table_asset
from lakehouse.operators.erase_person_operator import ErasePersonOperator
from lakehouse.sources import usable_sources

contracts = [source.contract for source in usable_sources(Contract)]

with DAG(
    dag_id="erase_person",
    description="Removes one person's records from every layer",
    doc_md=__doc__,
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": DEFAULT_OWNER, "execution_timeout": timedelta(hours=4), **RETRIES},
    tags={"repair"},
    params={
        "connection": Param(
            default="erase_person",
            type="string",
            minLength=1,
            title="Connection",
            description="Its password names the person; delete it afterwards.",
        ),
        "reason": reason_param(),
        "dry_run": Param(
            default=True, type="boolean", title="Dry run", description="Only say what would be removed."
        ),
    },
):
    ErasePersonOperator(
        task_id="erase",
        person_conn_id="{{ params.connection }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
        outlets=[table_asset(target) for target in sorted({contract.target for contract in contracts})],
    )
