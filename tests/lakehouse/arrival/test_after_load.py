from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest

from lakehouse.arrival.after_load import (
    AfterLoading,
    AfterLoadReport,
    AfterLoadStep,
    CopyDiffersError,
    UnconditionalDeleteError,
)
from lakehouse.contracts.after_load import RESERVED_PREFIXES, AfterLoadAction
from lakehouse.contracts.loading import load_contract
from lakehouse.identity import SPOOL_PREFIX, ObjectVersion
from lakehouse.load.ledger import Ledger, naive_utc
from lakehouse.paths import BRONZE_TABLES
from lakehouse.settings import StorageNames
from lakehouse.store import StoreRefusedError
from lakehouse.tables.definition import read_table_definitions
from tests.lakehouse.load.doubles import MOMENT, MemoryStore, ScriptedEngine, rows_of

CONTRACT = """\
name: parking_fines
kind: files
from: {bucket: warehouse, key: "staging/parking_*.jsonl", format: jsonl}
target: iceberg.bronze.service_events_raw
"""
ARCHIVE = "after_load: {action: archive, prefix: archive/}\n"
TAG = "after_load: {action: tag}\n"
DELETE = "after_load: {action: delete, days: 3}\n"
KEY = "staging/parking_1.jsonl"


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


class Platform:
    """A store, and a ledger that has some objects to their end."""

    def __init__(self, tmp_path) -> None:
        self.store = MemoryStore()
        self.engine = ScriptedEngine(
            {
                "plan/source_progress.sql": self._progress,
                "after_load/standing.sql": self._standing,
                "after_load/merge_done.sql": self._record,
            }
        )
        self.loaded: dict[str, ObjectVersion] = {}
        self.unloaded: set[str] = set()
        self.with_open_rejects: set[str] = set()
        self.with_newer: set[str] = set()
        self.recorded: dict[tuple[str, str], dict[str, str]] = {}
        self.now = MOMENT
        self._path = tmp_path / "parking_fines.yaml"

    def put(self, key: str = KEY, content: bytes = b"{}\n") -> ObjectVersion:
        self.store.put(content, bucket="warehouse", key=key)
        return self.store.head(bucket="warehouse", key=key)

    def put_loaded(self, key: str = KEY, content: bytes = b"{}\n") -> ObjectVersion:
        version = self.put(key, content)
        self.loaded[version.digest] = version
        return version

    def run(self, text: str, *, dry_run: bool = False, **options) -> AfterLoadReport:
        self._path.write_text(CONTRACT + text)
        return AfterLoading(
            load_contract(self._path, read_table_definitions(BRONZE_TABLES), environment={}),
            engine=self.engine,
            store=self.store,
            ledger=Ledger(engine=self.engine, run="tests"),
            names=StorageNames(),
            clock=lambda: self.now,
            **options,
        ).run(dry_run=dry_run)

    def there(self, prefix: str = "") -> list[str]:
        return self.store.keys_under(prefix)

    def _progress(self, statement):
        wanted = json.loads(statement.parameters[0])
        return rows_of(
            *(
                (
                    digest,
                    version.proposed_source_id,
                    version.identity,
                    [(0, 1, 1)],
                    "abc",
                    "t",
                    digest in self.unloaded,
                )
                for digest, version in self.loaded.items()
                if digest in wanted
            )
        )

    def _standing(self, statement):
        source_ids = json.loads(statement.parameters[0])
        [kind] = set(statement.parameters) & {"tag", "archive", "delete"}
        return rows_of(
            *(
                (
                    source_id,
                    naive_utc(MOMENT),
                    (source_id, kind) in self.recorded,
                    source_id in self.with_open_rejects,
                    source_id in self.with_newer,
                )
                for source_id in source_ids
            )
        )

    def _record(self, statement):
        done, kind = json.loads(statement.parameters[0]), statement.parameters[3]
        for each in done:
            self.recorded.setdefault((each["source_id"], kind), each)
        return rows_of()


@pytest.fixture
def platform(tmp_path) -> Platform:
    return Platform(tmp_path)


@pytest.fixture
def archived(platform) -> str:
    """Where the object goes."""
    return f"archive/{platform.put_loaded().proposed_source_id}/{KEY}"


def test_an_object_stays_unless_the_contract_says_otherwise(platform):
    platform.put_loaded()
    assert platform.run("") == AfterLoadReport(action=AfterLoadAction.KEEP)
    assert platform.there() == [KEY]
    assert platform.engine.executed == []


