"""Airflow DAG that judges rejects again, by the contract as it is now.

Started by hand, after a contract was corrected; who, when and why stand in the ledger. Each record that passes is
in bronze at its own position, once, however often this is run; its reject is closed, and silver and gold follow.
What fails again keeps its history.

**Triage notes**

- *replay* failed: clear it, or start another run; what was merged is recorded by whoever runs next.
- Rejects that *cannot be replayed* are named in the log, with the reason: `docs/runbooks/replay-rejects.md`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from lakehouse.contracts import Contract
from lakehouse.contracts.reason import Reason
from lakehouse.dag_factory import DEFAULT_OWNER, RETRIES, START_DATE, reason_param, source_param, table_asset
from lakehouse.operators.replay_rejects_operator import ReplayRejectsOperator
from lakehouse.sources import usable_sources

contracts = [source.contract for source in usable_sources(Contract)]
moment = {"type": ["null", "string"], "format": "date-time"}

with DAG(
    dag_id="replay_rejects",
    description="Judges rejects again, by the contract as it is now",
    doc_md=__doc__,
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    default_args={"owner": DEFAULT_OWNER, "execution_timeout": timedelta(hours=2), **RETRIES},
    tags={"repair"},
    params={
        "source": source_param(contracts),
        "load": Param(
            default=None, type=["null", "string"], title="Load", description="Only rejects of this load."
        ),
        "rejected_for": Param(
            default=None,
            type=["null", "string"],
            enum=[None, *map(str, Reason)],
            title="Rejected for",
            description="Only rejects with this reason.",
        ),
        "from": Param(
            default=None, **moment, title="From", description="Only what was rejected from this moment on."
        ),
        "to": Param(default=None, **moment, title="To", description="Only what was rejected before this moment."),
        "reason": reason_param(),
        "dry_run": Param(
            default=False, type="boolean", title="Dry run", description="Judge them, and write nothing."
        ),
    },
):
    ReplayRejectsOperator(
        task_id="replay",
        source="{{ params.source }}",
        reason="{{ params.reason }}",
        load_id="{{ params.load or '' }}",
        rejected_for="{{ params.rejected_for or '' }}",
        rejected_from="{{ params['from'] or '' }}",
        rejected_to="{{ params.to or '' }}",
        is_dry_run="{{ params.dry_run }}",
        outlets=[table_asset(target) for target in sorted({contract.target for contract in contracts})],
    )
