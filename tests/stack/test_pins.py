from __future__ import annotations

import re
from pathlib import Path

import pytest

from stack.errors import UnreadablePinsError
from stack.pins import Artefact, Distribution, read_pins


def test_every_pinned_file_has_a_sha256():
    artefacts = [artefact for distribution in read_pins().values() for artefact in distribution.artefacts]
    assert len(artefacts) > 40
    sums = {artefact.sha256 for artefact in artefacts}
    assert [value for value in sums if not re.fullmatch("[0-9a-f]{64}", value)] == []


def test_trino_is_pinned_with_the_plugins_of_its_catalogs():
    trino = read_pins()["trino"]
    catalogs = (Path(__file__).parents[2] / "stack" / "trino" / "catalog").glob("*.properties")
    connectors = {re.search(r"^connector.name=(\w+)$", path.read_text(), re.MULTILINE)[1] for path in catalogs}
    assert {artefact.name for artefact in trino.artefacts} >= {f"trino-{connector}" for connector in connectors}
    assert {artefact.version for artefact in trino.artefacts} == {trino.version}


def test_kafka_is_pinned_with_its_tools_and_a_log_binding():
    names = {artefact.name for artefact in read_pins()["kafka"].artefacts}
    assert {"kafka_2.13", "kafka-tools", "slf4j-simple"} <= names


def test_no_host_is_named():
    assert "://" not in (Path(__file__).parents[2] / "stack" / "versions.toml").read_text()


def test_directory_name_changes_with_any_checksum():
    one = Distribution("trino", "1", (Artefact("g", "n", "jar", "1", "a" * 64),))
    other = Distribution("trino", "1", (Artefact("g", "n", "jar", "1", "b" * 64),))
    assert one.directory_name != other.directory_name


@pytest.mark.parametrize(
    "text",
    [
        "[trino",
        "[trino]\nversion = '1'\n",
        "[trino]\nversion = '1'\n[trino.artefacts]\n'a:b:c' = 'd'\n",
        "trino = 1\n",
    ],
)
def test_damaged_pins_are_an_error_that_names_the_file(tmp_path, text):
    path = tmp_path / "versions.toml"
    path.write_text(text)
    with pytest.raises(UnreadablePinsError, match=str(path)):
        read_pins(path)
