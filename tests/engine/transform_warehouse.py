"""A bronze, silver and gold of a test's own on the running engine, and dbt to build them."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from dbt.cli.main import dbtRunner, dbtRunnerResult

from lakehouse.engine import TrinoEngine, connect_with, statement_of
from lakehouse.load.ledger import Ledger, ProtocolTables
from lakehouse.paths import BRONZE_TABLES, INCLUDE, PROTOCOL_TABLES
from lakehouse.repair.erasure import Erasure, ErasureReport
from lakehouse.repair.retention import Retention
from lakehouse.repair.selector import Selector
from lakehouse.repair.unload import Unload, UnloadStep, find_ranges
from tests.engine.conftest import Platform

DBT_PROJECT = INCLUDE / "dbt"
STORED_MODELS = ("silver_pgr_events", "gold_pgr_case_lifecycle", "gold_pgr_funnel_daily")
STORED_TABLES = ("silver.silver_pgr_events", "gold.gold_pgr_case_lifecycle_facts", "gold.gold_pgr_funnel_daily")


def utc(*numbers: int) -> datetime:
    """A UTC time as the tables hold it, without a zone."""
    return datetime(*numbers, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc]  # as many numbers as datetime takes


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


class BronzeRow(NamedTuple):
    """A row of bronze; without a source it was written by hand."""

    event_date: date | None
    event_time: datetime
    tenant_id: str | None
    entity_id: str
    event_type: str
    status: str | None = None
    attributes: str | None = None
    channel: str | None = "WEB"
    ward_id: str | None = "W1"
    service: str = "PGR"
    entity_type: str = "complaint"
    actor_id: str | None = None
    raw_payload: str | None = None
    source_id: str | None = None
    position: int | None = None
    ingested_at: datetime | None = None


@dataclass
class Warehouse:
    """Schemas of one test session: a bronze with its ledger, and what dbt builds from them.

    :param name: what the names of its schemas begin with.
    :param scratch: a directory for dbt's own files.
    :param events_at_once: the var of this name; more events are taken in shares.
    """

    platform: Platform
    name: str
    scratch: Path
    events_at_once: int = 6_000_000
    _runner: dbtRunner | None = None

    @property
    def bronze(self) -> str:
        return f"iceberg.{self.bronze_schema}.service_events_raw"

    @property
    def bronze_schema(self) -> str:
        return f"{self.name}_bronze"

    def create(self) -> None:
        """Make bronze and the tables of its protocol as the platform's own are, empty."""
        self.rows(f"create schema iceberg.{self.bronze_schema} with (location = 's3://lake/{self.bronze_schema}')")
        for definition in (BRONZE_TABLES / "service_events_raw.sql", *sorted(PROTOCOL_TABLES.glob("*.sql"))):
            text = definition.read_text(encoding="utf-8")
            self.rows(text.replace("iceberg.bronze.", f"iceberg.{self.bronze_schema}.").strip())

    def drop(self) -> None:
        """Remove everything of it."""
        for layer in ("bronze", "silver", "gold", "reference"):
            schema = f"{self.name}_{layer}"
            listed = self.rows(
                "select table_name, table_type from iceberg.information_schema.tables where table_schema = ?",
                schema,
            )
            for table, kind in sorted(listed, key=lambda entry: entry[1] != "VIEW"):
                self.rows(f"drop {'view' if kind == 'VIEW' else 'table'} iceberg.{schema}.{table}")
            self.rows(f"drop schema if exists iceberg.{schema}")

    def rows(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.platform.rows(text, *parameters)

    def dbt(self, *arguments: str, as_of: datetime | None = None) -> dbtRunnerResult:
        """Run dbt in this process; the project is parsed once.

        :param as_of: where the clock stands; nowhere: with the views, at the moment they are read.
        """
        # dbt and its adapter warn about their own code.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._runner is None:
                parsed = dbtRunner().invoke(["parse", *self._common_arguments(None)])
                assert parsed.success, parsed.exception
                self._runner = dbtRunner(manifest=parsed.result)
            return self._runner.invoke([*arguments, *self._common_arguments(as_of)])

    def build(self, *arguments: str, models: Sequence[str] = STORED_MODELS, as_of: datetime | None = None) -> None:
        """Run models and expect them to succeed."""
        outcome = self.dbt("run", "--select", *models, *arguments, as_of=as_of)
        assert outcome.success, [
            (result.node.name, result.message) for result in outcome.result or () if result.status == "error"
        ] or outcome.exception

    def stored(self) -> dict[str, list[str]]:
        """The rows of every stored table, in an order of their own."""
        return {
            table: sorted(map(repr, self.rows(f"select * from iceberg.{self.name}_{table}")))
            for table in STORED_TABLES
        }

    def insert(self, rows: Iterable[BronzeRow]) -> str:
        """Write rows to bronze in one statement and return its query id."""
        documents = [
            {
                **row._asdict(),
                "event_date": None if row.event_date is None else row.event_date.isoformat(),
                "event_time": row.event_time.isoformat(sep=" ", timespec="microseconds"),
                "ingested_at": None
                if row.ingested_at is None
                else row.ingested_at.isoformat(sep=" ", timespec="microseconds"),
            }
            for row in rows
        ]
        return self._run(
            f"""
            insert into iceberg.{self.bronze_schema}.service_events_raw (
                event_date, event_time, tenant_id, service, entity_type, entity_id, event_type, status, actor_id,
                channel, ward_id, attributes_json, raw_payload, _source_id, _position, _load_id, _ingested_at
            )
            select
                cast(event_date as date), cast(event_time as timestamp(6)), tenant_id, service, entity_type,
                entity_id, event_type, status, actor_id, channel, ward_id, attributes, raw_payload,
                source_id, position, source_id, cast(ingested_at as timestamp(6))
            from unnest(cast(json_parse(?) as array(row(
                event_date varchar, event_time varchar, tenant_id varchar, entity_id varchar, event_type varchar,
                status varchar, attributes varchar, channel varchar, ward_id varchar, service varchar,
                entity_type varchar, actor_id varchar, raw_payload varchar, source_id varchar, position bigint,
                ingested_at varchar
            ))))
            """,
            json.dumps(documents),
        )

    def record(
        self,
        rows: Sequence[BronzeRow],
        *,
        source_id: str,
        finished_at: datetime,
        kind: str = "load",
        query_id: str | None = None,
        with_touched: bool = True,
    ) -> None:
        """Append the ledger's row for rows of one source."""
        touched = sorted(
            {(None if row.event_date is None else row.event_date.isoformat(), row.service) for row in rows},
            key=repr,
        )
        self._run(
            f"""
            insert into iceberg.{self.bronze_schema}.ledger (
                kind, source_id, first_position, next_position, load_id, target, query_id, touched, finished_at
            )
            select
                ?, ?, ?, ?, ?, 'iceberg.{self.bronze_schema}.service_events_raw', ?,
                transform(
                    cast(json_parse(?) as array(row(event_date varchar, service varchar))),
                    pair -> cast(
                        row(cast(pair.event_date as date), pair.service) as row(event_date date, service varchar)
                    )
                ),
                cast(? as timestamp(6))
            """,
            kind,
            source_id,
            min((row.position or 0 for row in rows), default=0),
            max((row.position or 0 for row in rows), default=-1) + 1,
            source_id,
            query_id,
            json.dumps(touched) if with_touched else None,
            finished_at.isoformat(sep=" ", timespec="microseconds"),
        )

    def take_out(self, source_id: str, *, until: UnloadStep | None = None) -> None:
        """Take all of a source out, as `lakehouse unload` does it.

        :param until: it dies after this step.
        """
        ledger = self.ledger
        sources = ledger.tables.sources
        self._run(
            f"""
            insert into {sources} (source_id, source_digest, source_kind, source, identity, contract)
            select ?, ?, 'object', ?, '{{}}', 'tests'
            where not exists (select 1 from {sources} where source_id = ?)
            """,
            *(source_id,) * 4,
        )
        [found] = find_ranges(
            "tests", target=self.bronze, engine=self.platform.engine, ledger=ledger, source=source_id
        )

        def die(step: UnloadStep) -> None:
            if step is until:
                raise KilledError

        unload = Unload(engine=self.platform.engine, ledger=ledger, actor="tests", reason="wrong", on_step=die)
        with contextlib.suppress(KilledError):
            unload.run(found)

    @property
    def ledger(self) -> Ledger:
        """Its own tables of the protocol."""
        names = {
            table: f"iceberg.{self.bronze_schema}.{table}"
            for table in ("sources", "ledger", "rejects", "refusals", "removals")
        }
        return Ledger(engine=self.platform.engine, tables=ProtocolTables(**names), run="tests")

    def retain(self, *, before: date) -> None:
        """Remove what is older than a day, as `lakehouse retain` does it."""
        Retention(
            engine=self.platform.engine,
            ledger=self.ledger,
            age=timedelta(0),
            actor="tests",
            reason="old",
            clock=lambda: datetime(before.year, before.month, before.day, tzinfo=UTC),
        ).run(self.bronze)

    def erase(self, person: str, *, dry_run: bool = False) -> ErasureReport:
        """Remove what names a person, as `lakehouse erase` does it."""
        return Erasure(
            Selector(person),
            tables={self.bronze: replace(self.platform.table, name=self.bronze)},
            engine=self.platform.engine,
            store=self.platform.store,
            ledger=self.ledger,
            names=self.platform.settings.names,
            actor="tests",
            reason="asked for",
            silver=f"{self.name}_silver",
            gold=f"{self.name}_gold",
        ).run(dry_run=dry_run)

    def expire_bronze_snapshots(self) -> None:
        """Forget every snapshot of bronze but the newest."""
        settings = self.platform.settings
        connect = connect_with(
            settings,
            source="tests",
            session={f"{settings.names.catalog}.expire_snapshots_min_retention": "0s"},
        )
        TrinoEngine(connect).execute(
            statement_of(
                f"alter table iceberg.{self.bronze_schema}.service_events_raw "
                "execute expire_snapshots(retention_threshold => '0s')"
            )
        )

    def _run(self, text: str, *parameters: Any) -> str:
        query_id = self.platform.engine.execute(statement_of(text, *parameters)).query_id
        assert query_id
        return query_id

    def _common_arguments(self, as_of: datetime | None) -> list[str]:
        variables: dict[str, Any] = {
            "bronze_schema": self.bronze_schema,
            "schema_prefix": f"{self.name}_",
            "events_at_once": self.events_at_once,
        }
        if as_of is not None:
            variables["as_of"] = as_of.isoformat(sep=" ")
        return [
            "--project-dir",
            str(DBT_PROJECT),
            "--profiles-dir",
            str(DBT_PROJECT),
            "--target-path",
            str(self.scratch / "target"),
            "--log-path",
            str(self.scratch / "logs"),
            "--vars",
            json.dumps(variables),
            "--quiet",
            "--no-use-colors",
            "--no-partial-parse",
        ]
