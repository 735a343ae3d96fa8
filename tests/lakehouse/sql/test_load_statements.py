"""The conditions that make the merges exactly-once, where a template can break them (docs/adr/0001)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlglot import exp, parse_one

from lakehouse.engine import GUARD_TEXT
from lakehouse.paths import SQL
from lakehouse.statements import identifier, render
from lakehouse.tables.definition import KEY_COLUMNS
from tests.lakehouse.sql.rendering import TABLE, TEMPLATES, rendered

STAGING = "staging.attempts.rows_20261123_090000_0123456789abcdef"
MERGES = [
    "load/merge_rows.sql",
    "load/merge_rejects.sql",
    "load/merge_ledger.sql",
    "plan/register_sources.sql",
    "drain/merge_starts.sql",
    "drain/merge_gap.sql",
    "watch/merge_checks.sql",
    "after_load/merge_done.sql",
]
#: Of facts that may be there twice and say the same.
APPENDS = {"load/insert_refusals.sql"}
#: What somebody has to ask for: they are safe beside the merges (tests/simulation/test_unload.py).
REPAIRS = {
    "repair/delete_case_changes.sql",
    "repair/delete_old_rows_by_hand.sql",
    "repair/delete_person_by_hand.sql",
    "repair/delete_rejects.sql",
    "repair/delete_removed_rejects.sql",
    "repair/delete_removed_rows.sql",
    "repair/delete_rows.sql",
    "repair/merge_fence.sql",
    "repair/insert_removal_by_hand.sql",
    "repair/merge_intent.sql",
    "repair/merge_removal.sql",
    "repair/merge_replay.sql",
    "repair/merge_unload.sql",
    "repair/note_old_rows.sql",
    "repair/note_person.sql",
    "repair/register_again.sql",
}
#: The columns of each target that a merge pins: bounds of a string that is not pinned decide nothing.
PINNED = {
    "load/merge_rows.sql": {"_source_id", "_position"},
    "load/merge_rejects.sql": {"source_id", "record_position"},
    "load/merge_ledger.sql": {"source_id", "first_position", "next_position"},
    "plan/register_sources.sql": {"source_digest"},
    "drain/merge_starts.sql": {"source_id"},
    "drain/merge_gap.sql": {"source_id", "first_position", "next_position"},
    "watch/merge_checks.sql": {"condition_key"},
    "after_load/merge_done.sql": {"source_id"},
}
KEYS = {
    "load/merge_rows.sql": {"_source_id", "_position"},
    "load/merge_rejects.sql": {"source_id", "record_position"},
    "load/merge_ledger.sql": {"source_id"},
    "plan/register_sources.sql": {"source_digest"},
    "drain/merge_starts.sql": {"source_id"},
    "drain/merge_gap.sql": {"source_id"},
    "watch/merge_checks.sql": {"condition_key", "episode", "change", "step", "turn"},
    "after_load/merge_done.sql": {"source_id"},
}
_RANGES = (exp.Between, exp.GT, exp.GTE, exp.LT, exp.LTE)
_DDL = re.compile(r"^(create|drop|alter|comment)\b", re.MULTILINE)
_DDL_ON = re.compile(
    r"^(?:create|drop|alter) (?:table|view|schema) (?:if (?:not )?exists )?\{\{ (\w+) \| identifier \}\}",
    re.MULTILINE,
)


@pytest.fixture
def merge_rows() -> exp.Merge:
    statement = render(
        "load/merge_rows.sql",
        target=TABLE.name,
        staging=STAGING,
        columns=TABLE.column_names,
        statement=0,
        ledger="iceberg.bronze.ledger",
        load_ids="{}",
        ranges="{}",
        ingested_at=None,
        source_from="a",
        source_to="b",
        first=0,
        next=1,
    )
    return parse_one(statement.text, dialect="trino")


def merge_of(template: str) -> exp.Merge:
    statement = parse_one(rendered(template).text, dialect="trino")
    assert isinstance(statement, exp.Merge)
    return statement


def conjuncts(condition: exp.Expression) -> list[exp.Expression]:
    return [part.unnest() for part in condition.flatten()] if isinstance(condition, exp.And) else [condition]


def pinned(conditions: list[exp.Expression], *, table: str) -> set[str]:
    """The columns of a table that stand in a range of parameters, as conditions of their own."""
    return {
        condition.this.name
        for condition in conditions
        if isinstance(condition, _RANGES)
        and isinstance(condition.this, exp.Column)
        and condition.this.table == table
        and all(isinstance(bound, exp.Placeholder) for bound in bounds(condition))
    }


def bounds(condition: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(condition, exp.Between):
        yield condition.args["low"]
        yield condition.args["high"]
    else:
        yield condition.expression


def insert_of(merge: exp.Merge) -> exp.Insert:
    (when,) = merge.args["whens"].expressions
    return when.args["then"]


@pytest.mark.parametrize("template", MERGES)
def test_merge_only_inserts_what_is_not_there(template):
    (when,) = merge_of(template).args["whens"].expressions
    assert when.args["matched"] is False
    assert isinstance(when.args["then"], exp.Insert)
    assert when.args.get("condition") is None


@pytest.mark.parametrize("template", MERGES)
def test_merge_pins_its_target_to_bound_ranges(template):
    merge = merge_of(template)
    assert pinned(conjuncts(merge.args["on"]), table=merge.this.alias) == PINNED[template]


@pytest.mark.parametrize("template", MERGES)
def test_merge_joins_on_its_key(template):
    merge = merge_of(template)
    target, source = merge.this.alias, merge.args["using"].alias
    joined = {
        condition.this.name
        for condition in conjuncts(merge.args["on"])
        if isinstance(condition, exp.EQ)
        and isinstance(condition.expression, exp.Column)
        and (condition.this.table, condition.expression.table) == (target, source)
        and condition.this.name == condition.expression.name
    }
    assert joined == KEYS[template]


def test_rows_are_pinned_to_both_ends_of_sources_and_positions(merge_rows):
    conditions = conjuncts(merge_rows.args["on"])
    assert {
        (type(condition), condition.this.name) for condition in conditions if isinstance(condition, _RANGES)
    } == {(exp.Between, "_source_id"), (exp.GTE, "_position"), (exp.LT, "_position")}


def test_no_partition_column_stands_in_the_condition_of_rows(merge_rows):
    # With one, conflicts are looked for in one partition only, and a row whose date moved doubles.
    columns = {column.name for column in merge_rows.args["on"].find_all(exp.Column)}
    assert columns == {"_source_id", "_position"}
    assert columns.isdisjoint(TABLE.partitioning)


def test_ledger_has_no_load_id_in_its_condition():
    columns = {column.name for column in merge_of("load/merge_ledger.sql").args["on"].find_all(exp.Column)}
    assert "load_id" not in columns
    assert "contract_fingerprint" not in columns


def test_staged_rows_are_pinned_like_their_target(merge_rows):
    # Rows outside the pin would be inserted again on every retry.
    select = merge_rows.args["using"].this
    on = [part for part in conjuncts(merge_rows.args["on"]) if isinstance(part, _RANGES)]
    where = [part for part in conjuncts(select.args["where"].this) if isinstance(part, _RANGES)]
    assert {_without_table(part) for part in where} == {_without_table(part) for part in on}


def test_staged_rejects_are_pinned_like_their_target():
    merge = merge_of("load/merge_rejects.sql")
    on = [part for part in conjuncts(merge.args["on"]) if isinstance(part, _RANGES)]
    where = [part for part in conjuncts(merge.args["using"].this.args["where"].this) if isinstance(part, _RANGES)]
    assert {_without_table(part) for part in where} == {_without_table(part) for part in on}


def guarded(merge: exp.Merge) -> tuple[exp.If, exp.Select]:
    """The guard, and the query that counts rows and positions for it."""
    guard, _unloads = merge.args["using"].this.args["where"].find_all(exp.If, bfs=False)
    (counted,) = (select for select in guard.this.find_all(exp.Select) if select.args.get("group"))
    return guard, counted


def test_guard_refuses_staged_positions_that_are_not_distinct(merge_rows):
    guard, counted = guarded(merge_rows)
    (failure,) = guard.args["false"].find_all(exp.Anonymous)
    assert (failure.name.lower(), failure.expressions[0].name) == ("fail", GUARD_TEXT)
    assert guard.args["true"].sql() == "TRUE"
    assert "(row_count = position_count)" in guard.this.sql("trino")
    assert counted.find(exp.From).this.sql("trino") == identifier(STAGING)
    # A bit for each position of a group of 64.
    assert [key.sql("trino") for key in counted.args["group"].expressions] == ["_source_id", "_position / 64"]


def test_guard_looks_at_the_whole_range_and_not_at_one_statement_of_it(merge_rows):
    _guard, counted = guarded(merge_rows)
    columns = {column.name for column in counted.args["where"].find_all(exp.Column)}
    assert columns == {"_source_id", "_position"}


def test_rows_name_the_same_columns_on_both_sides(merge_rows):
    insert = insert_of(merge_rows)
    named = [column.name for column in insert.this.expressions]
    values = [value.name for value in insert.expression.expressions[:-1]]
    assert named == [*TABLE.column_names, *KEY_COLUMNS]
    # The last one is the time of the load, which no staged row has.
    assert values == named[:-1]
    assert isinstance(insert.expression.expressions[-1], exp.Placeholder)


@pytest.mark.parametrize("template", MERGES)
def test_merge_names_its_columns_as_often_as_it_gives_values(template):
    insert = insert_of(merge_of(template))
    names = [column.name for column in insert.this.expressions]
    assert len(names) == len(set(names)) == len(insert.expression.expressions)


@pytest.mark.parametrize("template", MERGES)
def test_merge_puts_each_column_in_the_place_of_its_name(template):
    insert = insert_of(merge_of(template))
    for name, value in zip(insert.this.expressions, insert.expression.expressions, strict=True):
        if isinstance(value, exp.Column):
            assert value.name == name.name


@pytest.mark.parametrize("template", ["load/merge_rows.sql", "load/merge_rejects.sql", "load/merge_ledger.sql"])
def test_merge_casts_no_staged_column(template):
    # Types are settled where records are judged: a cast that fails in the engine would be silent.
    merge = merge_of(template)
    casts = [cast for cast in merge.args["using"].find_all(exp.Cast, exp.TryCast) if cast.find(exp.Column)]
    guards = [cast for cast in casts if cast.find_ancestor(exp.If)]
    assert casts == guards


@pytest.mark.parametrize("template", ["load/count_bronze.sql", "load/count_open_rejects.sql"])
def test_counts_look_at_the_pinned_range_of_bronze(template):
    select = parse_one(rendered(template).text, dialect="trino")
    scans = [scan for scan in select.find_all(exp.Select) if _reads_target(scan)]
    assert scans
    for scan in scans:
        conditions = conjuncts(scan.args["where"].this)
        assert {part.this.name for part in conditions if isinstance(part, _RANGES)} >= {"_source_id", "_position"}


@pytest.mark.parametrize(
    "template", ["repair/note_old_rows.sql", "repair/note_person.sql", "repair/find_person.sql"]
)
def test_what_a_gap_counts_as_read_is_removed_like_what_a_load_recorded(template):
    # Nobody records these rows a second time: left out, they would stay for ever.
    statement = parse_one(rendered(template).text, dialect="trino")
    [ranges] = [cte for cte in statement.find_all(exp.CTE) if cte.alias == "ranges"]
    [kinds] = [listed for listed in ranges.find_all(exp.In) if listed.this.name == "kind"]
    assert {kind.name for kind in kinds.expressions} == {"load", "gap"}


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("repair/note_old_rows.sql", ("ranges", "islands", "recorded", "replays")),
        ("repair/find_person.sql", ("ranges", "islands", "recorded", "replays", "rejected", "matched")),
    ],
)
def test_what_is_noted_is_what_is_looked_for(template, names):
    def parts(of):
        statement = parse_one(rendered(of).text, dialect="trino")
        return {cte.alias: cte.this.sql(dialect="trino", comments=False) for cte in statement.find_all(exp.CTE)}

    found, noted = parts(template), parts("repair/note_person.sql")
    assert [found[name] for name in names] == [noted[name] for name in names]


@pytest.mark.parametrize("template", [name for name in TEMPLATES if not name.startswith(("tables/", "checks/"))])
def test_only_templates_of_tables_define_tables(template):
    # A staging table belongs to its attempt; `execute` rewrites files and leaves the table as it is.
    source = re.sub(r"^alter table \{\{ \w+ \| identifier \}\} execute \w+", "", _source(template))
    assert set(_DDL_ON.findall(source)) <= {"staging"}
    assert len(_DDL.findall(source)) == len(_DDL_ON.findall(source))


def test_only_the_merge_of_rows_writes_rows_that_carry_a_key():
    writers = {
        template
        for template in TEMPLATES
        if _writes_rows(template)
        and not _is_of_benchmarks(template)
        and re.search(r"insert\s*\([^)]*_source_id", _source(template), re.DOTALL)
    }
    # The fence has keys and nothing else, and goes before anybody can take it for a row (docs/adr/0014).
    assert writers == {"load/merge_rows.sql", "repair/merge_fence.sql"}


def test_nothing_inserts_updates_or_deletes_beside_the_merges():
    writers = {template for template in TEMPLATES if _writes_rows(template) and not _is_of_benchmarks(template)}
    assert writers == {*MERGES, *APPENDS, *REPAIRS}


def _is_of_benchmarks(template: str) -> bool:
    """Benchmarks age throw-away tables, and do it the guide's way."""
    return template.startswith("bench/")


def _writes_rows(template: str) -> bool:
    return (
        re.search(r"^\s*(insert into|update|delete from|merge into|truncate)\b", _source(template), re.MULTILINE)
        is not None
    )


def _source(template: str) -> str:
    return (SQL / template).read_text(encoding="utf-8")


def _reads_target(scan: exp.Select) -> bool:
    source = scan.args.get("from_") or scan.args.get("from")
    return (
        source is not None
        and isinstance(source.this, exp.Table)
        and source.this.name == "some_table"
        and scan.args.get("where") is not None
        and not scan.args.get("joins")
    )


def _without_table(condition: exp.Expression) -> str:
    bare = condition.copy()
    for column in bare.find_all(exp.Column):
        column.set("table", None)
    return bare.sql(dialect="trino")
