from __future__ import annotations

from dataclasses import replace

import pytest

from feed import Format, Options, write
from lakehouse.certificate import Account
from stack.demo_account import Found, compare, differences


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    options = Options(events=2_000, bad=0.02, duplicates=0.02, formats=tuple(Format), files=6)
    return write(options, tmp_path_factory.mktemp("feed"))


@pytest.fixture
def found(truth) -> Found:
    return Found(
        accounts={file.name: _account(file.counts) for file in truth.files},
        rejects=dict(truth.total.rejects),
        events_by_type=dict(truth.events_by_type),
        duplicates=truth.total.duplicates,
        late=truth.total.late,
        out_of_order=truth.total.out_of_order,
    )


def _account(counts) -> Account:
    return Account(
        source_id="0kh1aaaaaaaaaaaa",
        target="iceberg.bronze.service_events_raw",
        source=None,
        contract=None,
        ranges=1,
        first_position=0,
        next_position=counts.records,
        end_position=counts.records,
        gap_positions=0,
        overlap_positions=0,
        records_read=counts.records,
        bronze_rows=counts.good_rows,
        doubled_rows=0,
        open_rejects=sum(counts.rejects.values()),
        finished_at=None,
        problems="",
    )


def _differences(truth, found) -> str:
    return "\n".join(differences(compare(truth, found), found))


def test_feed_that_arrived_whole_has_no_difference(truth, found):
    assert _differences(truth, found) == ""


def test_doubled_file_differs_in_its_rows(truth, found):
    name = truth.files[0].name
    account = found.accounts[name]
    doubled = replace(account, bronze_rows=2 * account.bronze_rows)
    told = _differences(truth, replace(found, accounts={**found.accounts, name: doubled}))
    assert f"Rows by file: {name}" in told
    assert "rows in bronze" in told


def test_file_that_never_arrived_differs(truth, found):
    name = truth.files[1].name
    accounts = {other: account for other, account in found.accounts.items() if other != name}
    told = _differences(truth, replace(found, accounts=accounts))
    assert f"Rows by file: {name}: {truth.files[1].counts.good_rows:,} generated, 0 found" in told
    assert f"Rejects by file: {name}" in told


def test_lost_event_behind_a_doubled_one_differs_although_the_rows_are_as_many(truth, found):
    types = dict(found.events_by_type)
    types["CaseSubmitted"] -= 1
    told = _differences(truth, replace(found, events_by_type=types, duplicates=found.duplicates + 1))
    assert "Distinct events by type: CaseSubmitted" in told
    assert "planted duplicates" in told


def test_reject_under_another_reason_differs_twice(truth, found):
    rejects = dict(found.rejects)
    rejects["not_utf8"] -= 1
    rejects["too_large"] = 1
    told = _differences(truth, replace(found, rejects=rejects))
    assert "Rejects by reason: not_utf8" in told
    assert "Rejects by reason: too_large: 0 generated, 1 found" in told


@pytest.mark.parametrize("name", ["late", "out_of_order"])
def test_changed_order_of_arrival_differs(truth, found, name):
    assert _differences(truth, replace(found, **{name: getattr(found, name) + 1}))


def test_problem_of_the_certificate_is_a_difference_although_every_number_agrees(truth, found):
    name = truth.files[0].name
    accounts = {**found.accounts, name: replace(found.accounts[name], problems="gap")}
    assert _differences(truth, replace(found, accounts=accounts)) == f"certificate of {name}: gap"
