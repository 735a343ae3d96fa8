"""Airflow DAG that takes a load out of bronze again, beside running loads, and keeps it out.

Started by hand: name one load, one key or one range of offsets, and say why; who, when and why stand in the
ledger. *find* says what would go. A dry run, which is what the form offers first, ends there. *take_out* does it,
and silver and gold follow.

**Triage notes**

- *find* failed: nothing was done. Its message says what to name; `lakehouse loads` shows what there is.
- *take_out* failed: clear it, and it goes on where it stopped. Until then the certificate says *unload not
  finished*, and nothing can be loaded into the range: `docs/runbooks/take-a-load-out.md`.
- Loads of the same source that are retried meanwhile, for a lost commit, are as they should be.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from lakehouse.contracts import Contract
from lakehouse.dag_factory import DEFAULT_OWNER, RETRIES, START_DATE, reason_param, source_param, table_asset
from lakehouse.operators.find_loaded_operator import FindLoadedOperator
from lakehouse.operators.take_out_operator import TakeOutOperator
from lakehouse.sources import usable_sources

contracts = [source.contract for source in usable_sources(Contract)]

with DAG(
    dag_id="unload",
    description="Takes a load out of bronze again",
    doc_md=__doc__,
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    default_args={"owner": DEFAULT_OWNER, "execution_timeout": timedelta(hours=2), **RETRIES},
    tags={"repair"},
    params={
        "source": source_param(contracts),
        "load": Param(
            default=None, type=["null", "string"], title="Load", description="Its id, as in the ledger."
        ),
        "key": Param(
            default=None, type=["null", "string"], title="Key", description="An object, or the key of rows."
        ),
        "range": Param(
            default=None,
            type=["null", "string"],
            title="Range",
            description="Offsets: `topic/partition:first-next`.",
        ),
        "reload": Param(
            default=False, type="boolean", title="Load again", description="The next load takes it again."
        ),
        "reason": reason_param(),
        "dry_run": Param(
            default=True, type="boolean", title="Dry run", description="Only say what would be taken out."
        ),
    },
):
    find = FindLoadedOperator(
        task_id="find",
        source="{{ params.source }}",
        load_id="{{ params.load or '' }}",
        key="{{ params.key or '' }}",
        offsets="{{ params.range or '' }}",
        reload="{{ params.reload }}",
        reason="{{ params.reason }}",
        is_dry_run="{{ params.dry_run }}",
    )
    TakeOutOperator.partial(
        task_id="take_out",
        reload="{{ params.reload }}",
        reason="{{ params.reason }}",
        map_index_template="{{ task.unload_range['label'] }}",
        # Ranges of one partition would only make each other try again.
        max_active_tis_per_dagrun=1,
        outlets=[table_asset(target) for target in sorted({contract.target for contract in contracts})],
    ).expand(unload_range=find.output)
