from __future__ import annotations

import io
import secrets

import msgspec
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from feed import (
    Format,
    LocalDirectory,
    Options,
    OtherFeedError,
    StoreError,
    Truth,
    TruthFiles,
    plan_files,
    write_files,
)
from feed.__main__ import main
from feed.storage import object_prefix as module
from feed.storage.object_prefix import ObjectPrefix, object_prefix
from tests.feed.independent_reader import judged

pytestmark = pytest.mark.engine

OPTIONS = Options(events=3_000, seed=9, days=10, bad=0.02, formats=tuple(Format))


@pytest.fixture
def prefix(stack_environment) -> ObjectPrefix:
    """A prefix of its own, emptied in the end."""
    prefix = object_prefix(
        stack_environment["LAKEHOUSE_BUCKET"], f"tests/feed/{secrets.token_hex(4)}/", environment=stack_environment
    )
    yield prefix
    for key in keys_under(prefix):
        prefix.client.delete_object(Bucket=prefix.bucket, Key=prefix.prefix + key)


def keys_under(prefix: ObjectPrefix) -> list[str]:
    listing = prefix.client.list_objects_v2(Bucket=prefix.bucket, Prefix=prefix.prefix)
    return [entry["Key"].removeprefix(prefix.prefix) for entry in listing.get("Contents", ())]


def content(prefix: ObjectPrefix, key: str) -> bytes:
    return prefix.client.get_object(Bucket=prefix.bucket, Key=prefix.prefix + key)["Body"].read()


def unfinished_uploads(prefix: ObjectPrefix) -> list[str]:
    listing = prefix.client.list_multipart_uploads(Bucket=prefix.bucket, Prefix=prefix.prefix)
    return [upload["Key"] for upload in listing.get("Uploads", ())]


def test_the_command_writes_every_format_into_the_bucket_with_the_truth_apart(prefix):
    place = f"s3://{prefix.bucket}/{prefix.prefix}"
    formats = [argument for file_format in Format for argument in ("--format", file_format)]
    result = CliRunner().invoke(main, ["--to", place, "--events", "2000", "--bad", "0.02", "--cases", *formats])

    assert result.exit_code == 0, result.output
    keys = set(keys_under(prefix))
    files = {key for key in keys if not key.startswith("_truth/")}
    assert keys - files == {
        "_truth/pgr_events_20261001.json",
        "_truth/pgr_events_20261001_cases.parquet",
    }
    truth = read_truth_of(prefix)
    assert {file.name for file in truth.files} == files
    for file in truth.files:
        records = judged(content(prefix, file.name), file.name.rsplit(".", 1)[1])
        assert file.counts.records == len(records)
        assert file.counts.good_rows == sum(isinstance(record, dict) for record in records)
    table = pq.read_table(io.BytesIO(content(prefix, "_truth/pgr_events_20261001_cases.parquet")))
    assert table.num_rows == truth.cases.cases


def read_truth_of(prefix: ObjectPrefix) -> Truth:
    return msgspec.json.decode(content(prefix, "_truth/pgr_events_20261001.json"), type=Truth)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250])
def test_an_object_in_parts_is_the_bytes_that_were_written(prefix, monkeypatch, size):
    unit = 60_000
    monkeypatch.setattr(module, "PART_BYTES", 100 * unit)
    written = secrets.token_bytes(size * unit)
    with prefix.new_file("object") as stream:
        for start in range(0, len(written), 7 * unit):
            stream.write(written[start : start + 7 * unit])
        assert stream.tell() == len(written)
        assert keys_under(prefix) == []
    assert content(prefix, "object") == written
    assert unfinished_uploads(prefix) == []


def test_an_interrupted_object_is_not_there_nor_its_parts(prefix, monkeypatch):
    monkeypatch.setattr(module, "PART_BYTES", 5 << 20)

    def write_half() -> None:
        with prefix.new_file("object") as stream:
            stream.write(bytes(12 << 20))
            assert unfinished_uploads(prefix) == [f"{prefix.prefix}object"]
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_half()
    assert keys_under(prefix) == []
    assert unfinished_uploads(prefix) == []


def test_files_of_another_feed_of_these_days_are_not_mixed_with_this_one(prefix):
    with prefix.new_file("pgr_events_20261001_0099.csv") as stream:
        stream.write(b"x")
    with prefix.new_file("pgr_events_20250101_0001.csv") as stream:
        stream.write(b"of other days")
    truth_files = TruthFiles(storage=object_prefix("x", "", environment={"AWS_REGION": "x"}))
    with pytest.raises(OtherFeedError, match=r"holds 1 files .*_0099\.csv"):
        write_files(OPTIONS, prefix, truth_files=truth_files)


def test_a_store_that_refuses_is_told_with_what_to_check(prefix, stack_environment):
    stranger = object_prefix(
        prefix.bucket, prefix.prefix, environment=stack_environment | {"AWS_SECRET_ACCESS_KEY": "guessed"}
    )
    with pytest.raises(StoreError, match=r"put s3://.*AWS_SECRET_ACCESS_KEY"), stranger.new_file("a") as stream:
        stream.write(b"x")
    with pytest.raises(StoreError, match=r"list s3://"):
        stranger.names("pgr_events_")


def test_the_same_feed_is_the_same_bytes_in_a_bucket_as_in_a_directory(prefix, tmp_path):
    storage = LocalDirectory(tmp_path)
    for place in (prefix, storage):
        write_files(OPTIONS, place, truth_files=TruthFiles(storage=LocalDirectory(tmp_path / "truth")))
    for plan in plan_files(OPTIONS):
        assert content(prefix, plan.name) == (tmp_path / plan.name).read_bytes()
