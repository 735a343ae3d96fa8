"""Gold against answers known from elsewhere: DIGIT's transitions, Boston's verdicts, the truth of a feed."""

from __future__ import annotations

import csv
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from feed.case_table import CASES_FILE_NAME, SCHEMA
from feed.options import Options
from feed.writing import write
from tests.engine.conftest import BRONZE, Platform, Source
from tests.engine.transform_warehouse import BronzeRow, Warehouse, utc

pytestmark = pytest.mark.engine

SHARED_DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
EVENT_OF_ACTION = {
    "APPLY": ("CaseSubmitted", "OPEN"),
    "ASSIGN": ("CaseAssigned", "ASSIGNED"),
    "REJECT": ("CaseRejected", "REJECTED"),
    "RESOLVE": ("CaseResolved", "RESOLVED"),
    "REOPEN": ("CaseReopened", "REOPENED"),
    "RATE": ("CaseClosed", "CLOSED"),
}


@pytest.fixture(scope="module")
def warehouse(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    warehouse = Warehouse(platform, f"t{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("dbt"))
    warehouse.create()
    outcome = warehouse.dbt("seed")
    assert outcome.success, outcome.exception
    yield warehouse
    warehouse.drop()


@pytest.fixture(scope="module")
def digit_transitions() -> list[dict[str, str]]:
    """DIGIT's 17 sample transitions, each with the name of the state it leads to."""
    folder = SHARED_DATA / "digit-ccrs"
    if not folder.is_dir():
        pytest.skip("the sample data of DIGIT (digit-ccrs) is not beside this clone")
    states = {row["uuid"]: row["state"] for row in _csv_rows(folder / "eg_wf_state_v2.csv")}
    return [row | {"state": states[row["status"]]} for row in _csv_rows(folder / "eg_wf_processinstance_v2.csv")]


@pytest.fixture(scope="module")
def boston_requests() -> list[dict[str, str]]:
    """A hundred requests of Boston's 311, with the city's own verdict `ontime`."""
    path = SHARED_DATA / "us-311-samples" / "boston311-100.csv"
    if not path.is_file():
        pytest.skip("the samples of Boston 311 (us-311-samples) are not beside this clone")
    return _csv_rows(path)


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_sample_transitions_of_digit_live_as_its_workflow_says(warehouse, digit_transitions):
    def event(row: dict[str, str], *, tenant_id: str, time: datetime) -> BronzeRow:
        event_type, status = EVENT_OF_ACTION[row["action"]]
        return BronzeRow(
            event_date=time.date(),
            event_time=time,
            tenant_id=tenant_id,
            entity_id=row["businessid"],
            event_type=event_type,
            status=status,
            attributes=json.dumps({"event_id": row["id"], "digit_status": row["state"]}),
        )

    def time_of(row: dict[str, str]) -> datetime:
        return utc(1970, 1, 1) + timedelta(milliseconds=int(row["createdtime"]))

    assert len(digit_transitions) == 17
    as_sent = [event(row, tenant_id=row["tenantid"], time=time_of(row)) for row in digit_transitions]
    # The same lives squeezed into one moment each, and sent in no order: only the state machine can tell.
    at_once = [
        event(row, tenant_id=f"at_once.{row['tenantid']}", time=utc(2026, 5, 13, 9, 27))
        for row in sorted(digit_transitions, key=lambda row: row["id"])
    ]
    warehouse.insert([*as_sent, *at_once])
    warehouse.build()

    found = warehouse.rows(
        f"select tenant_id, complaint_id, last_state, last_status, is_open, event_count, reopen_count, "
        f"resolution_count, sla_hours, sla_source from iceberg.{warehouse.name}_gold.gold_pgr_case_lifecycle "
        "where tenant_id like '%pg%' order by complaint_id, tenant_id"
    )

    waiting = ("PENDINGFORASSIGNMENT", "OPEN", True, 1, 0, 0, 120.0, "business")
    rated = ("CLOSEDAFTERRESOLUTION", "CLOSED", False, 4, 0, 1, 120.0, "business")
    expected = {
        ("pg.citya", "PG-PGR-2026-05-13-000167"): waiting,
        ("pg.citya", "PG-PGR-2026-05-13-000180"): waiting,
        ("pg.citest", "PG-PGR-2026-05-13-000182"): waiting,
        ("pg.citest", "PG-PGR-2026-05-13-000185"): (*rated[:3], 6, 1, 1, 120.0, "business"),
        ("pg.citest", "PG-PGR-2026-05-13-000186"): rated,
        ("pg", "PG-PGR-2026-05-13-000187"): rated,
    }
    assert {tuple(row[:2]): tuple(row[2:]) for row in found} == expected | {
        (f"at_once.{tenant}", case): life for (tenant, case), life in expected.items()
    }


def test_breach_flag_agrees_with_what_boston_says_of_its_own_requests(warehouse, boston_requests):
    zone = ZoneInfo("America/New_York")

    def utc_of(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)

    targeted = [row for row in boston_requests if row["target_dt"].strip()]
    closed = [row for row in targeted if row["closed_dt"].strip()]
    still_open = [row for row in targeted if not row["closed_dt"].strip()]
    assert (len(closed), len(still_open)) == (77, 12)
    # The file does not say when it was written; a moment that agrees with all of its open requests is taken.
    late = max(utc_of(row["target_dt"]) for row in still_open if row["ontime"] == "OVERDUE")
    as_of = late + timedelta(seconds=1)
    events = []
    for row in targeted:
        opened = utc_of(row["open_dt"])
        hours = (utc_of(row["target_dt"]) - opened) / timedelta(hours=1)
        submitted = BronzeRow(
            event_date=opened.date(),
            event_time=opened,
            tenant_id="us.boston",
            entity_id=row["case_enquiry_id"],
            event_type="CaseSubmitted",
            status="OPEN",
            attributes=json.dumps({"sla_hours": hours}),
        )
        events.append(submitted)
        if row["closed_dt"].strip():
            ended = utc_of(row["closed_dt"])
            events.append(
                submitted._replace(
                    event_date=ended.date(),
                    event_time=ended,
                    event_type="CaseClosed",
                    status="CLOSED",
                    attributes=None,
                )
            )
    warehouse.insert(events)
    warehouse.build(as_of=as_of)

    found = dict(
        warehouse.rows(
            f"select complaint_id, breach_flag from iceberg.{warehouse.name}_gold.gold_pgr_case_lifecycle "
            "where tenant_id = 'us.boston'"
        )
    )

    assert found == {row["case_enquiry_id"]: row["ontime"] == "OVERDUE" for row in targeted}


def test_service_level_that_stands_on_the_submission_alone_is_kept(warehouse):
    warehouse.rows(
        f"insert into {warehouse.bronze} (event_date, event_time, tenant_id, service, entity_type, entity_id, "
        "event_type, status, attributes_json) "
        "select date '2026-10-01', timestamp '2026-10-01 08:00:00' + hour * interval '1' hour, 'sla.city', 'PGR', "
        "'complaint', 'C-' || cast(thousand * 1000 + number as varchar), event_type, status, attributes "
        "from unnest(sequence(0, 19)) as thousands (thousand) cross join unnest(sequence(0, 999)) as n (number) "
        "cross join (values (0, 'CaseSubmitted', 'OPEN', '{\"sla_hours\": 24, \"priority\": \"HIGH\"}'), "
        "(30, 'CaseResolved', 'RESOLVED', '{}')) as life (hour, event_type, status, attributes)"
    )
    warehouse.build()

    found = warehouse.rows(
        "select count(*), count(sla_hours), count_if(sla_source = 'event'), count(priority), "
        f"count_if(breach_flag) from iceberg.{warehouse.name}_gold.gold_pgr_case_lifecycle "
        "where tenant_id = 'sla.city'"
    )

    assert found == [(20_000, 20_000, 20_000, 20_000, 20_000)]


@pytest.mark.parametrize("events", [10_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_gold_of_a_feed_is_its_truth(
    warehouse: Warehouse, make_source: Callable[..., Source], tmp_path: Path, events: int
):
    # Other days for each size: complaints are numbered by day.
    start = utc(2025, 1, 1) if events > 10_000 else utc(2025, 3, 1)
    truth = write(
        Options(events=events, seed=events, start=start.date(), tenants=3, files=4, duplicates=0.05, late=0.05),
        tmp_path,
        cases=True,
    )
    source = make_source()
    as_of = truth.as_of.replace(tzinfo=None)
    for half in (truth.files[:2], truth.files[2:]):
        for file in half:
            source.put(file.name, (tmp_path / file.name).read_bytes())
        source.load()
        _copy_from_bronze(warehouse, source)
        warehouse.build(as_of=as_of)
    gold = f"iceberg.{warehouse.name}_gold"
    of_feed = f"submitted_time >= timestamp '{start}' and submitted_time < timestamp '{as_of}'"

    columns = [field.name for field in SCHEMA]
    found = warehouse.rows(f"select {', '.join(columns)} from {gold}.gold_pgr_case_lifecycle where {of_feed}")

    expected = pq.read_table(tmp_path / CASES_FILE_NAME).to_pylist()
    assert sorted(map(_comparable, found), key=repr) == sorted(
        (_comparable(tuple(row[name] for name in columns)) for row in expected), key=repr
    )
    assert warehouse.rows(
        "select count(*), count_if(has_invalid_attributes) "
        f"from iceberg.{warehouse.name}_silver.silver_pgr_events "
        f"where event_time >= timestamp '{start}' and event_time < timestamp '{as_of}'"
    ) == [(truth.total.distinct_events, 0)]
    counted = warehouse.rows(
        "select tenant_id, sum(submitted_cases), sum(resolved_events), sum(reopened_events) "
        f"from {gold}.gold_pgr_funnel_daily where metric_date >= date '{start:%Y-%m-%d}' "
        f"and metric_date <= date '{as_of:%Y-%m-%d}' group by tenant_id"
    )
    assert {row[0]: row[1] for row in counted} == Counter(row["tenant_id"] for row in expected)
    assert sum(row[2] for row in counted) == truth.events_by_type["CaseResolved"]
    assert sum(row[3] for row in counted) == truth.events_by_type["CaseReopened"]


def _copy_from_bronze(warehouse: Warehouse, source: Source) -> None:
    """Give the warehouse what the source has loaded into the platform's bronze, ledger included, once."""
    schema = f"iceberg.{warehouse.bronze_schema}"
    sources = "select source_id from iceberg.bronze.sources where contract = ?"
    warehouse.rows(
        f"insert into {schema}.service_events_raw select * from {BRONZE} where _source_id in ({sources}) "
        f"and _source_id not in (select source_id from {schema}.ledger where source_id is not null)",
        source.contract.name,
    )
    columns = [
        name
        for (name,) in warehouse.rows(
            "select column_name from iceberg.information_schema.columns "
            "where table_schema = 'bronze' and table_name = 'ledger' order by ordinal_position"
        )
    ]
    selected = ", ".join(f"'{schema}.service_events_raw'" if name == "target" else name for name in columns)
    warehouse.rows(
        f"insert into {schema}.ledger ({', '.join(columns)}) select {selected} from iceberg.bronze.ledger "
        f"where source_id in ({sources}) "
        f"and source_id not in (select source_id from {schema}.ledger where source_id is not null)",
        source.contract.name,
    )


def _comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Times without their zone, numbers as one type."""
    return tuple(
        value.replace(tzinfo=None)
        if isinstance(value, datetime)
        else float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else value
        for value in row
    )


def test_dbt_builds_and_all_of_its_own_tests_pass(warehouse):
    outcome = warehouse.dbt("build")

    assert outcome.success, [
        (result.node.name, result.message) for result in outcome.result if result.status not in ("success", "pass")
    ]
    assert {result.node.resource_type for result in outcome.result} >= {"model", "seed", "test", "unit_test"}
