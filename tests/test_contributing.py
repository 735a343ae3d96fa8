"""The worked example of CONTRIBUTING is the contract that ships."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from lakehouse.contracts import FilesContract, load_contract
from lakehouse.paths import BRONZE_TABLES
from lakehouse.sources import read_source
from lakehouse.tables.definition import read_table_definitions

CLONE = Path(__file__).resolve().parents[1]
EXAMPLE = "boston_311_csv"


def _block(language: str) -> str:
    found = re.search(rf"^( *)```{language}\n(.*?)^\1```$", _contributing(), re.MULTILINE | re.DOTALL)
    assert found
    return textwrap.dedent(found[2])


def _contributing() -> str:
    return (CLONE / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_contract_of_the_example_judges_as_the_one_that_ships(tmp_path):
    path = tmp_path / f"{EXAMPLE}.yaml"
    path.write_text(_block("yaml"), encoding="utf-8")
    example = load_contract(path, read_table_definitions(BRONZE_TABLES))
    shipped = read_source(EXAMPLE, kind=FilesContract).contract
    assert (example.fingerprint, example.framing) == (shipped.fingerprint, shipped.framing)
    assert example.origin == shipped.origin


def test_rows_of_the_example_are_those_of_the_sample():
    sample = (CLONE / "tests" / "data" / "sources" / EXAMPLE / "sample.csv").read_text(encoding="utf-8")
    assert sample.startswith(_block("csv"))
