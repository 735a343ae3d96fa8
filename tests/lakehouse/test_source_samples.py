"""Every contract reads its sample as its author expects: tests/data/sources/<name>/{sample.*,expected.json}."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakehouse.contracts import FilesContract
from lakehouse.paths import CONTRACTS
from lakehouse.readers import reader_for
from lakehouse.sources import read_source, usable_sources

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "sources"
NAMES = sorted(path.stem for path in CONTRACTS.glob("*.yaml"))
FILES = [source.contract.name for source in usable_sources(FilesContract)]


def _judged(name: str) -> dict[str, object]:
    """What the contract makes of its sample: rows without their nulls, rejects with their reason."""
    source = read_source(name)
    (sample,) = (SAMPLES / name).glob("sample.*")
    rows, rejects, unknown = [], [], {}
    with sample.open("rb") as stream:
        for batch in reader_for(source.contract, source.table).read(stream):
            rows += batch.rows.to_pylist()
            rejects += batch.rejects
            unknown |= batch.unknown_columns
    return {
        "rows": [{key: value for key, value in row.items() if value is not None} for row in rows],
        "rejects": [
            {"_position": reject.position, "reason": str(reject.reason), "column": reject.column}
            for reject in rejects
        ],
        "unknown_columns": unknown,
    }


def test_there_are_contracts():
    assert NAMES
    assert FILES


@pytest.mark.parametrize("name", NAMES)
def test_sample_is_judged_as_expected(name):
    found = json.loads(json.dumps(_judged(name), default=str))
    expected = json.loads((SAMPLES / name / "expected.json").read_text(encoding="utf-8"))
    assert found == expected, (
        f"if this is right, it is what expected.json must say:\n{json.dumps(found, indent=2)}"
    )


@pytest.mark.parametrize("name", FILES)
def test_sample_lies_where_its_contract_would_take_it(name):
    contract = read_source(name, kind=FilesContract).contract
    (sample,) = (SAMPLES / name).glob("sample.*")
    key = contract.key_glob.literal_prefix + sample.name
    assert contract.matches(contract.origin.bucket, key)


def test_no_sample_is_left_of_a_contract_that_is_gone():
    assert sorted(path.name for path in SAMPLES.iterdir()) == NAMES
