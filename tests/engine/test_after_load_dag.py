"""What a contract says of objects after their load, done by a running Airflow that is given the contract."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from lakehouse.paths import CONTRACTS
from stack.dag_runs import DagRuns
from tests.engine.conftest import BRONZE, Platform, event, lines

pytestmark = [pytest.mark.engine, pytest.mark.long]

WAIT_SECONDS = 300


@pytest.fixture
def source(platform: Platform, dag_runs: DagRuns) -> Iterator[str]:
    """A source of the running Airflow whose newer objects take the place of older ones, and then go away."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    path = CONTRACTS / f"{name}.yaml"
    path.write_text(
        f"name: {name}\n"
        "kind: files\n"
        f'from: {{bucket: {platform.settings.names.bucket}, key: "staging/{name}/*", format: jsonl}}\n'
        f"target: {BRONZE}\n"
        "columns: {event_time: {required: true}, tenant_id: {required: true}, service: {default: PGR}}\n"
        "overwrite: supersede\n"
        f"after_load: {{action: archive, prefix: archive/{name}/}}\n"
        'schedule: "0 0 1 1 *"\n',
        encoding="utf-8",
    )
    dag_id = f"ingest_files__{name}"
    try:
        wait_for(lambda: dag_runs.api.has_dag(dag_id), what=f"the DAG of {name}")
        dag_runs.api.unpause(dag_id)
        yield name
        wait_for(lambda: not dag_runs.api.runs(dag_id, active=True), what="the end of the runs")
    finally:
        path.unlink()
        dag_runs.api.delete_dag(dag_id)


def wait_for(reached: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"{what}: not after {WAIT_SECONDS} s"
        time.sleep(1)


def test_an_object_that_comes_is_loaded_and_archived_and_the_next_under_its_key_takes_its_place(
    platform: Platform, source: str
):
    bucket, key = platform.settings.names.bucket, f"staging/{source}/day.jsonl"

    def in_bronze() -> list[tuple[object, ...]]:
        return platform.rows(
            f"select count(*), min(channel) from {BRONZE} "
            "join iceberg.bronze.sources as s on _source_id = s.source_id where s.contract = ?",
            source,
        )

    def archived() -> int:
        return len(list(platform.store.list_objects(bucket=bucket, prefix=f"archive/{source}/")))

    for version, (channel, records) in enumerate([("WEB", 30), ("MOBILE", 20)], start=1):
        content = lines(event(number, channel=channel) for number in range(records))
        platform.store.put(content.encode(), bucket=bucket, key=key)
        wait_for(lambda: archived() == version, what=f"version {version} in the archive")  # noqa: B023
        wait_for(lambda: in_bronze() == [(records, channel)], what=f"only version {version} in bronze")  # noqa: B023
    assert list(platform.store.list_objects(bucket=bucket, prefix=f"staging/{source}/")) == []
