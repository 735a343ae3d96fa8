"""Airflow DAG that looks every five minutes whether all is well, and tells when it is not, and when it is again.

Freshness of each source against its contract, whether or not anything arrives; rejects of the last day; the
certificate of what was loaded since the last run, and of everything in the first run of a day; gaps in the ledger;
refused files; objects that no contract matches; how far Kafka sources are behind; whether store and
brokers answer. What is open: `lakehouse status`, or `select * from iceberg.bronze.open_conditions`.

Alerts go to this task's log, and to whichever of the connections `lakehouse_alerts_smtp`, `lakehouse_alerts_slack`
and `lakehouse_alerts_webhook` there are. Each condition is told once when it opens and once when it is cleared.

**Triage notes**

- An alert names its page in `docs/runbooks/`.
- A failed *check* knows nothing: Trino does not answer, or no alert could be sent. Its log says which, and that is
  told too, by every run that fails: `docs/runbooks/engine-unreachable.md`. What is untold is told by a later run.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from lakehouse.dag_factory import DEFAULT_OWNER, START_DATE
from lakehouse.operators.check_platform_operator import CheckPlatformOperator, tell_of_failed_check

with DAG(
    dag_id="check_platform",
    description="Looks whether all is well, and tells when it is not, and when it is again",
    doc_md=__doc__,
    schedule="*/5 * * * *",
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": DEFAULT_OWNER,
        "execution_timeout": timedelta(minutes=30),
        # The next run is as good as a retry; one spares an alert when an engine is started anew.
        "retries": 1,
        "retry_delay": timedelta(minutes=1),
    },
    tags={"watch"},
    params={
        "full": Param(
            default=False,
            type="boolean",
            title="Full",
            description="Ask the certificate of everything, not only of what was loaded since the last run.",
        )
    },
):
    CheckPlatformOperator(task_id="check", is_full="{{ params.full }}", on_failure_callback=tell_of_failed_check)
