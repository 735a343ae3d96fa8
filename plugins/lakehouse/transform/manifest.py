"""The graph of the dbt project, as far as Airflow draws it: built once, kept beside the models.

dbt's own manifest is large, differs with every run, and names the engine it was made for. This one holds only what
tasks are made from, in a fixed order, so that it can be kept in the repository and compared.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.paths import DBT_MANIFEST, DBT_PROJECT
from lakehouse.transform.dbt_command import run_dbt
from lakehouse.transform.errors import DbtProjectError, ManifestMissingError

#: What becomes a task.
BUILT_TYPES = frozenset({"model", "seed", "snapshot"})
#: Of a node, what Cosmos and the tasks read.
_NODE_KEYS = (
    "unique_id",
    "resource_type",
    "package_name",
    "original_file_path",
    "fqn",
    "schema",
    "alias",
    "identifier",
    "tags",
    "description",
)
_CONFIG_KEYS = ("materialized", "meta", "tags")


@dataclass(frozen=True)
class Node:
    """A model, seed or snapshot.

    :param table: as ``schema.name``, without the catalog.
    :param data_tests: those its task runs after it, by name.
    :param checksum: of the file of a seed; else empty.
    :param sources: the tables outside the project that it reads, as ``schema.name``.
    """

    unique_id: str
    name: str
    resource_type: str
    layer: str
    table: str
    description: str
    materialized: str
    parents: tuple[str, ...]
    sources: tuple[str, ...]
    data_tests: tuple[str, ...]
    checksum: str = ""


def build_manifest(project: Path = DBT_PROJECT) -> str:
    """The text of the manifest of a dbt project, the same for the same project.

    :raises DbtProjectError: dbt cannot read the project.
    """
    return json.dumps(_reduced(_parse(project)), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_nodes(path: Path = DBT_MANIFEST) -> dict[str, Node]:
    """What becomes a task, by unique id.

    :raises ManifestMissingError: the manifest is not there, or is none.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        sources = {
            unique_id: f"{source['schema']}.{source['identifier']}"
            for unique_id, source in manifest["sources"].items()
        }
        return {unique_id: _node(node, sources) for unique_id, node in manifest["nodes"].items()}
    except FileNotFoundError as error:
        raise ManifestMissingError(path=str(path), problem="is not there") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestMissingError(path=str(path), problem=f"is no manifest of this project ({error})") from error


def _node(node: Mapping[str, Any], sources: Mapping[str, str]) -> Node:
    upstream = node["depends_on"]["nodes"]
    return Node(
        unique_id=node["unique_id"],
        name=node["fqn"][-1],
        resource_type=node["resource_type"],
        layer=node["fqn"][1],
        table=f"{node['schema']}.{node['alias']}",
        description=node["description"],
        materialized=node["config"]["materialized"],
        parents=tuple(name for name in upstream if name not in sources),
        sources=tuple(sources[name] for name in upstream if name in sources),
        data_tests=tuple(node["data_tests"]),
        checksum=node.get("checksum", ""),
    )


def _parse(project: Path) -> dict[str, Any]:
    """What dbt itself makes of the project."""
    with tempfile.TemporaryDirectory() as directory:
        run_dbt(["parse"], project=project, directory=Path(directory))
        manifest: dict[str, Any] = json.loads((Path(directory) / "manifest.json").read_text(encoding="utf-8"))
        return manifest


def _reduced(manifest: Mapping[str, Any]) -> dict[str, Any]:
    nodes = manifest["nodes"]
    built = {name: node for name, node in nodes.items() if node["resource_type"] in BUILT_TYPES}
    tests = assign_tests(
        tests={name: _upstream(node) for name, node in nodes.items() if node["resource_type"] == "test"},
        built={name: _upstream(node) for name, node in built.items()},
    )
    return {
        "metadata": {"project_name": manifest["metadata"]["project_name"]},
        "nodes": {
            name: _kept(node) | {"data_tests": sorted(nodes[test]["name"] for test in tests[name])}
            for name, node in built.items()
        },
        "sources": {name: _kept(source) for name, source in manifest["sources"].items()},
    }


def _kept(node: Mapping[str, Any]) -> dict[str, Any]:
    is_seed = node["resource_type"] == "seed"
    return {
        **{key: node[key] for key in _NODE_KEYS if key in node},
        # Of a model it would be one more reason to build the manifest anew.
        **({"checksum": node["checksum"]["checksum"]} if is_seed else {}),
        "config": {key: node["config"][key] for key in _CONFIG_KEYS if key in node["config"]},
        "depends_on": {"nodes": _upstream(node)},
    }


def _upstream(node: Mapping[str, Any]) -> list[str]:
    # A model that names another twice depends on it once; a seed and a source have no such list.
    return list(dict.fromkeys(node.get("depends_on", {}).get("nodes", [])))


def assign_tests(
    *, tests: Mapping[str, Iterable[str]], built: Mapping[str, Iterable[str]]
) -> dict[str, list[str]]:
    """Which node's task runs each data test: the last of those it looks at, so that all of them are there.

    :param tests: what each test looks at.
    :param built: each model, seed and snapshot, with what it depends on.
    :raises DbtProjectError: a test looks at nodes none of which is built after the others, or at nothing built.
    """
    ancestors = _ancestors(built)
    assigned: dict[str, list[str]] = {name: [] for name in built}
    for test, looked_at in tests.items():
        needed = frozenset(looked_at)
        # A test of sources alone runs with the first model that reads them.
        last = [name for name in built if needed <= ancestors[name] | {name}]
        if not last:
            raise DbtProjectError(
                output=f"no model comes after all that test {test} looks at ({', '.join(sorted(needed))}); "
                "let one of them depend on the others, with `-- depends_on: {{ ref('…') }}`"
            )
        assigned[min(last, key=lambda name: (len(ancestors[name]), name))].append(test)
    return assigned


def _ancestors(built: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}

    def visit(name: str) -> frozenset[str]:
        if name not in found:
            parents = frozenset(built.get(name, ()))
            found[name] = parents.union(*(visit(parent) for parent in parents))
        return found[name]

    for name in built:
        visit(name)
    return found
