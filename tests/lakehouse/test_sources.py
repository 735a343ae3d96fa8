from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.contracts import Contract, ContractError, FilesContract, RowsContract
from lakehouse.errors import OtherKindError, UnknownSourceError
from lakehouse.paths import CONTRACTS
from lakehouse.sources import check_contracts, read_source, usable_sources


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    for name in ("pgr_events_csv", "pgr_events_jsonl"):
        (tmp_path / f"{name}.yaml").write_text((CONTRACTS / f"{name}.yaml").read_text())
    return tmp_path


def names(directory: Path) -> list[str]:
    return [source.contract.name for source in usable_sources(Contract, directory=directory)]


def test_a_source_has_the_definition_of_its_target():
    source = read_source("pgr_events_csv")
    assert source.table.name == source.contract.target
    assert "entity_id" in source.table.column_names


def test_an_unknown_source_names_the_known_ones(contracts: Path):
    with pytest.raises(UnknownSourceError, match="pgr_events_csv, pgr_events_jsonl"):
        read_source("pgr_events_xml", directory=contracts)


def test_a_source_is_read_although_the_contract_of_another_is_wrong(contracts: Path):
    (contracts / "pgr_events_jsonl.yaml").write_text("name: [")
    assert read_source("pgr_events_csv", directory=contracts).contract.name == "pgr_events_csv"
    assert names(contracts) == ["pgr_events_csv"]
    with pytest.raises(ContractError, match=r"pgr_events_jsonl\.yaml:1"):
        check_contracts(directory=contracts)


def test_of_two_sources_that_take_the_same_keys_the_first_goes_on(contracts: Path):
    twin = (contracts / "pgr_events_csv.yaml").read_text().replace("name: pgr_events_csv", "name: pgr_twin")
    (contracts / "pgr_twin.yaml").write_text(twin)
    assert names(contracts) == ["pgr_events_csv", "pgr_events_jsonl"]
    with pytest.raises(ContractError, match="takes some of the same keys"):
        check_contracts(directory=contracts)


def test_sources_of_one_kind_are_told_from_others(contracts: Path):
    text = "name: parking_fines\nkind: rows\ntarget: iceberg.bronze.service_events_raw\n"
    (contracts / "parking_fines.yaml").write_text(text)

    assert [source.contract.name for source in usable_sources(RowsContract, directory=contracts)] == [
        "parking_fines"
    ]
    assert "parking_fines" not in [
        source.contract.name for source in usable_sources(FilesContract, directory=contracts)
    ]
    with pytest.raises(OtherKindError, match=r"parking_fines is of kind rows, not files"):
        read_source("parking_fines", kind=FilesContract, directory=contracts)
