from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

from lakehouse.certificate import read_certificate
from lakehouse.cli import main
from tests.engine.conftest import BRONZE, Platform, Source, event, lines

pytestmark = pytest.mark.engine

LEDGER = "iceberg.bronze.ledger"


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Iterator[Source]:
    """A loaded source of ten records, one of them bad; the damage that a test does is cleared afterwards."""
    source = make_source(text="reject_budget: {share: 0.5}\n")
    source.put("events.jsonl", lines(event(number) for number in range(9)) + "{\n")
    source.load()
    platform = source.platform
    [(source_id,)] = platform.rows(
        "select source_id from iceberg.bronze.sources where contract = ?", source.contract.name
    )
    yield source
    platform.rows(f"delete from {BRONZE} where _source_id = ?", source_id)
    platform.rows(f"delete from {LEDGER} where source_id = ?", source_id)
    platform.rows("delete from iceberg.bronze.rejects where source_id = ?", source_id)


def damage(source: Source, statement: str) -> str:
    """Run a statement against the source's own rows; returns what the certificate then says."""
    platform = source.platform
    [(source_id,)] = platform.rows(
        "select source_id from iceberg.bronze.sources where contract = ?", source.contract.name
    )
    platform.rows(statement.replace("{id}", f"'{source_id}'"))
    [account] = source.accounts()
    return account.problems


def test_a_source_that_is_whole_has_no_problem(source: Source):
    [account] = source.accounts()
    assert (account.records_read, account.bronze_rows, account.open_rejects, account.problems) == (10, 9, 1, "")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (f"delete from {BRONZE} where _source_id = {{id}} and _position = 3", "rows missing"),
        (
            f"insert into {BRONZE} select * from {BRONZE} where _source_id = {{id}} and _position = 3",
            "doubled rows",
        ),
        (f"delete from {LEDGER} where source_id = {{id}}", "rows or rejects without a ledger row"),
        (f"update {LEDGER} set first_position = 2 where source_id = {{id}}", "gap"),
        (f"update {LEDGER} set end_position = 12 where source_id = {{id}}", "not read to its end"),
        (f"update {LEDGER} set end_position = null where source_id = {{id}}", "not read to its end"),
        (f"insert into {LEDGER} select * from {LEDGER} where source_id = {{id}}", "overlap"),
        ("delete from iceberg.bronze.rejects where source_id = {id}", "rows missing"),
    ],
)
def test_every_kind_of_damage_is_named(source: Source, statement: str, problem: str):
    assert problem in damage(source, statement)


def test_a_reject_is_closed_by_a_row_at_its_key(source: Source):
    problems = damage(
        source,
        f"insert into {BRONZE} (event_date, service, _source_id, _position, _load_id) "
        "values (date '2026-10-01', 'PGR', {id}, 9, 'replay')",
    )
    [account] = source.accounts()
    assert (problems, account.bronze_rows, account.open_rejects) == ("", 10, 0)


def test_the_command_fails_when_anything_is_off_and_only_then(source: Source, platform: Platform):
    before = CliRunner().invoke(main, ["certificate"])
    assert before.exit_code == (0 if read_certificate(platform.engine).is_clean else 1), before.output
    damage(source, f"delete from {BRONZE} where _source_id = {{id}} and _position = 3")
    after = CliRunner().invoke(main, ["certificate"])
    assert after.exit_code == 1
    assert "rows missing" in after.output
