from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import ObjectNotFoundError, SourceIdentityError
from lakehouse.identity import ObjectVersion
from lakehouse.load.ledger import Refusal, SourceProgress
from lakehouse.load.period import Period
from lakehouse.load.plan import (
    SHARED_BATCH_OBJECT_BYTES,
    Batch,
    NoObjectPathError,
    NotOfSourceError,
    PlanLimits,
    PlannedSource,
    cut,
    key_of,
    loaded_objects,
    plan_files,
    remaining,
)
from tests.lakehouse.load.doubles import MOMENT, MemoryStore


class MemoryLedger:
    """Registry and progress in memory."""

    def __init__(self) -> None:
        self.known: dict[str, SourceProgress] = {}
        self.registered: list[str] = []
        self.refusals: dict[tuple[str, str], Refusal] = {}
        self.source_ids: dict[str, str] = {}

    def refused(self, source_ids, *, terms):
        return {
            source_id: self.refusals[source_id, terms]
            for source_id in source_ids
            if (source_id, terms) in self.refusals
        }

    def refuse(self, version: ObjectVersion, *, terms: str) -> Refusal:
        refusal = Refusal(
            source_id=version.proposed_source_id,
            source=version.uri,
            refused_as="DamagedFileError",
            message="The file is damaged.",
            refused_at=MOMENT,
        )
        self.refusals[version.proposed_source_id, terms] = refusal
        return refusal

    def progress(self, digests):
        return {digest: self.known[digest] for digest in digests if digest in self.known}

    def register(self, identities, *, contract, are_new):
        assert are_new == all(identity.digest not in self.known for identity in identities)
        for identity in identities:
            if identity.digest not in self.known:
                self.record(identity, next_position=0, is_complete=False)
                self.registered.append(contract)
        return self.progress([identity.digest for identity in identities])

    def record(self, version: ObjectVersion, *, next_position: int, is_complete: bool, identity: str = "") -> None:
        self.known[version.digest] = SourceProgress(
            source_id=self.source_ids.get(version.digest, version.proposed_source_id),
            identity=identity or version.identity,
            next_position=next_position,
            is_complete=is_complete,
            framing_mark="abc" if next_position else "",
            target="iceberg.bronze.other" if next_position else "",
        )


def planned(number: int, *, size: int = 1) -> PlannedSource:
    return PlannedSource(
        source_id=f"{number:016d}",
        bucket="warehouse",
        key=f"staging/parking_{number}.jsonl",
        etag=str(number),
        size=size,
        last_modified=MOMENT,
        first_position=0,
    )


sizes = st.lists(st.integers(0, SHARED_BATCH_OBJECT_BYTES * 2) | st.integers(0, 1000), max_size=40)
small_and_large = st.lists(st.sampled_from([1, SHARED_BATCH_OBJECT_BYTES + 1]), max_size=10)
orders = st.randoms(use_true_random=False)


class TestCut:
    @given(sizes, orders, st.integers(1, SHARED_BATCH_OBJECT_BYTES * 2), st.integers(1, 7))
    def test_batches_are_contiguous_runs_of_sorted_ids_with_each_source_once(self, sizes, order, budget, most):
        sources = [planned(number, size=size) for number, size in enumerate(sizes)]
        shuffled = sources.copy()
        order.shuffle(shuffled)
        batches = list(cut(shuffled, batch_bytes=budget, limits=PlanLimits(objects_per_batch=most)))
        assert [source for batch in batches for source in batch.sources] == sources
        assert all(batch.sources for batch in batches)

    @given(sizes, st.integers(1, SHARED_BATCH_OBJECT_BYTES * 2), st.integers(1, 7))
    def test_batches_keep_their_limits(self, sizes, budget, most):
        sources = [planned(number, size=size) for number, size in enumerate(sizes)]
        for batch in cut(sources, batch_bytes=budget, limits=PlanLimits(objects_per_batch=most)):
            assert len(batch.sources) <= most
            assert batch.source_bytes <= budget or len(batch.sources) == 1

    @given(small_and_large)
    def test_large_object_is_a_batch_of_its_own_between_its_neighbours(self, sizes):
        sources = [planned(number, size=size) for number, size in enumerate(sizes)]
        batches = list(cut(sources, batch_bytes=10**12, limits=PlanLimits()))
        assert [source for batch in batches for source in batch.sources] == sources
        for batch in batches:
            if any(source.size > SHARED_BATCH_OBJECT_BYTES for source in batch.sources):
                assert len(batch.sources) == 1

    def test_neighbours_share_a_batch(self):
        # Or a thousand small objects would be a thousand commits.
        sources = [planned(number, size=10) for number in range(25)]
        batches = list(cut(sources, batch_bytes=100, limits=PlanLimits()))
        assert [len(batch.sources) for batch in batches] == [10, 10, 5]


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def put(store: MemoryStore):
    def put(key: str, content: bytes = b"{}\n") -> ObjectVersion:
        store.put(content, bucket="warehouse", key=key)
        return store.head(bucket="warehouse", key=key)

    return put


