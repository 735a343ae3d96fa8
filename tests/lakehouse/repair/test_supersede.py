from __future__ import annotations

from lakehouse.contracts.files_contract import Overwrite
from lakehouse.load.ledger import Ledger
from lakehouse.repair.supersede import ACTOR, REASON, supersede
from lakehouse.sources import read_source
from tests.lakehouse.load.doubles import ScriptedEngine, rows_of, written

ADDING = read_source("pgr_events_csv").contract
SUPERSEDING = ADDING.model_copy(update={"overwrite": Overwrite.SUPERSEDE})
FOUND = [
    (f"0k9c00000000000{number}", f"s3://warehouse/staging/pgr_events_{number}.csv", "{}") for number in range(3)
]


def engine_with(*found: tuple[str, str, str]) -> ScriptedEngine:
    empty = rows_of(
        (1, 10, None, None, None, None, None, None, False, False),
        columns=(
            "loads",
            "records_read",
            "first_position",
            "next_position",
            "has_hole",
            "targets",
            "contract",
            "touched",
            "is_begun",
            "is_ended",
        ),
    )
    return ScriptedEngine(
        {
            "repair/superseded_sources.sql": rows_of(*found),
            "repair/unload_range.sql": empty,
            "repair/count_rows.sql": rows_of((0,)),
            "repair/count_rejects.sql": rows_of((0,)),
            "repair/merge_intent.sql": written(1),
            "repair/merge_fence.sql": written(2),
            "repair/delete_rows.sql": written(7),
            "repair/delete_rejects.sql": written(1),
        }
    )


def superseding(engine: ScriptedEngine, contract=SUPERSEDING, **options):
    return supersede(contract, engine=engine, ledger=Ledger(engine=engine, run="tests"), **options)


def test_a_contract_that_adds_has_nothing_taken_out():
    engine = engine_with(*FOUND)
    assert superseding(engine, ADDING).found == ()
    assert engine.executed == []


def test_older_versions_are_taken_out_in_the_contracts_name_and_may_come_back():
    engine = engine_with(FOUND[0])
    report = superseding(engine)
    assert [unload.range.source for unload in report.unloads] == [FOUND[0][1]]
    assert report.unloads[0].reloads_as is not None
    [intent] = engine.asked("repair/merge_intent.sql")
    assert (intent["actor"], intent["reason"], intent["source_id"]) == (ACTOR, REASON, FOUND[0][0])
    assert len(engine.asked("repair/register_again.sql")) == 1


def test_one_call_takes_out_a_bounded_number_and_says_how_many_are_left():
    report = superseding(engine_with(*FOUND), most=2)
    assert (len(report.unloads), report.left) == (2, 1)


def test_a_dry_run_only_finds_them():
    engine = engine_with(*FOUND)
    report = superseding(engine, dry_run=True)
    assert report.found == tuple(source for _, source, _ in FOUND)
    assert (report.unloads, engine.names) == ((), ["repair/superseded_sources.sql"])
