from __future__ import annotations

import pytest

from lakehouse.contracts.after_load import AfterLoad, AfterLoadAction
from lakehouse.contracts.contract import ColumnRule
from lakehouse.contracts.files_contract import Overwrite
from lakehouse.ingest_document import ingest_document
from lakehouse.sources import Source, read_source


@pytest.fixture
def source() -> Source:
    return read_source("pgr_events_csv")


def with_contract(source: Source, **changes: object) -> Source:
    return Source(contract=source.contract.model_copy(update=changes), table=source.table)


def test_the_page_tells_what_is_loaded_from_where_into_what_and_when(source: Source):
    page = ingest_document(source)
    assert f"s3://{source.contract.origin.bucket}/staging/pgr_events_*.csv*" in page
    assert source.contract.target in page
    assert "cron `*/15 * * * *`" in page
    assert "| `service` | `PGR` where the record has none |" in page
    assert "**Triage notes**" in page


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (ColumnRule(value="PGR"), "always `PGR`"),
        (ColumnRule(required=True, allowed="TENANT_*"), "required, one of `TENANT_*`"),
        (ColumnRule(**{"from": "source"}, default="WEB"), "from `source`, `WEB` where the record has none"),
    ],
)
def test_the_page_tells_how_a_column_differs(source: Source, rule: ColumnRule, told: str):
    assert f"| `channel` | {told} |" in ingest_document(with_contract(source, columns={"channel": rule}))


def test_a_source_without_schedule_columns_and_freshness_has_a_page(source: Source):
    page = ingest_document(with_contract(source, schedule=None, columns={}, freshness=None))
    assert "cron" not in page
    assert "Columns that differ" not in page


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (AfterLoad(), "stays"),
        (AfterLoad(action=AfterLoadAction.TAG), "gets the tag `lakehouse=loaded`"),
        (
            AfterLoad(action=AfterLoadAction.ARCHIVE, prefix="old/"),
            "is moved to `old/`, unless rejects of it are open",
        ),
        (
            AfterLoad(action=AfterLoadAction.DELETE, days=30),
            "is deleted, 30 days later, unless rejects of it are open",
        ),
    ],
)
def test_the_page_tells_what_becomes_of_a_file_after_its_load(source: Source, section: AfterLoad, told: str):
    page = ingest_document(with_contract(source, after_load=section))
    assert f"| after its load a file | {told} |" in page
    assert ("*after_load failed*" in page) is (section.action is not AfterLoadAction.KEEP)


def test_the_page_tells_that_newer_versions_take_the_place_of_older_ones(source: Source):
    assert "supersede" not in ingest_document(source)
    page = ingest_document(with_contract(source, overwrite=Overwrite.SUPERSEDE))
    assert "what the older version loaded is taken out" in page
    assert "*supersede failed*" in page
