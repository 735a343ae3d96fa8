from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from feed import Format, Options, Truth, write
from tests.feed.independent_reader import judged, read_content


@dataclass(frozen=True)
class WrittenFeed:
    """A feed on disk, read back with nothing of the generator but its truth."""

    directory: Path
    truth: Truth

    def content(self, name: str) -> bytes:
        return read_content(self.directory / name)


@pytest.fixture(scope="session")
def mixed_feed(tmp_path_factory) -> WrittenFeed:
    """Every format in six files of three tenants, with enough of every plant."""
    options = Options(
        events=12_000,
        seed=7,
        days=20,
        tenants=3,
        duplicates=0.03,
        late=0.02,
        bad=0.02,
        formats=(Format.CSV, Format.JSONL, Format.PARQUET),
        files=6,
    )
    directory = tmp_path_factory.mktemp("mixed_feed")
    return WrittenFeed(directory, write(options, directory, cases=True))


@pytest.fixture(scope="session")
def mixed_records(mixed_feed) -> dict[str, list[dict | str]]:
    """The judged records of each file of `mixed_feed`, in order."""
    return {
        file.name: judged(mixed_feed.content(file.name), file.name.rsplit(".", 1)[1])
        for file in mixed_feed.truth.files
    }


@pytest.fixture(scope="session")
def mixed_rows(mixed_records) -> dict[str, list[dict]]:
    """The accepted rows of each file of `mixed_feed`, in order."""
    return {
        name: [record for record in records if isinstance(record, dict)] for name, records in mixed_records.items()
    }