@pytest.fixture
def plan(contract, store, ledger):
    def plan(**arguments):
        return plan_files(contract, store=store, ledger=ledger, **arguments)

    return plan


def keys(plan) -> list[str]:
    return sorted(source.key for batch in plan.batches for source in batch.sources)


class TestPlanFiles:
    def test_plan_is_what_is_listed_and_matches_and_is_not_loaded(self, plan, put, ledger):
        put("staging/parking_1.jsonl")
        put("staging/other_1.jsonl")
        put("staging/parking_old/parking_2.jsonl")
        put("elsewhere/parking_3.jsonl")
        ledger.record(put("staging/parking_4.jsonl", b"4"), next_position=7, is_complete=True)
        found = plan()
        assert keys(found) == ["staging/parking_1.jsonl"]
        assert (found.objects_seen, found.objects_loaded, found.objects_left, found.objects_planned) == (
            2,
            1,
            0,
            1,
        )

    def test_another_version_of_a_loaded_object_is_planned(self, plan, put, ledger):
        ledger.record(put("staging/parking_1.jsonl", b"old"), next_position=1, is_complete=True)
        version = put("staging/parking_1.jsonl", b"new")
        (source,) = plan().batches[0].sources
        assert source.version == version
        assert source.identity == version

    def test_same_bytes_put_again_on_another_day_are_loaded_already(self, plan, put, ledger, store):
        ledger.record(put("staging/parking_1.jsonl"), next_position=1, is_complete=True)
        store.now += timedelta(days=3)
        put("staging/parking_1.jsonl")
        assert plan().batches == ()

    def test_same_bytes_put_again_in_the_middle_keep_the_id_of_their_source(self, plan, put, ledger, store):
        first = put("staging/parking_1.jsonl")
        ledger.record(first, next_position=0, is_complete=False)
        store.now += timedelta(days=3)
        again = put("staging/parking_1.jsonl")
        assert again.proposed_source_id != first.proposed_source_id
        (source,) = plan().batches[0].sources
        assert source.source_id == first.proposed_source_id

    def test_source_that_was_begun_goes_on_where_the_ledger_ends(self, plan, put, ledger):
        ledger.record(put("staging/parking_1.jsonl"), next_position=500, is_complete=False)
        (source,) = plan().batches[0].sources
        assert source.first_position == 500
        assert (source.begun_framing, source.begun_target) == ("abc", "iceberg.bronze.other")

    @pytest.mark.parametrize("is_complete", [True, False])
    def test_object_with_the_digest_of_another_is_not_taken_for_it(self, plan, put, ledger, is_complete):
        version = put("staging/parking_1.jsonl")
        ledger.record(version, next_position=1, is_complete=is_complete, identity="theirs")
        with pytest.raises(SourceIdentityError):
            plan()

    def test_known_sources_are_not_registered_again(self, plan, put, ledger):
        ledger.record(put("staging/parking_1.jsonl"), next_position=500, is_complete=False)
        plan()
        assert ledger.registered == []

    def test_new_sources_are_registered_under_their_contract(self, plan, put, ledger):
        version = put("staging/parking_1.jsonl")
        plan()
        assert list(ledger.known) == [version.digest]
        assert ledger.registered == ["parking_fines"]

    def test_dry_run_registers_nothing_and_plans_the_same(self, plan, put, ledger):
        for number in range(3):
            put(f"staging/parking_{number}.jsonl", str(number).encode())
        dry = plan(register=False)
        assert ledger.known == {}
        assert dry == plan()

    def test_objects_beyond_the_limit_are_left_for_the_next_plan(self, plan, put):
        for number in range(5):
            put(f"staging/parking_{number}.jsonl", str(number).encode())
        found = plan(limits=PlanLimits(objects=3))
        assert (found.objects_planned, found.objects_left, found.objects_seen) == (3, 2, 5)

    def test_objects_beyond_the_limit_are_not_registered(self, plan, put, ledger):
        for number in range(5):
            put(f"staging/parking_{number}.jsonl", str(number).encode())
        plan(limits=PlanLimits(objects=3))
        assert len(ledger.known) == 3

    def test_batches_beyond_the_limit_are_left_for_the_next_plan(self, plan, put):
        for number in range(5):
            put(f"staging/parking_{number}.jsonl", str(number).encode())
        found = plan(limits=PlanLimits(batches=2, objects_per_batch=2))
        assert [len(batch.sources) for batch in found.batches] == [2, 2]
        assert (found.objects_planned, found.objects_left) == (4, 1)

    def test_loaded_objects_do_not_use_up_the_limit(self, plan, put, ledger):
        for number in range(5):
            version = put(f"staging/parking_{number}.jsonl", str(number).encode())
            if number < 3:
                ledger.record(version, next_position=1, is_complete=True)
        assert plan(limits=PlanLimits(objects=2)).objects_left == 0

    def test_more_objects_than_are_looked_up_at_once_are_all_planned(self, plan, put, monkeypatch):
        monkeypatch.setattr("lakehouse.load.plan._LOOKUP", 2)
        for number in range(5):
            put(f"staging/parking_{number}.jsonl", str(number).encode())
        assert plan().objects_planned == 5

    def test_batches_are_cut_by_the_bytes_of_the_contract(self, contract_with, store, ledger, put):
        for number in range(4):
            put(f"staging/parking_{number}.jsonl", b"0123456789")
        found = plan_files(contract_with("batch: {bytes: 20}\n"), store=store, ledger=ledger)
        assert [batch.source_bytes for batch in found.batches] == [20, 20]

    def test_nothing_there_is_no_error(self, plan):
        found = plan()
        assert (found.batches, found.objects_seen) == ((), 0)


