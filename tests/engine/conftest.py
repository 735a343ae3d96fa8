"""What tests on the real engines share: the platform, tables, and a source of each test's own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lakehouse.broker import broker_settings
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.contracts.loading import load_contract
from lakehouse.engine import TrinoEngine, connect_with, statement_of
from lakehouse.load.files import load_files
from lakehouse.load.protocol import InsertReport
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import Settings
from lakehouse.store import ObjectStore, store_of
from lakehouse.tables.creation import create_tables
from lakehouse.tables.definition import TableDefinition, read_table_definitions
from stack.airflow_api import AirflowApi
from stack.dag_runs import DagRuns
from stack.lifecycle import Stack
from tests.engine.source_of_one_test import BRONZE, SourceOfOneTest
from tests.engine.stream import Stream


@dataclass(frozen=True)
class Platform:
    """The running engines, as a program outside Airflow reaches them."""

    settings: Settings
    engine: TrinoEngine
    store: ObjectStore
    table: TableDefinition

    def rows(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return list(self.engine.execute(statement_of(text, *parameters)).rows)


@dataclass(frozen=True)
class Source(SourceOfOneTest):
    """A source that only one test puts objects into."""

    prefix: str

    def put(self, name: str, content: bytes | str) -> str:
        key = f"{self.prefix}{name}"
        data = content.encode() if isinstance(content, str) else content
        self.platform.store.put(data, bucket=self.platform.settings.names.bucket, key=key)
        return f"s3://{self.platform.settings.names.bucket}/{key}"

    def load(self, **options: Any) -> list[InsertReport]:
        platform = self.platform
        return list(
            load_files(
                self.contract,
                table=platform.table,
                engine=platform.engine,
                store=platform.store,
                names=platform.settings.names,
                run="tests",
                **options,
            )
        )


@pytest.fixture(scope="session")
def platform(stack_environment: dict[str, str]) -> Platform:
    settings = Settings.from_environment(stack_environment)
    engine = TrinoEngine(connect_with(settings, source="tests"))
    create_tables(engine, names=settings.names)
    return Platform(
        settings=settings,
        engine=engine,
        store=store_of(settings),
        table=read_table_definitions(BRONZE_TABLES)[BRONZE],
    )


@pytest.fixture(scope="session")
def dag_runs(running_stack: Stack, stack_environment: dict[str, str], platform: Platform) -> DagRuns:
    """The DAGs of the running Airflow, signed in."""
    api = AirflowApi(
        url=stack_environment["AIRFLOW_URL"],
        user=stack_environment["AIRFLOW_USER"],
        password=stack_environment["AIRFLOW_PASSWORD"],
    )
    api.sign_in()
    return DagRuns(api=api, layout=running_stack.layout, console=Console(quiet=True))


@pytest.fixture
def make_source(platform: Platform, tmp_path: Path) -> Callable[..., Source]:
    """Makes a source with a contract and a prefix of its own."""

    def make(*, file_format: str = "jsonl", text: str = "") -> Source:
        name = f"test_{uuid.uuid4().hex[:12]}"
        path = tmp_path / f"{name}.yaml"
        path.write_text(
            f"name: {name}\n"
            "kind: files\n"
            f'from: {{bucket: {platform.settings.names.bucket}, key: "tests/{name}/*", format: {file_format}}}\n'
            f"target: {BRONZE}\n"
            'nulls: ["", "NULL"]\n'
            "columns:\n"
            "  event_time: {required: true}\n"
            "  tenant_id: {required: true}\n"
            "  service: {default: PGR}\n" + text
        )
        contract = load_contract(path, {BRONZE: platform.table})
        return Source(platform=platform, contract=contract, prefix=f"tests/{name}/")

    return make


@pytest.fixture
def make_stream(platform: Platform, stack_environment: dict[str, str], tmp_path: Path) -> Callable[..., Stream]:
    """Makes a topic with a contract of its own."""

    def make(*, partitions: int = 1, origin: str = "", text: str = "", topic_settings: Any = None) -> Stream:
        name = f"test_{uuid.uuid4().hex[:12]}"
        path = tmp_path / f"{name}.yaml"
        path.write_text(
            f"name: {name}\n"
            "kind: kafka\n"
            f"from: {{topic: {name}, group: {name}{origin}}}\n"
            f"target: {BRONZE}\n"
            "columns:\n"
            "  event_time: {required: true}\n"
            "  tenant_id: {required: true}\n"
            "  service: {default: PGR}\n" + text
        )
        contract = load_contract(path, {BRONZE: platform.table})
        assert isinstance(contract, KafkaContract)
        stream = Stream(
            platform=platform,
            contract=contract,
            contract_path=path,
            settings=broker_settings(stack_environment),
        )
        stream.create(partitions=partitions, settings=topic_settings or {})
        return stream

    return make


def event(number: int, **fields: Any) -> dict[str, Any]:
    """One event, different for each number."""
    return {
        "event_time": f"2026-10-{1 + number % 28:02}T10:00:00.{number % 1000:03}Z",
        "tenant_id": "pb.amritsar",
        "service": "PGR",
        "entity_type": "complaint",
        "entity_id": f"PB-PGR-{number}",
        "event_type": "CaseSubmitted",
        "status": "OPEN",
        "channel": "WEB",
        "attributes_json": {"priority": "HIGH", "number": number},
        **fields,
    }


def lines(events: Iterable[dict[str, Any]]) -> str:
    """Events as JSON lines."""
    return "".join(json.dumps(each) + "\n" for each in events)
