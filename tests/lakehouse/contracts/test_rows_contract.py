from __future__ import annotations

import pytest

from lakehouse.contracts import ContractError, RowsContract, load_contract

MINIMAL = "name: parking_fines\nkind: rows\ntarget: iceberg.bronze.service_events_raw\n"


def test_a_contract_of_rows_says_what_all_contracts_say(write, tables):
    added = "columns: {tenant_id: {required: true}}\nscrub: [citizen.mobileNumber]\n"
    contract = load_contract(write(MINIMAL + added), tables)

    assert isinstance(contract, RowsContract)
    assert contract.rule("tenant_id").required
    assert contract.reject_budget.share == 1
    assert contract.framing == '["rows"]'


def test_rows_come_from_a_caller_and_from_nowhere_else(write, tables):
    with pytest.raises(ContractError) as caught:
        load_contract(write(MINIMAL + "from: {topic: a}\n"), tables)

    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == ("from", 4)
    assert "kind rows has no such key" in problem.problem


def test_kinds_that_judge_alike_have_fingerprints_of_their_own(write, tables):
    kafka = MINIMAL.replace("kind: rows", "kind: kafka\nfrom: {topic: a, group: b}")
    one = load_contract(write(MINIMAL), tables)

    assert load_contract(write(kafka), tables).fingerprint != one.fingerprint