class TestLookingAgain:
    @pytest.fixture
    def comes_meanwhile(self, ledger, put, monkeypatch):
        """Has an object come while those of the first look are registered."""

        def comes_meanwhile(key: str, content: bytes = b"{}\n") -> None:
            register = ledger.register

            def register_slowly(identities, *, contract, are_new):
                put(key, content)
                return register(identities, contract=contract, are_new=are_new)

            monkeypatch.setattr(ledger, "register", register_slowly)

        return comes_meanwhile

    def test_what_comes_while_the_plan_works_is_planned_with_what_was_there(self, plan, put, comes_meanwhile):
        put("staging/parking_2.jsonl")
        # Before the other one: whoever goes on behind the last key would not find it.
        comes_meanwhile("staging/parking_1.jsonl")
        found = plan()
        assert keys(found) == ["staging/parking_1.jsonl", "staging/parking_2.jsonl"]
        assert (found.objects_planned, found.objects_seen) == (2, 2)

    def test_what_was_loaded_or_refused_is_counted_once(self, plan, put, ledger, contract, comes_meanwhile):
        ledger.record(put("staging/parking_1.jsonl", b"1"), next_position=1, is_complete=True)
        bad = put("staging/parking_2.jsonl", b"bad")
        ledger.record(bad, next_position=0, is_complete=False)
        ledger.refuse(bad, terms=contract.terms)
        put("staging/parking_3.jsonl", b"3")
        comes_meanwhile("staging/parking_4.jsonl")
        found = plan()
        assert (found.objects_loaded, len(found.refused)) == (1, 1)
        assert (found.objects_planned, found.objects_seen) == (2, 4)

    def test_what_comes_meanwhile_does_not_go_beyond_the_limit(self, plan, put, comes_meanwhile):
        put("staging/parking_1.jsonl", b"1")
        put("staging/parking_2.jsonl", b"2")
        comes_meanwhile("staging/parking_3.jsonl")
        found = plan(limits=PlanLimits(objects=2))
        assert (found.objects_planned, found.objects_left, found.objects_seen) == (2, 1, 3)

    def test_a_key_that_somebody_asked_for_may_be_gone_by_the_end(self, plan, put, ledger, store, monkeypatch):
        put("staging/parking_1.jsonl")
        register = ledger.register

        def register_slowly(identities, *, contract, are_new):
            store.delete(bucket="warehouse", key="staging/parking_1.jsonl")
            return register(identities, contract=contract, are_new=are_new)

        monkeypatch.setattr(ledger, "register", register_slowly)
        assert plan(pattern="staging/parking_1.jsonl").objects_planned == 1

    def test_where_nothing_is_to_be_done_the_store_is_listed_once(self, plan, put, ledger, store, monkeypatch):
        ledger.record(put("staging/parking_1.jsonl"), next_position=1, is_complete=True)
        listed = mock.Mock(side_effect=store.list_objects)
        monkeypatch.setattr(store, "list_objects", listed)
        plan()
        assert listed.call_count == 1


