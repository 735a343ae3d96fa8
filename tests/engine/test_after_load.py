"""What becomes of objects after their load, and of older versions, on the real store and engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.arrival.after_load import AfterLoading, AfterLoadReport, AfterLoadStep
from lakehouse.load.attempt import Manifest
from lakehouse.load.ledger import Ledger
from lakehouse.load.period import Period
from lakehouse.load.plan import Plan
from lakehouse.repair.originals import missing_original
from lakehouse.repair.supersede import SupersedeReport, supersede
from lakehouse.repair.unload import Unload, UnloadStep, find_ranges
from tests.engine.conftest import BRONZE, Source, event, lines

pytestmark = pytest.mark.engine

ARCHIVE = "after_load: {action: archive, prefix: archive/tests/}\n"


class KilledError(BaseException):
    """The process is gone: nothing is cleaned up."""


def after_load(source: Source, **options) -> AfterLoadReport:
    platform = source.platform
    return AfterLoading(
        source.contract,
        engine=platform.engine,
        store=platform.store,
        ledger=Ledger(engine=platform.engine, run="tests"),
        names=platform.settings.names,
        **options,
    ).run()


def superseded(source: Source, **options) -> SupersedeReport:
    engine = source.platform.engine
    return supersede(source.contract, engine=engine, ledger=Ledger(engine=engine, run="tests"), **options)


def there(source: Source, prefix: str) -> list[str]:
    bucket = source.platform.settings.names.bucket
    found = source.platform.store.list_objects(bucket=bucket, prefix=prefix)
    return [version.key for version in found if source.contract.name in version.key]


def ids_in_bronze(source: Source) -> list[str]:
    return [row[0] for row in source.bronze("entity_id")]


def problems(source: Source) -> set[str]:
    return {account.problems for account in source.accounts()}


def test_loaded_objects_go_to_the_archive_and_those_with_open_rejects_stay(make_source: Callable[..., Source]):
    source = make_source(text=ARCHIVE)
    source.put("a b#ü.jsonl", lines([event(1)]))
    source.put("bad.jsonl", lines([event(number) for number in range(40)]) + "{\n")
    source.load()
    later = source.put("later.jsonl", lines([event(2)])).rpartition("/")[2]
    report = after_load(source)
    assert (report.done, report.held) == (1, 1)
    assert there(source, "tests/") == [f"{source.prefix}bad.jsonl", f"{source.prefix}{later}"]
    [archived] = there(source, "archive/tests/")
    assert archived.endswith(f"{source.prefix}a b#ü.jsonl")
    content = source.platform.store.get(bucket=source.platform.settings.names.bucket, key=archived)
    assert content.decode() == lines([event(1)])
    rows = source.platform.rows(
        "select source, reason, target from iceberg.bronze.ledger where contract = ? and kind = 'archive'",
        source.contract.name,
    )
    bucket = source.platform.settings.names.bucket
    assert rows == [(f"s3://{bucket}/{source.prefix}a b#ü.jsonl", f"as s3://{bucket}/{archived}", None)]
    assert problems(source) == {""}
    # Nothing is loaded twice, and nothing is recorded twice.
    assert [report.sources for report in source.load()] == [1]
    assert after_load(source).done == 1


def test_who_dies_before_the_original_goes_is_finished_by_the_next(make_source: Callable[..., Source]):
    source = make_source(text=ARCHIVE)
    source.put("events.jsonl", lines([event(1)]))
    source.load()

    def die(step: AfterLoadStep) -> None:
        if step is AfterLoadStep.RECORD:
            raise KilledError

    with pytest.raises(KilledError):
        after_load(source, on_step=die)
    assert len(there(source, "tests/")) == len(there(source, "archive/tests/")) == 1
    after_load(source)
    assert there(source, "tests/") == []
    assert len(there(source, "archive/tests/")) == 1
    count = "select count(*) from iceberg.bronze.ledger where contract = ? and kind = 'archive'"
    assert source.platform.rows(count, source.contract.name) == [(1,)]


@pytest.mark.long
def test_an_archived_object_is_put_back_to_be_loaded_again(make_source: Callable[..., Source]):
    source = make_source(text=ARCHIVE)
    uri = source.put("events.jsonl", lines([event(1)]))
    source.load()
    after_load(source)
    platform = source.platform
    ledger = Ledger(engine=platform.engine, run="tests")
    [found] = find_ranges(source.contract.name, target=BRONZE, engine=platform.engine, ledger=ledger, source=uri)
    Unload(engine=platform.engine, ledger=ledger, actor="tester", reason="again").run(found, reload=True)
    [archived] = there(source, "archive/tests/")
    told = missing_original(found, engine=platform.engine, store=platform.store, ledger=ledger)
    assert told is not None
    assert archived in told
    bucket = platform.settings.names.bucket
    copy = platform.store.head(bucket=bucket, key=archived)
    platform.store.copy_version(copy, key=f"{source.prefix}events.jsonl")
    assert [report.rows for report in source.load()] == [1]
    assert missing_original(found, engine=platform.engine, store=platform.store, ledger=ledger) is None
    assert ids_in_bronze(source) == ["PB-PGR-1"]
    assert problems(source) == {""}


def test_objects_are_deleted_when_their_days_are_over_and_never_another_version(
    make_source: Callable[..., Source],
):
    source = make_source(text="after_load: {action: delete, days: 2}\n")
    for name in ("gone.jsonl", "again.jsonl"):
        source.put(name, lines([event(1)]))
    source.load()
    assert after_load(source).waiting == 2

    def put_again(step: AfterLoadStep) -> None:
        if step is AfterLoadStep.RECORD:
            source.put("again.jsonl", lines([event(2)]))

    def in_two_days() -> datetime:
        return datetime.now(UTC) + timedelta(days=2)

    report = after_load(source, clock=in_two_days, on_step=put_again)
    assert (report.done, report.changed) == (1, 1)
    assert there(source, "tests/") == [f"{source.prefix}again.jsonl"]
    assert [report.rows for report in source.load()] == [1]
    assert problems(source) == {""}


def test_loaded_objects_are_tagged_once(make_source: Callable[..., Source]):
    source = make_source(text="after_load: {action: tag}\n")
    source.put("events.jsonl", lines([event(1)]))
    source.load()
    assert after_load(source).done == 1
    assert after_load(source).done == 0
    client = source.platform.store._client
    tags = client.get_object_tagging(
        Bucket=source.platform.settings.names.bucket, Key=f"{source.prefix}events.jsonl"
    )["TagSet"]
    assert tags == [{"Key": "lakehouse", "Value": "loaded"}]


def test_a_newer_version_takes_the_place_of_the_older_ones_also_when_bytes_come_back(
    make_source: Callable[..., Source],
):
    source = make_source(text="overwrite: supersede\n")
    source.put("other.jsonl", lines([event(9)]))
    for number in (1, 2, 1):
        source.put("events.jsonl", lines([event(number)]))
        source.load()
        superseded(source)
        assert ids_in_bronze(source) == [f"PB-PGR-{number}", "PB-PGR-9"]
        assert problems(source) == {""}
    assert superseded(source).found == ()
    rows = source.platform.rows(
        "select kind, actor, reason from iceberg.bronze.ledger where contract = ? and kind = 'unload'",
        source.contract.name,
    )
    assert rows == [("unload", "contract", "the contract says overwrite: supersede")] * 2


def test_the_version_that_took_the_place_of_another_goes_to_the_archive_and_one_that_may_lose_its_own_waits(
    make_source: Callable[..., Source],
):
    source = make_source(text="overwrite: supersede\n" + ARCHIVE)
    for number in (1, 2):
        source.put("events.jsonl", lines([event(number)]))
        source.load()
        superseded(source)
    # The one that was taken out has another id since, for the day it comes again: that makes it no newer.
    report = after_load(source)
    assert (report.done, report.waiting) == (1, 0)

    def go_back(_plan: Plan) -> None:
        source.put("events.jsonl", lines([event(3)]))

    source.put("events.jsonl", lines([event(3)]))
    source.load()
    source.put("events.jsonl", lines([event(4)]))
    # Planned, and its load may be on its way while the version before it is put again.
    source.load(on_planned=go_back)
    report = after_load(source)
    assert (report.done, report.waiting) == (0, 1)
    assert there(source, "tests/") == [f"{source.prefix}events.jsonl"]


@pytest.mark.long
def test_the_older_version_stays_while_the_newer_one_is_refused(make_source: Callable[..., Source]):
    source = make_source(text="overwrite: supersede\n")
    source.put("events.jsonl", lines([event(1)]))
    source.load()
    source.put("events.jsonl", "{\n")
    source.load()
    assert superseded(source).found == ()
    assert ids_in_bronze(source) == ["PB-PGR-1"]


@pytest.mark.long
def test_an_older_version_whose_load_ends_after_that_of_the_newer_does_not_stay(
    make_source: Callable[..., Source],
):
    source = make_source(text="overwrite: supersede\n")
    source.put("events.jsonl", lines([event(1)]))

    def overtake(_staged: Manifest) -> None:
        source.put("events.jsonl", lines([event(2)]))
        source.load()
        assert superseded(source).found == ()

    source.load(on_staged=overtake)
    assert sorted(ids_in_bronze(source)) == ["PB-PGR-1", "PB-PGR-2"]
    assert len(superseded(source).unloads) == 1
    assert ids_in_bronze(source) == ["PB-PGR-2"]
    assert problems(source) == {""}


@pytest.mark.long
@pytest.mark.parametrize("place", [UnloadStep.EMPTY, UnloadStep.REGISTER])
def test_who_dies_while_superseding_is_finished_by_the_next(make_source: Callable[..., Source], place: UnloadStep):
    source = make_source(text="overwrite: supersede\n")
    for number in (1, 2):
        source.put("events.jsonl", lines([event(number)]))
        source.load()

    def die(step: UnloadStep) -> None:
        if step is place:
            raise KilledError

    with pytest.raises(KilledError):
        superseded(source, on_step=die)
    assert "PB-PGR-2" in ids_in_bronze(source)
    assert len(superseded(source).unloads) == 1
    assert ids_in_bronze(source) == ["PB-PGR-2"]
    assert problems(source) == {""}


def test_only_objects_of_a_period_are_loaded(make_source: Callable[..., Source]):
    source = make_source()
    source.put("events.jsonl", lines([event(1)]))
    now = datetime.now(UTC)
    assert source.load(modified=Period(now + timedelta(days=1), None)) == []
    assert source.load(modified=Period(None, now - timedelta(days=1))) == []
    [report] = source.load(modified=Period(now - timedelta(days=1), now + timedelta(days=1)))
    assert report.rows == 1
    assert source.load() == []
