"""Which room may import which: dags → operators → drain, arrival, repair → load → readers → contracts."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.paths import BRONZE_TABLES
from lakehouse.tables.definition import read_table_definitions

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
LIBRARY = sorted((PLUGINS / "lakehouse").rglob("*.py"))
CODE = sorted(path for room in ("plugins", "dags", "feed", "stack") for path in (ROOT / room).rglob("*.py"))
#: From the bottom up: a module imports its own room and those on the floors below, none beside it.
ROOMS = (
    ("errors", "paths", "identity"),
    ("tables.definition",),
    ("contracts",),
    ("readers",),
    ("settings", "statements"),
    ("engine", "store", "broker"),
    ("tables",),
    ("load",),
    ("compaction",),
    ("sources", "certificate", "maintenance", "engine_check", "drain", "arrival", "repair", "transform"),
    ("watch",),
    ("hooks", "triggers"),
    ("operators",),
    ("ingest_document", "row_insertion"),
    ("dag_factory",),
    ("transform_groups", "parameter_types"),
    ("web", "sql_shell", "preloading", "drain_commands", "repair_commands", "removal_commands", "status_commands"),
    ("cli",),
)
KNOWS_AIRFLOW = ("hooks", "triggers", "operators", "dag_factory", "transform_groups", "web")
#: Each driver has one place where it is called and its errors are translated.
DRIVERS = {
    "trino": {"engine", "hooks.iceberg_trino_hook"},
    "requests": {"engine"},
    "boto3": {"store"},
    "botocore": {"store"},
    "confluent_kafka": {"broker"},
}
#: Several columns in one literal are a list of columns; a pair names a partition or a default.
A_LIST_OF_COLUMNS = 4


def module_of(path: Path) -> str:
    """A module of the library by its name within it; the library itself is empty."""
    parts = path.relative_to(PLUGINS / "lakehouse").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports_of(path: Path) -> Iterator[str]:
    """What a file imports, wherever in it, by full name."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A name that is imported may be a module of its own.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> tuple[int, str]:
    """How far up a module's room is; the most exact name counts."""
    matches = [
        (len(name), floor, name)
        for floor, names in enumerate(ROOMS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    assert matches, f"lakehouse.{module} is in no room: name it in ROOMS, where its imports point down"
    _, floor, name = max(matches)
    return floor, name


def is_in(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("path", LIBRARY, ids=module_of)
def test_imports_point_down(path):
    module = module_of(path)
    if not module:
        # It imports nothing before it is asked (tests/lakehouse/test_names.py).
        return
    floor, room = room_of(module)
    for name in imports_of(path):
        if name.startswith("lakehouse."):
            other_floor, other_room = room_of(name.removeprefix("lakehouse."))
            assert other_room == room or other_floor < floor, f"{room} imports {name}"


@pytest.mark.parametrize("path", LIBRARY, ids=module_of)
def test_only_the_airflow_side_knows_airflow(path):
    if not is_in(module_of(path), KNOWS_AIRFLOW):
        assert [name for name in imports_of(path) if name.split(".")[0] in {"airflow", "cosmos"}] == []


@pytest.mark.parametrize("path", LIBRARY, ids=module_of)
def test_drivers_are_called_where_their_errors_are_translated(path):
    drivers = {name.split(".")[0] for name in imports_of(path)} & set(DRIVERS)
    assert {driver for driver in drivers if module_of(path) not in DRIVERS[driver]} == set()


@pytest.mark.parametrize("room", ["feed", "stack"])
def test_library_knows_nothing_of_what_serves_only_a_clone(room):
    importers = {module_of(path) for path in LIBRARY if room in {name.split(".")[0] for name in imports_of(path)}}
    assert importers == set()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "feed").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_feed_knows_nothing_of_what_it_is_to_prove(path):
    assert {name.split(".")[0] for name in imports_of(path)} & {"lakehouse", "stack", "airflow"} == set()


def test_dags_import_the_library_and_airflow_alone():
    allowed = {"__future__", "airflow", "cosmos", "lakehouse", *sys.stdlib_module_names}
    for path in sorted((ROOT / "dags").glob("*.py")):
        assert {name.split(".")[0] for name in imports_of(path)} <= allowed, path.name


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_named_for_what_is_in_them(path):
    assert {path.stem, *path.relative_to(ROOT).parent.parts}.isdisjoint(
        {"utils", "util", "helpers", "helper", "common", "misc", "tools", "base"}
    )


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_absolute(path):
    assert [node.lineno for node in nodes_of(path) if isinstance(node, ast.ImportFrom) and node.level] == []


@pytest.mark.parametrize("path", LIBRARY, ids=module_of)
def test_columns_of_a_bronze_table_are_listed_in_its_definition_alone(path):
    # A second bronze table is another file in include/sql/tables/bronze, not another branch in the code.
    columns = {name for table in read_table_definitions(BRONZE_TABLES).values() for name in table.column_names}
    for node in nodes_of(path):
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
            texts = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
            assert len(texts & columns) < A_LIST_OF_COLUMNS, f"{path.name}:{node.lineno}"