class TestRefused:
    @pytest.fixture
    def refused(self, put, ledger, contract):
        version = put("staging/parking_1.jsonl", b"bad")
        ledger.record(version, next_position=0, is_complete=False)
        return ledger.refuse(version, terms=contract.terms)

    def test_what_was_refused_is_named_and_not_planned_again(self, plan, put, refused):
        put("staging/parking_2.jsonl")
        found = plan()
        assert keys(found) == ["staging/parking_2.jsonl"]
        assert found.refused == (refused,)
        assert (found.objects_seen, found.objects_loaded, found.objects_left) == (2, 0, 0)

    @pytest.mark.parametrize("pattern", ["staging/parking_1.jsonl", "staging/parking_*.jsonl"])
    def test_who_asks_for_it_has_it_tried_again(self, plan, refused, pattern):
        found = plan(pattern=pattern)
        assert keys(found) == ["staging/parking_1.jsonl"]
        assert found.refused == ()

    @pytest.mark.parametrize(
        "changed", ["reject_budget: {share: 0.5}\n", "unknown_columns: reject\n"], ids=["budget", "judging"]
    )
    def test_another_contract_has_it_tried_again(self, contract_with, store, ledger, refused, changed):
        found = plan_files(contract_with(changed), store=store, ledger=ledger)
        assert keys(found) == ["staging/parking_1.jsonl"]

    def test_what_says_nothing_of_a_file_does_not_have_it_tried_again(self, contract_with, store, ledger, refused):
        changed = contract_with('owner: somebody else\nschedule: "0 * * * *"\n')
        assert plan_files(changed, store=store, ledger=ledger).refused == (refused,)

    def test_another_version_of_it_is_planned(self, plan, put, refused):
        put("staging/parking_1.jsonl", b"good")
        found = plan()
        assert keys(found) == ["staging/parking_1.jsonl"]
        assert found.refused == ()

    def test_what_was_refused_does_not_use_up_the_limit(self, plan, put, refused):
        put("staging/parking_2.jsonl")
        assert plan(limits=PlanLimits(objects=1)).objects_left == 0


class TestModified:
    @pytest.fixture
    def put_days_apart(self, put, store):
        for number in range(4):
            put(f"staging/parking_{number}.jsonl", str(number).encode())
            store.now += timedelta(days=1)

    @pytest.mark.parametrize(
        ("begin", "end", "numbers"),
        [(1, 3, [1, 2]), (None, 1, [0]), (3, None, [3]), (None, None, [0, 1, 2, 3]), (9, None, [])],
    )
    def test_only_objects_of_the_period_are_planned_its_end_not(self, plan, put_days_apart, begin, end, numbers):
        def day(number):
            return None if number is None else MOMENT + timedelta(days=number)

        found = plan(modified=Period(day(begin), day(end)))
        assert keys(found) == [f"staging/parking_{number}.jsonl" for number in numbers]
        assert found.objects_seen == len(numbers)

    def test_what_of_it_is_loaded_is_not_planned_again(self, plan, put, ledger):
        ledger.record(put("staging/parking_1.jsonl"), next_position=1, is_complete=True)
        assert plan(modified=Period(MOMENT, None)).batches == ()

    def test_what_of_it_was_refused_is_tried_again(self, plan, put, ledger, contract):
        version = put("staging/parking_1.jsonl", b"bad")
        ledger.record(version, next_position=0, is_complete=False)
        ledger.refuse(version, terms=contract.terms)
        assert keys(plan(modified=Period(MOMENT, None))) == ["staging/parking_1.jsonl"]


class TestLoadedObjects:
    def test_they_are_the_versions_that_are_there_and_recorded_to_their_end(self, contract, put, store, ledger):
        ledger.record(put("staging/parking_1.jsonl", b"old"), next_position=1, is_complete=True)
        put("staging/parking_1.jsonl", b"new")
        ledger.record(put("staging/parking_2.jsonl", b"half"), next_position=1, is_complete=False)
        loaded = put("staging/parking_3.jsonl", b"whole")
        ledger.record(loaded, next_position=1, is_complete=True)
        assert list(loaded_objects(contract, store=store, ledger=ledger)) == [{loaded.proposed_source_id: loaded}]


