from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from lakehouse.contracts import FilesContract
from lakehouse.sources import check_contracts, read_source, usable_sources
from stack import day_source
from stack.day_source import PREFIX, SOURCE, DayFile, contract_in_place, correct_contract

FILE = DayFile(f"{PREFIX}1_wards.jsonl", "demo.day-1", complaints=5, without_ward=2, broken_lines=1)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(day_source, "CONTRACTS", tmp_path)
    return tmp_path


def contract_in(directory: Path) -> FilesContract:
    return read_source(SOURCE, kind=FilesContract, directory=directory).contract


def test_the_contract_is_right_takes_the_files_and_is_watched(directory: Path):
    with contract_in_place():
        check_contracts(directory=directory)
        contract = contract_in(directory)
        assert contract.is_watched
        assert contract.matches("warehouse", FILE.key)
        assert contract.matches("warehouse", f"{FILE.key}.gz")


def test_no_other_source_of_the_project_takes_the_files():
    # A day may be lived beside this test.
    others = [source.contract for source in usable_sources(FilesContract) if source.contract.name != SOURCE]
    assert [other.name for other in others if other.matches(other.origin.bucket, FILE.key)] == []


def test_the_corrected_contract_lets_records_be_without_a_ward(directory: Path):
    with contract_in_place():
        assert contract_in(directory).columns["ward_id"].required
        correct_contract()
        assert not contract_in(directory).columns["ward_id"].required


def test_the_contract_goes_whatever_happens(directory: Path):
    with pytest.raises(RuntimeError), contract_in_place():
        raise RuntimeError
    assert list(directory.iterdir()) == []


def test_a_file_has_the_records_that_are_counted_of_it():
    lines = FILE.content().decode().splitlines()
    assert (len(lines), FILE.records, FILE.rows) == (6, 6, 5)
    events = [json.loads(line) for line in lines[:-1]]
    assert [event.get("ward_id") is None for event in events] == [True, True, False, False, False]
    assert len({event["entity_id"] for event in events}) == 5
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[-1])


def test_each_complaint_of_a_resolved_file_has_two_events():
    file = DayFile(f"{PREFIX}1_good.jsonl", "demo.day-1", complaints=3, is_resolved=True)
    events = [json.loads(line) for line in file.content().splitlines()]
    assert file.rows == len(events) == 6
    assert len({event["attributes_json"]["event_id"] for event in events}) == 6
    assert len({event["entity_id"] for event in events}) == 3


def test_a_damaged_file_is_half_of_the_whole_one():
    file = DayFile(f"{PREFIX}1_damaged.jsonl.gz", "demo.day-1", complaints=3)
    assert len(gzip.decompress(file.content()).splitlines()) == 3
    with pytest.raises(EOFError):
        gzip.decompress(file.content(is_damaged=True))