def test_a_loaded_object_is_moved_to_the_archive_and_the_ledger_says_where(platform, archived):
    assert platform.run(ARCHIVE).done == 1
    assert platform.there() == [archived]
    [(key, row)] = platform.recorded.items()
    assert key[1] == "archive"
    assert (row["source"], row["reason"]) == (f"s3://warehouse/{KEY}", f"as s3://warehouse/{archived}")


@pytest.mark.parametrize("text", [ARCHIVE, DELETE, TAG])
def test_what_is_not_loaded_to_its_end_is_left_alone(platform, text):
    platform.put()
    platform.now += timedelta(days=10)
    assert platform.run(text).done == 0
    assert platform.there() == [KEY]
    assert platform.store.tags == {}


@pytest.mark.parametrize("text", [ARCHIVE, DELETE])
def test_an_object_with_open_rejects_stays_for_its_replay(platform, text):
    platform.with_open_rejects.add(platform.put_loaded().proposed_source_id)
    platform.now += timedelta(days=10)
    report = platform.run(text)
    assert (report.done, report.held) == (0, 1)
    assert platform.there() == [KEY]


@pytest.mark.parametrize("text", [ARCHIVE, DELETE])
def test_what_was_taken_out_of_bronze_stays(platform, text):
    platform.unloaded.add(platform.put_loaded().digest)
    platform.now += timedelta(days=10)
    assert platform.run(text).done == 0
    assert platform.there() == [KEY]


def test_an_object_is_deleted_when_its_days_after_the_load_are_over(platform):
    platform.put_loaded()
    platform.now += timedelta(days=3, seconds=-1)
    assert platform.run(DELETE).waiting == 1
    assert platform.there() == [KEY]
    platform.now += timedelta(seconds=1)
    assert platform.run(DELETE).done == 1
    assert platform.there() == []


def test_a_tag_is_set_once_and_others_stay(platform):
    version = platform.put_loaded()
    platform.store.add_tags(version, {"of": "others"})
    assert platform.run(TAG).done == 1
    assert platform.store.tags["warehouse", KEY] == {"of": "others", "lakehouse": "loaded"}
    assert platform.run(TAG).done == 0


@pytest.mark.parametrize("text", [ARCHIVE, DELETE])
@pytest.mark.parametrize("place", list(AfterLoadStep))
def test_an_object_that_is_put_again_after_any_step_stays(platform, text, place):
    platform.put_loaded()
    platform.now += timedelta(days=3)

    def put_again(step):
        if step is place and KEY in platform.there():
            platform.put(content=b"other")

    platform.run(text, on_step=put_again)
    if place is not AfterLoadStep.REMOVE:
        assert platform.store.get(bucket="warehouse", key=KEY) == b"other"
    assert platform.run(text).done == 0


def test_a_tag_that_came_to_another_version_is_taken_from_it(platform, monkeypatch):
    platform.put_loaded()
    add_tags = platform.store.add_tags

    def put_again_first(version, tags):
        platform.put(content=b"other")
        add_tags(version, tags)

    monkeypatch.setattr(platform.store, "add_tags", put_again_first)
    report = platform.run(TAG)
    assert (report.done, report.changed) == (0, 1)
    assert platform.store.tags["warehouse", KEY] == {}
    assert platform.recorded == {}


@pytest.mark.parametrize("text", [ARCHIVE, DELETE, TAG])
@pytest.mark.parametrize("place", list(AfterLoadStep))
def test_who_dies_after_any_step_is_finished_by_the_next(platform, text, place):
    version = platform.put_loaded()
    platform.now += timedelta(days=3)

    def die(step):
        if step is place:
            raise KilledError

    if not (text == TAG and place is AfterLoadStep.REMOVE):
        with pytest.raises(KilledError):
            platform.run(text, on_step=die)
    copies = platform.there("archive/")
    assert KEY in platform.there() or copies or text == DELETE
    platform.run(text)
    kind = {ARCHIVE: "archive", DELETE: "delete", TAG: "tag"}[text]
    assert set(platform.recorded) == {(version.proposed_source_id, kind)}
    assert {
        ARCHIVE: platform.there() == [f"archive/{version.proposed_source_id}/{KEY}"],
        DELETE: platform.there() == [],
        TAG: platform.store.tags.get(("warehouse", KEY)) == {"lakehouse": "loaded"},
    }[text]


def test_what_is_taken_out_of_bronze_meanwhile_is_not_removed(platform, archived):
    version = next(iter(platform.loaded.values()))

    def take_out(step):
        if step is AfterLoadStep.RECORD:
            platform.unloaded.add(version.digest)

    report = platform.run(ARCHIVE, on_step=take_out)
    assert (report.done, report.changed) == (0, 1)
    assert platform.there() == sorted([KEY, archived])


