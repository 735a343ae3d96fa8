"""From a contract to its DAG: the only place that knows retries, limits, tags and documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronTriggerTimetable,
    Param,
    TriggerRule,
    XComArg,
    task_group,
)

from lakehouse.contracts.after_load import AfterLoadAction
from lakehouse.contracts.files_contract import Overwrite
from lakehouse.ingest_document import drain_document, ingest_document, ingest_rows_document
from lakehouse.load.rows import MOST_KEY_CHARACTERS, MOST_ROWS
from lakehouse.operators.after_load_operator import AfterLoadOperator
from lakehouse.operators.drain_partitions_operator import (
    MINUTES,
    MINUTES_TO_END,
    UNTIL_END,
    UNTIL_TIME,
    DrainPartitionsOperator,
)
from lakehouse.operators.drop_attempt_operator import DropAttemptOperator
from lakehouse.operators.insert_attempt_operator import InsertAttemptOperator
from lakehouse.operators.insert_rows_operator import InsertRowsOperator
from lakehouse.operators.lakehouse_operator import S3_CONNECTION, LakehouseOperator
from lakehouse.operators.list_partitions_operator import ListPartitionsOperator
from lakehouse.operators.object_sensor import ObjectSensor
from lakehouse.operators.plan_files_operator import REFUSED_EARLIER, PlanFilesOperator
from lakehouse.operators.report_load_operator import ReportLoadOperator
from lakehouse.operators.stage_files_operator import StageFilesOperator
from lakehouse.operators.supersede_operator import SupersedeOperator
from lakehouse.row_insertion import DEFAULT_SOURCE
from lakehouse.triggers.arrival_trigger import ArrivalTrigger

if TYPE_CHECKING:
    from lakehouse.contracts import Contract, FilesContract, KafkaContract, RowsContract
    from lakehouse.sources import Source

START_DATE = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT_OWNER = "data-platform"

#: Only transient errors are retried: at first soon, for a lost commit, then with patience, for an engine that is
#: down.
RETRIES: dict[str, Any] = {
    "retries": 4,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 4.0,
    "max_retry_delay": timedelta(minutes=15),
}
#: Runs may overlap (a waiting one and a sweep): the ledger decides who loads what.
_ACTIVE_RUNS = 16
#: Batches of one source, over all its runs, that are read or merged at once.
_BATCHES_AT_ONCE = 4
#: All tries of an insert together stay below the day after which the sweep takes an attempt.
_STAGE_TIMEOUT = timedelta(hours=4)
_INSERT_TIMEOUT = timedelta(hours=3)
_SHORT_TIMEOUT = timedelta(minutes=30)
#: Longer than any drain: it ends by itself.
_DRAIN_TIMEOUT = timedelta(minutes=2 * MINUTES_TO_END)
#: One that is scheduled beside one that ends, and some by hand: the ledger decides who loads what.
_DRAINS_AT_ONCE = 4
_WAIT_POLL_SECONDS = 15
#: With nothing to load too; what comes after loads is skipped with the plan.
_AFTER_LOADS = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS


def table_asset(table: str) -> Asset:
    """The asset of an Iceberg table, which other DAGs may be scheduled on.

    :param table: as ``catalog.schema.table``.
    """
    return Asset(name=table, uri=f"iceberg://{table.replace('.', '/')}")


def reason_param() -> Param:
    """Why somebody starts a run that changes what was loaded: without it, none starts."""
    return Param(
        default="",
        type="string",
        pattern=r"\S",
        maxLength=1_000,
        title="Reason",
        description="Why, for whoever reads the ledger.",
    )


def source_param(contracts: Sequence[Contract]) -> Param:
    """The choice of one of these contracts."""
    return Param(
        default=None,
        enum=[contract.name for contract in contracts],
        type="string",
        title="Source",
        description="The contract that loaded it.",
    )


def ingest_files_dag(source: Source[FilesContract]) -> DAG:
    """The DAG of a file source: wait → plan → for each batch stage → insert → drop → report."""
    contract = source.contract
    with DAG(
        dag_id=f"ingest_files__{contract.name}",
        description=contract.description or None,
        doc_md=ingest_document(source),
        schedule=_arrival_or_time(contract),
        start_date=START_DATE,
        catchup=False,
        max_active_runs=_ACTIVE_RUNS,
        default_args={"owner": contract.owner or DEFAULT_OWNER, "execution_timeout": _SHORT_TIMEOUT, **RETRIES},
        tags={"ingest", "files", str(contract.origin.format)},
        params=_params(source),
    ) as dag:
        wait = ObjectSensor(
            task_id="wait",
            source=contract.name,
            key="{{ params.key or '' }}",
            wait_minutes="{{ params.wait_minutes }}",
            poke_interval=_WAIT_POLL_SECONDS,
        )
        plan = PlanFilesOperator(
            task_id="plan",
            source=contract.name,
            key="{{ params.key or '' }}",
            modified_from="{{ params['from'] or '' }}",
            modified_to="{{ params.to or '' }}",
            is_dry_run="{{ params.dry_run }}",
        )
        wait >> plan
        reports = _load_batch(source).expand(batch=plan.output)
        ReportLoadOperator(
            task_id="report",
            source=contract.name,
            reports=reports,
            refused_earlier=XComArg(plan, key=REFUSED_EARLIER),
            trigger_rule=_AFTER_LOADS,
        )
        tasks = _tasks_after_loads(contract)
        if tasks:
            # Beside the report: what is loaded is loaded, although the run fails for what is not.
            loads_ended = EmptyOperator(task_id="loads_ended", trigger_rule=TriggerRule.ALL_DONE)
            reports >> loads_ended
            for task in tasks:
                plan >> task
                loads_ended >> task
        # An older version that was put once more stays in place to be loaded again: it is taken out first.
        for earlier, later in pairwise(tasks):
            earlier >> later
    return dag


def _tasks_after_loads(contract: FilesContract) -> list[LakehouseOperator]:
    """What a contract wants done once objects are loaded, whichever run did it."""
    settings: dict[str, Any] = {
        "source": contract.name,
        "is_dry_run": "{{ params.dry_run }}",
        "trigger_rule": _AFTER_LOADS,
    }
    tasks: list[LakehouseOperator] = []
    if contract.overwrite is Overwrite.SUPERSEDE:
        outlets = [table_asset(contract.target)]
        tasks.append(
            SupersedeOperator(task_id="supersede", outlets=outlets, execution_timeout=_INSERT_TIMEOUT, **settings)
        )
    if contract.after_load.action is not AfterLoadAction.KEEP:
        tasks.append(AfterLoadOperator(task_id="after_load", execution_timeout=_INSERT_TIMEOUT, **settings))
    return tasks


def _arrival_or_time(contract: FilesContract) -> AssetOrTimeSchedule | str | None:
    """By objects that come and by the clock; an event that is lost, doubled or late costs time and no data."""
    if contract.schedule is None or not contract.is_watched:
        return contract.schedule
    trigger = ArrivalTrigger(
        source=contract.name,
        bucket=contract.origin.bucket,
        key=contract.origin.key,
        every=contract.arrival.every.total_seconds(),
        pages=contract.arrival.pages,
        s3_conn_id=S3_CONNECTION,
    )
    landing = Asset(
        name=f"landing.{contract.name}", watchers=[AssetWatcher(name=f"arrival.{contract.name}", trigger=trigger)]
    )
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable(contract.schedule, timezone="UTC"), assets=landing)


def ingest_rows_dag(sources: Sequence[Source[RowsContract]]) -> DAG:
    """The DAG of rows that somebody hands over, for all contracts of rows."""
    with DAG(
        dag_id="ingest_rows",
        description="Inserts rows that are given with the run, each exactly once",
        doc_md=ingest_rows_document(sources),
        schedule=None,
        start_date=START_DATE,
        catchup=False,
        max_active_runs=_ACTIVE_RUNS,
        default_args={"owner": DEFAULT_OWNER, "execution_timeout": _SHORT_TIMEOUT, **RETRIES},
        tags={"ingest", "rows"},
        params=_rows_params([source.contract.name for source in sources]),
    ) as dag:
        InsertRowsOperator(
            task_id="insert",
            source="{{ params.source }}",
            idempotency_key="{{ params.idempotency_key or run_id }}",
            outlets=[table_asset(target) for target in sorted({source.contract.target for source in sources})],
        )
    return dag


def _rows_params(names: Sequence[str]) -> dict[str, Param]:
    return {
        "rows": Param(
            default=[],
            type="array",
            items={"type": "object"},
            minItems=1,
            maxItems=MOST_ROWS,
            title="Rows",
            description="A JSON array of objects, whose fields are the columns of the table. Airflow keeps it "
            "with the run: rows with personal data are better inserted from Python or the command line.",
        ),
        "source": Param(
            default=DEFAULT_SOURCE if DEFAULT_SOURCE in names else names[0],
            enum=list(names),
            type="string",
            title="Source",
            description="The contract that judges the rows.",
        ),
        "idempotency_key": Param(
            default=None,
            type=["null", "string"],
            minLength=1,
            maxLength=MOST_KEY_CHARACTERS,
            title="Idempotency key",
            description="Names these rows for ever: given again with the same rows, nothing doubles. Empty: the "
            "id of the run, so that a retried or cleared task doubles nothing.",
        ),
        "fail_on_rejects": Param(
            default=False,
            type="boolean",
            title="Fail when a row is rejected",
            description="The good rows are loaded all the same. A run without a good row fails anyway.",
        ),
    }


def _load_batch(source: Source[FilesContract]) -> Any:
    name = source.contract.name

    @task_group(group_id="load")
    def load(batch: Any) -> Any:
        """One batch of objects: read, merged, and cleaned up after, whatever happened."""
        stage = StageFilesOperator(
            task_id="stage",
            source=name,
            batch=batch,
            map_index_template="{{ task.batch['label'] }}",
            max_active_tis_per_dag=_BATCHES_AT_ONCE,
            execution_timeout=_STAGE_TIMEOUT,
        )
        insert = InsertAttemptOperator(
            task_id="insert",
            source=name,
            batch=batch,
            attempt=stage.output,
            map_index_template="{{ task.batch['label'] }}",
            max_active_tis_per_dag=_BATCHES_AT_ONCE,
            execution_timeout=_INSERT_TIMEOUT,
            outlets=[table_asset(source.contract.target)],
        )
        drop = DropAttemptOperator(
            task_id="drop", source=name, attempt=stage.output, map_index_template="{{ task.attempt }}"
        )
        insert >> drop.as_teardown(setups=stage)
        return insert.output

    return load


def _params(source: Source[FilesContract]) -> dict[str, Param]:
    origin = source.contract.origin
    return {
        "key": Param(
            default=None,
            type=["null", "string"],
            title="Key",
            description=f"A key, a glob (`*` within one `/` segment, `**` across) or an s3:// URI to load "
            f"alone; the run waits for it. Empty: everything new under s3://{origin.bucket}/{origin.key}.",
        ),
        "from": _moment_param(
            "From", "Only objects that were put from this moment on. Empty: from the oldest on."
        ),
        "to": _moment_param("To", "Only objects that were put before this moment. Empty: to the newest."),
        "wait_minutes": Param(
            default=60,
            type="integer",
            minimum=0,
            maximum=7 * 24 * 60,
            title="Wait (minutes)",
            description="How long to wait for the key. If it does not come, the run is skipped.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Only log what would be loaded.",
        ),
    }


def _moment_param(title: str, description: str) -> Param:
    return Param(default=None, type=["null", "string"], format="date-time", title=title, description=description)


def ingest_kafka_dag(source: Source[KafkaContract]) -> DAG:
    """The DAG of a Kafka source: list the partitions → drain each group of them for some time."""
    contract = source.contract
    goes_on = "dag_run.run_type == 'scheduled'" if contract.schedule is None else "false"
    with DAG(
        dag_id=f"ingest_kafka__{contract.name}",
        description=contract.description or None,
        doc_md=drain_document(source, minutes=MINUTES),
        schedule=contract.schedule or f"*/{MINUTES} * * * *",
        start_date=START_DATE,
        catchup=False,
        max_active_runs=_DRAINS_AT_ONCE,
        default_args={"owner": contract.owner or DEFAULT_OWNER, "execution_timeout": _SHORT_TIMEOUT, **RETRIES},
        tags={"ingest", "kafka"},
        params=_drain_params(source),
    ) as dag:
        partitions = ListPartitionsOperator(
            task_id="list",
            source=contract.name,
            groups="{{ params.groups }}",
        )
        DrainPartitionsOperator.partial(
            task_id="drain",
            source=contract.name,
            minutes="{{ params.minutes or '' }}",
            until=f"{{{{ params.until or ('{UNTIL_TIME}' if {goes_on} else '{UNTIL_END}') }}}}",
            batch_size="{{ params.batch_size or '' }}",
            flush_interval="{{ params.flush_interval or '' }}",
            accept_gap="{{ params.accept_gap or '' }}",
            sent_from="{{ params['from'] or '' }}",
            sent_to="{{ params.to or '' }}",
            offsets="{{ params.offsets or '' }}",
            map_index_template="{{ task.group['label'] }}",
            execution_timeout=_DRAIN_TIMEOUT,
            outlets=[table_asset(contract.target)],
        ).expand(group=partitions.output)
    return dag


def _drain_params(source: Source[KafkaContract]) -> dict[str, Param]:
    limits = source.contract.batch
    return {
        "until": Param(
            default=None,
            type=["null", "string"],
            enum=[None, UNTIL_END, UNTIL_TIME],
            title="Until",
            description="end: what is there when it begins; time: for all of the minutes. "
            "Empty: to the end, except for scheduled runs of a source without a schedule of its own.",
        ),
        "minutes": Param(
            default=None,
            type=["null", "integer"],
            minimum=1,
            maximum=MINUTES_TO_END,
            title="Minutes",
            description=f"How long at most; {MINUTES}, or {MINUTES_TO_END} to the end, if empty.",
        ),
        "batch_size": Param(
            default=None,
            type=["null", "integer"],
            minimum=1,
            title="Batch size",
            description=f"Messages of a flush; BATCH_SIZE, or {limits.records:,}, if empty.",
        ),
        "flush_interval": Param(
            default=None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="Flush interval (seconds)",
            description="How long a message waits for others at most; FLUSH_INTERVAL_SEC, or "
            f"{limits.interval.total_seconds():g}, if empty.",
        ),
        "groups": Param(
            default=1,
            type="integer",
            minimum=1,
            maximum=64,
            title="Groups",
            description="Into how many groups the partitions are cut, each drained by a task of its own.",
        ),
        "accept_gap": Param(
            default=None,
            type=["null", "string"],
            title="Accept gap",
            description="Why messages that Kafka deleted before they were read are recorded as missing. "
            "Empty: a gap stops the drain, unless the contract says otherwise.",
        ),
        "from": _moment_param(
            "From", "Backfill: what was sent from this moment on, of what lies before where reading began."
        ),
        "to": _moment_param("To", "Backfill: what was sent before this moment."),
        "offsets": Param(
            default=None,
            type=["null", "string"],
            title="Offsets",
            description="Backfill: topic/partition:first-next, as in pgr-events/0:1000-2000; next is the first "
            "behind them.",
        ),
    }
