"""The dbt project as task groups: one task for each model, with its data tests, drawn by Cosmos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from cosmos import settings as cosmos_settings
from cosmos.airflow.task_group import DbtTaskGroup
from cosmos.config import ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import (
    DbtResourceType,
    ExecutionMode,
    InvocationMode,
    LoadMode,
    TestBehavior,
)

from lakehouse.dag_factory import table_asset
from lakehouse.operators.dbt_build_operator import DbtBuildOperator
from lakehouse.operators.dbt_profile import TrinoConnectionProfile
from lakehouse.operators.lakehouse_operator import TRINO_CONNECTION
from lakehouse.paths import DBT_MANIFEST, DBT_PROJECT
from lakehouse.settings import StorageNames
from lakehouse.transform.manifest import Node, read_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosmos.dbt.graph import DbtNode

_FIRST_LAYER = "silver"
#: Statements that one model may run beside one another.
_THREADS = 2


def layer_group(layer: str) -> DbtTaskGroup:
    """A folder of models as a task group: a task for each model, in the order in which they read one another.

    :param layer: ``silver`` or ``gold``; the seeds come with silver, in one task, as they take no time.
    :raises ManifestMissingError: `make dbt-manifest` has not been run.
    """
    nodes = read_nodes()
    seeds = [node for node in nodes.values() if node.resource_type == "seed"] if layer == _FIRST_LAYER else []
    arguments: dict[str, Any] = {}

    def build(*, node: DbtNode, task_args: dict[str, Any], **place: Any) -> DbtBuildOperator:
        arguments.update(task_args)
        place = {key: place[key] for key in ("dag", "task_group", "task_id")}
        return _build_task([nodes[node.unique_id]], arguments={**task_args, **place})

    group = DbtTaskGroup(
        group_id=layer,
        project_config=ProjectConfig(
            dbt_project_path=DBT_PROJECT,
            manifest_path=DBT_MANIFEST,
            project_name="lakehouse",
            install_dbt_deps=False,
            # Each task works in a directory of its own, whatever a shell's settings say, and nobody reads the
            # artefacts that dbt would write there.
            env_vars={"DBT_TARGET_PATH": "target", "DBT_LOG_PATH": "logs", "DBT_WRITE_JSON": "false"},
        ),
        profile_config=ProfileConfig(
            profile_name="lakehouse",
            target_name="airflow",
            profile_mapping=TrinoConnectionProfile(conn_id=TRINO_CONNECTION, profile_args={"threads": _THREADS}),
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.LOCAL, invocation_mode=InvocationMode.DBT_RUNNER
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.BUILD,
            select=[f"path:models/{layer}"],
            node_converters={DbtResourceType.MODEL: build},
            normalize_task_id=lambda node: node.name,
            # Cosmos would learn them from a run; ours are known before it, and are named as bronze is.
            emit_datasets=False,
        ),
        # Else each task would ask the engine for the tables of every schema, a second for each.
        operator_args={"cache_selected_only": True},
    )
    if seeds:
        first_models = list(group.get_roots())
        seeding = _build_task(seeds, arguments={**arguments, "task_id": "seeds", "task_group": group})
        seeding >> first_models
    return group


def _build_task(nodes: Sequence[Node], *, arguments: dict[str, Any]) -> DbtBuildOperator:
    catalog = StorageNames.from_environment().catalog
    return DbtBuildOperator(
        # Cosmos would keep what dbt has parsed apart for each group; the first task parses it for all.
        **{**arguments, "cache_dir": cosmos_settings.cache_dir / "project"},
        unique_ids=tuple(node.unique_id for node in nodes),
        # The tests of these by name, and no other: dbt would add some that look at what is still to be built.
        select=" ".join(name for node in nodes for name in (node.name, *node.data_tests)),
        indirect_selection="empty",
        full_refresh="{{ params.full_refresh }}",
        inlets=[table_asset(f"{catalog}.{table}") for node in nodes for table in node.sources],
        outlets=[table_asset(f"{catalog}.{node.table}") for node in nodes],
        doc_md="\n\n".join(_document(node) for node in nodes),
        # What a selection leaves out does not hold up what it takes.
        trigger_rule=TriggerRule.NONE_FAILED,
    )


def _document(node: Node) -> str:
    tests = "".join(f"\n- `{name}`" for name in node.data_tests)
    return f"**{node.name}**: {node.description or 'no description'}\n\nData tests:{tests or ' none'}"
