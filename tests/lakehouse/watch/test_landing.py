from __future__ import annotations

from lakehouse.watch.landing import Landing, find_unmatched, landings
from tests.lakehouse.load.doubles import MemoryStore
from tests.lakehouse.watch.doubles import contract_of


def looking_at(name: str, key: str, *, bucket: str = "warehouse"):
    return contract_of(name, **{"from": {"bucket": bucket, "key": key, "format": "csv"}})


def test_a_landing_is_the_folder_that_contracts_look_into_and_none_lies_in_another():
    contracts = [
        looking_at("a", "staging/a_*.csv"),
        looking_at("b", "staging/b/2026/*.csv"),
        looking_at("c", "staging_of_others/c.csv"),
        looking_at("d", "incoming/**", bucket="other"),
    ]
    assert landings(contracts) == (
        Landing("other", "incoming/"),
        Landing("warehouse", "staging/"),
        Landing("warehouse", "staging_of_others/"),
    )


def test_objects_that_no_contract_matches_are_counted_and_some_named():
    contracts = [looking_at("a", "staging/a_*.csv*"), looking_at("b", "staging/b/*.csv")]
    store = MemoryStore()
    for key in ("staging/a_1.csv", "staging/b/1.csv", "staging/", "staging/b/"):
        store.put(b"" if key.endswith("/") else b"x", bucket="warehouse", key=key)
    [landing] = landings(contracts)
    assert find_unmatched(landing, contracts=contracts, store=store).objects == 0
    strays = ["staging/.hidden", "staging/_a", "staging/a 1.csv", "staging/a_1.csv.jsonl", "staging/b/c/1.csv"]
    for key in [*strays, "elsewhere/x.csv"]:
        store.put(b"x", bucket="warehouse", key=key)
    found = find_unmatched(landing, contracts=contracts, store=store)
    assert (found.objects, found.examples, found.since) == (5, tuple(strays[:3]), store.now)


def test_an_empty_object_that_is_no_folder_is_not_passed_over():
    contract = looking_at("a", "staging/a_*.csv")
    store = MemoryStore()
    store.put(b"", bucket="warehouse", key="staging/empty")
    store.put(b"x", bucket="warehouse", key="staging/odd/")
    [landing] = landings([contract])
    assert find_unmatched(landing, contracts=[contract], store=store).objects == 2


def test_what_loads_write_is_no_stray_of_a_contract_that_looks_at_a_whole_bucket():
    contract = looking_at("a", "*.csv")
    store = MemoryStore()
    for key in ("_spool/x/rows/1.parquet", "_staging_metastore/x", "stray"):
        store.put(b"x", bucket="warehouse", key=key)
    [landing] = landings([contract])
    assert find_unmatched(landing, contracts=[contract], store=store).examples == ("stray",)


def test_what_a_contract_archives_is_no_stray_of_the_folder_around_it():
    archiving = contract_of(
        "a",
        **{
            "from": {"bucket": "warehouse", "key": "staging/*.csv", "format": "csv"},
            "after_load": {"action": "archive", "prefix": "staging/old/"},
        },
    )
    store = MemoryStore()
    for key in ("staging/old/1/staging/a.csv", "staging/older"):
        store.put(b"x", bucket="warehouse", key=key)
    [landing] = landings([archiving])
    assert find_unmatched(landing, contracts=[archiving], store=store).examples == ("staging/older",)
