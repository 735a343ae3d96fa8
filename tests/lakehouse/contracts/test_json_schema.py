from __future__ import annotations

import json
import re

import jsonschema
import pytest
import yaml

from lakehouse.contracts.json_schema import SCHEMA_PATH, contract_schema
from lakehouse.paths import CONTRACTS

SHIPPED = sorted(CONTRACTS.glob("*.yaml"))


def test_the_schema_beside_the_contracts_is_that_of_the_model():
    assert SCHEMA_PATH.read_text(encoding="utf-8") == contract_schema(), (
        "write it anew with: python -m lakehouse.contracts.json_schema"
    )


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_an_editor_finds_nothing_wrong_with_a_shipped_contract(path):
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), json.loads(contract_schema()))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_contract_tells_an_editor_where_its_schema_is(path):
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text(encoding="utf-8"))

    assert named is not None
    assert (path.parent / named[1]).resolve() == SCHEMA_PATH.resolve()


@pytest.mark.parametrize("wrong", [{"colums": {}}, {"freshness": "soon"}, {"max_record_bytes": "64 megs"}])
def test_an_editor_finds_what_loading_would_refuse(wrong):
    contract = yaml.safe_load(SHIPPED[0].read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(contract | wrong, json.loads(contract_schema()))


def test_an_editor_checks_each_kind_by_its_own_keys():
    kafka = {
        "name": "pgr_events",
        "kind": "kafka",
        "from": {"topic": "pgr-events", "group": "bronze-ingestion", "start": "2026-11-01T00:00:00Z"},
        "target": "iceberg.bronze.service_events_raw",
        "batch": {"interval": "5s"},
    }
    rows = {"name": "pgr_events", "kind": "rows", "target": "iceberg.bronze.service_events_raw"}
    for contract in (kafka, rows):
        jsonschema.validate(contract, json.loads(contract_schema()))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(contract | {"csv": {"delimiter": ";"}}, json.loads(contract_schema()))