@pytest.mark.parametrize("text", [ARCHIVE, DELETE])
def test_a_store_that_deletes_whatever_is_there_is_refused_before_anything_is_done(platform, monkeypatch, text):
    platform.put_loaded()
    platform.now += timedelta(days=3)

    def delete_anyway(version):
        platform.store.delete(bucket=version.bucket, key=version.key)

    monkeypatch.setattr(platform.store, "delete_version", delete_anyway)
    with pytest.raises(UnconditionalDeleteError, match="ignores If-Match"):
        platform.run(text)
    assert platform.there() == [KEY]


def test_the_original_stays_when_its_copy_is_not_the_same(platform, monkeypatch):
    platform.put_loaded(content=b"0123456789")
    copy_version = platform.store.copy_version

    def damage(version, *, key):
        copy_version(version, key=key)
        return platform.put(key, b"012345678x")

    monkeypatch.setattr(platform.store, "copy_version", damage)
    with pytest.raises(CopyDiffersError):
        platform.run(ARCHIVE)
    assert KEY in platform.there()
    assert platform.recorded == {}


def test_what_the_store_does_not_do_for_one_object_it_does_for_the_others(platform, monkeypatch):
    platform.put_loaded("staging/parking_1.jsonl", b"1")
    platform.put_loaded("staging/parking_2.jsonl", b"2")
    add_tags = platform.store.add_tags

    def refuse_one(version, tags):
        if version.key == "staging/parking_1.jsonl":
            raise StoreRefusedError(operation=f"tag {version.uri}", message="BadRequest: more than 10 tags")
        add_tags(version, tags)

    monkeypatch.setattr(platform.store, "add_tags", refuse_one)
    with pytest.raises(StoreRefusedError, match="parking_1"):
        platform.run(TAG)
    [(source_id, _)] = platform.recorded
    assert source_id == platform.store.head(bucket="warehouse", key="staging/parking_2.jsonl").proposed_source_id


@pytest.mark.parametrize("text", [ARCHIVE, TAG])
def test_an_object_stays_while_another_version_may_supersede_it(platform, text):
    platform.with_newer.add(platform.put_loaded().proposed_source_id)
    assert platform.run(text).waiting == 1
    assert platform.there() == [KEY]
    assert platform.recorded == {}


def test_a_call_takes_on_a_bounded_number_and_the_next_the_rest(platform):
    for number in range(5):
        platform.put_loaded(f"staging/parking_{number}.jsonl", str(number).encode())
    report = platform.run(ARCHIVE, most=3)
    assert (report.done, report.left) == (3, 2)
    assert platform.run(ARCHIVE, most=3).done == 2
    assert platform.there("staging/") == []


def test_a_key_that_the_archive_cannot_hold_is_told_and_stays(platform):
    platform.put_loaded(f"staging/parking_{'x' * 990}.jsonl")
    report = platform.run(ARCHIVE)
    assert (report.done, report.unnamed) == (0, 1)
    assert len(platform.there("staging/")) == 1


@pytest.mark.parametrize("text", [DELETE, TAG])
def test_without_an_archive_no_key_is_too_long(platform, text):
    platform.put_loaded(f"staging/parking_{'x' * 990}.jsonl")
    platform.now += timedelta(days=3)
    assert platform.run(text).done == 1


def test_a_copy_with_another_etag_is_compared_byte_by_byte(platform, monkeypatch, archived):
    # As of an original that was written in parts.
    copy_version = platform.store.copy_version

    def copy(version, *, key):
        return replace(copy_version(version, key=key), etag="other")

    monkeypatch.setattr(platform.store, "copy_version", copy)
    monkeypatch.setattr(
        platform.store, "open_version", lambda each: BytesIO(platform.store.get(bucket=each.bucket, key=each.key))
    )
    assert platform.run(ARCHIVE).done == 1
    assert platform.there() == [archived]


def test_a_dry_run_counts_and_does_nothing(platform, archived):
    assert platform.run(ARCHIVE, dry_run=True).done == 1
    assert platform.there() == [KEY]
    assert platform.recorded == {}


def test_versions_of_a_key_do_not_share_a_place_in_the_archive(platform):
    for content in (b"one", b"other"):
        platform.put_loaded(content=content)
        platform.run(ARCHIVE)
    assert len(platform.there("archive/")) == 2


def test_no_archive_lies_where_loads_spool():
    assert SPOOL_PREFIX in RESERVED_PREFIXES
