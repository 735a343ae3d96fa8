from __future__ import annotations

from datetime import timedelta

import pytest

from lakehouse.load.plan import Batch, Plan, PlannedSource
from lakehouse.load.plan_store import BatchReference, PlanGoneError, read_batch, store_batches
from lakehouse.maintenance import sweep_attempts
from tests.lakehouse.load.doubles import MOMENT, ScriptedEngine


def batch_of(*keys: str, first_position: int = 0) -> Batch:
    return Batch(
        sources=tuple(
            PlannedSource(
                source_id=f"{number:016d}",
                bucket="warehouse",
                key=key,
                etag="e",
                size=10,
                last_modified=MOMENT,
                first_position=first_position,
            )
            for number, key in enumerate(keys)
        )
    )


@pytest.fixture
def stored(store, names):
    def stored(*batches: Batch) -> tuple[BatchReference, ...]:
        plan = Plan(contract="parking", batches=batches, objects_seen=0, objects_loaded=0, objects_left=0)
        return store_batches(plan, store=store, names=names, clock=lambda: MOMENT)

    return stored


def test_batch_is_read_as_it_was_planned(stored, store, names):
    batches = (batch_of("staging/a.csv", "staging/b.csv"), batch_of("staging/c.csv", first_position=7))
    references = stored(*batches)
    assert tuple(read_batch(reference.key, store=store, names=names) for reference in references) == batches


def test_reference_tells_people_what_the_batch_is(stored):
    one, many = stored(batch_of("staging/2026/a.csv"), batch_of(*[f"k{number}" for number in range(1200)]))
    assert (one.label, one.objects, one.source_bytes) == ("1/2: a.csv", 1, 10)
    assert (many.label, many.objects, many.source_bytes) == ("2/2: 1,200 objects", 1200, 12_000)


def test_labels_of_a_plan_differ_where_keys_end_alike(stored):
    references = stored(batch_of("one/a.csv"), batch_of("two/a.csv"))
    assert len({reference.label for reference in references}) == 2


def test_plans_of_one_moment_do_not_overwrite_each_other(stored, store, names):
    (first,), (second,) = stored(batch_of("a")), stored(batch_of("b"))
    assert read_batch(first.key, store=store, names=names) == batch_of("a")
    assert read_batch(second.key, store=store, names=names) == batch_of("b")


def test_batch_that_was_swept_asks_for_a_new_run(stored, store, names):
    (reference,) = stored(batch_of("a"))
    sweep_attempts(ScriptedEngine(), store=store, names=names, clock=lambda: MOMENT + timedelta(days=2))
    with pytest.raises(PlanGoneError, match="Start a new run") as caught:
        read_batch(reference.key, store=store, names=names)
    assert caught.value.key == reference.key