class TestPattern:
    @pytest.mark.parametrize("prefix", ["", "s3://warehouse/"])
    def test_literal_key_narrows_the_plan(self, plan, put, prefix):
        put("staging/parking_1.jsonl", b"1")
        put("staging/parking_10.jsonl", b"10")
        assert keys(plan(pattern=f"{prefix}staging/parking_1.jsonl")) == ["staging/parking_1.jsonl"]

    def test_glob_narrows_the_plan_within_the_contract(self, plan, put):
        for key in ("staging/parking_1.jsonl", "staging/parking_2.jsonl", "staging/water_1.jsonl"):
            put(key, key.encode())
        assert keys(plan(pattern="staging/*_1.jsonl")) == ["staging/parking_1.jsonl"]

    def test_literal_key_that_is_missing_is_named(self, plan, put):
        put("staging/parking_10.jsonl")
        with pytest.raises(ObjectNotFoundError) as caught:
            plan(pattern="staging/parking_1.jsonl")
        assert (caught.value.bucket, caught.value.key) == ("warehouse", "staging/parking_1.jsonl")

    def test_glob_that_finds_nothing_is_no_error(self, plan):
        assert plan(pattern="staging/parking_9*.jsonl").batches == ()

    def test_key_of_another_source_is_refused(self, plan, put):
        put("staging/water_1.jsonl")
        with pytest.raises(NotOfSourceError, match="parking_fines, which takes s3://warehouse/staging/parking_"):
            plan(pattern="staging/water_1.jsonl")

    def test_key_of_another_bucket_is_refused(self, contract):
        with pytest.raises(NotOfSourceError, match=r"s3://elsewhere/staging/parking_1\.jsonl"):
            key_of("s3://elsewhere/staging/parking_1.jsonl", contract=contract)

    @pytest.mark.parametrize(
        ("typed", "key"),
        [
            ("staging/a.jsonl", "staging/a.jsonl"),
            ("s3://warehouse/staging/a.jsonl", "staging/a.jsonl"),
            ("s3://warehouse/staging/*.jsonl", "staging/*.jsonl"),
            ("s3://warehouse/", ""),
            ("staging/at 10:30.jsonl", "staging/at 10:30.jsonl"),
            ("staging/a?b://c.jsonl", "staging/a?b://c.jsonl"),
        ],
    )
    def test_pattern_may_be_a_uri_or_a_key(self, contract, typed, key):
        assert key_of(typed, contract=contract) == key

    @pytest.mark.parametrize(
        "typed",
        [
            "file:///staging/parking_1.jsonl",
            "/staging/parking_1.jsonl",
            "/staging/*.jsonl",
            "s3a://warehouse/staging/parking_1.jsonl",
            "S3://warehouse/staging/parking_1.jsonl",
            "https://s3.amazonaws.com/warehouse/staging/parking_1.jsonl",
            "hdfs://warehouse/staging/*.jsonl",
            r"C:\staging\parking_1.jsonl",
        ],
    )
    def test_what_is_no_path_of_the_store_is_refused_and_told_what_paths_are(self, plan, typed):
        with pytest.raises(NoObjectPathError) as caught:
            plan(pattern=typed)
        assert typed in str(caught.value)
        assert "s3://bucket/key" in str(caught.value)
        assert "s3://warehouse/staging/parking_*.jsonl" in str(caught.value)

    def test_object_that_is_not_there_is_named_with_its_bucket_and_key(self, plan):
        with pytest.raises(ObjectNotFoundError) as caught:
            plan(pattern="staging/parking_404.jsonl")
        assert (caught.value.bucket, caught.value.key) == ("warehouse", "staging/parking_404.jsonl")
        assert "s3://warehouse/staging/parking_404.jsonl" in str(caught.value)
        assert "paths are s3://bucket/key" in str(caught.value)


class TestRemaining:
    def test_sources_that_other_runs_loaded_are_gone(self, ledger):
        batch = Batch(sources=(planned(0), planned(1), planned(2)))
        ledger.source_ids[planned(2).version.digest] = planned(2).source_id
        ledger.record(planned(1).version, next_position=9, is_complete=True)
        ledger.record(planned(2).version, next_position=0, is_complete=False)
        assert remaining(batch, ledger=ledger) == Batch(sources=(planned(0), planned(2)))

    def test_source_that_another_run_began_goes_on_where_the_ledger_ends(self, ledger):
        ledger.record(planned(1).version, next_position=9, is_complete=False)
        batch = remaining(Batch(sources=(planned(0), planned(1))), ledger=ledger)
        assert [source.first_position for source in batch.sources] == [0, 9]
        assert [source.begun_framing for source in batch.sources] == ["", "abc"]
