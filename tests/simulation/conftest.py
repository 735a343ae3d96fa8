from __future__ import annotations

from collections.abc import Mapping

import pytest

from lakehouse.contracts import Contract, load_contract
from lakehouse.load import pause
from lakehouse.paths import BRONZE_TABLES
from lakehouse.tables.definition import read_table_definitions

CONTRACT = """\
name: parking_fines
kind: files
from: {bucket: warehouse, key: "staging/parking_*.jsonl", format: jsonl}
target: iceberg.bronze.service_events_raw
reject_budget: {share: 1.0}
"""
#: What somebody may change in a contract between two attempts, and what of a load it changes.
CHANGES = {
    "nothing": "",
    "the partitions of rows": "times: {zone: Asia/Kolkata}\n",
    "which records are rejected": "columns: {ward_id: {required: true}}\n",
    "which records are rejected, the other way round": "columns: {status: {required: true}}\n",
    "where a source is cut": "batch: {records: 2}\n",
    "where a source is cut, and how": "batch: {records: 3}\ntimes: {zone: Asia/Kolkata}\n",
    "how many objects share a batch": "batch: {bytes: 300}\n",
}


@pytest.fixture(scope="session")
def contracts(tmp_path_factory) -> Mapping[str, Contract]:
    path = tmp_path_factory.mktemp("contracts") / "parking_fines.yaml"
    tables = read_table_definitions(BRONZE_TABLES)
    found = {}
    for change, lines in CHANGES.items():
        path.write_text(CONTRACT + lines, encoding="utf-8")
        found[change] = load_contract(path, tables, environment={})
    return found


@pytest.fixture(autouse=True)
def nobody_sleeps(monkeypatch):
    monkeypatch.setattr(pause, "_FIRST_SECONDS", 0)
