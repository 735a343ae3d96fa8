"""The engines, and the request each must answer before it counts as up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import requests
import trino
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stack.layout import StackLayout
from stack.pins import read_pins

REQUEST_SECONDS = 5


class NotAnsweringError(Exception):
    """An engine did not answer a real request; not shown to users as such, it only says why to wait on."""


def ask_object_store(environment: Mapping[str, str]) -> str:
    """List the bucket; return SeaweedFS's version."""
    client = boto3.client(
        "s3",
        endpoint_url=environment["S3_ENDPOINT"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            connect_timeout=REQUEST_SECONDS,
            read_timeout=REQUEST_SECONDS,
            retries={"total_max_attempts": 1},
            proxies={},
            s3={"addressing_style": "path"},
        ),
    )
    try:
        listing = client.list_objects_v2(Bucket=environment["LAKEHOUSE_BUCKET"], MaxKeys=1)
    except (BotoCoreError, ClientError) as error:
        raise NotAnsweringError(str(error)) from error
    # "SeaweedFS 8000GB 4.48": the middle word is the size of its build.
    return listing["ResponseMetadata"]["HTTPHeaders"].get("server", "").rpartition(" ")[2]


def ask_trino(environment: Mapping[str, str]) -> str:
    """Run queries that need the REST catalog and workers; return Trino's version."""
    server = f"http://{environment['TRINO_HOST']}:{environment['TRINO_PORT']}"
    connection = trino.dbapi.connect(  # type: ignore[no-untyped-call]
        host=environment["TRINO_HOST"],
        port=int(environment["TRINO_PORT"]),
        user=environment["TRINO_USER"],
        source="lakehouse-stack",
        request_timeout=REQUEST_SECONDS,
        max_attempts=1,
    )
    try:
        # A query that comes too early is one more failed query in the log.
        if requests.get(f"{server}/v1/info", timeout=REQUEST_SECONDS).json()["starting"]:
            raise NotAnsweringError("it is still starting")
        cursor = connection.cursor()
        cursor.execute(f"show schemas from {environment['TRINO_CATALOG']}")
        cursor.fetchall()
        # A scan needs workers, which a server that has just started may not have found yet, not even itself.
        cursor.execute("select version(), count(*) from tpch.tiny.region")
        return str(cursor.fetchone()[0])
    except (trino.exceptions.Error, trino.exceptions.HttpError, requests.RequestException) as error:
        raise NotAnsweringError(str(error)) from error
    finally:
        connection.close()


def ask_kafka(environment: Mapping[str, str]) -> str:
    """Ask for the cluster's metadata; return the pinned version, as the protocol has none to tell."""
    client = AdminClient(
        {
            "bootstrap.servers": environment["KAFKA_BOOTSTRAP_SERVERS"],
            "socket.connection.setup.timeout.ms": REQUEST_SECONDS * 1000,
            # Nobody wants a line on stderr for each attempt at a broker that is still starting.
            "log_level": 0,
        }
    )
    try:
        client.list_topics(timeout=REQUEST_SECONDS)
    except KafkaException as error:
        raise NotAnsweringError(str(error)) from error
    return read_pins()["kafka"].version


def ask_airflow(environment: Mapping[str, str]) -> str:
    """Sign in, list DAGs and see that every component is healthy; return Airflow's version."""
    url = environment["AIRFLOW_URL"]
    with requests.Session() as session:
        session.trust_env = False
        try:
            credentials = {"username": environment["AIRFLOW_USER"], "password": environment["AIRFLOW_PASSWORD"]}
            signed_in = session.post(f"{url}/auth/token", json=credentials, timeout=REQUEST_SECONDS)
            signed_in.raise_for_status()
            session.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
            session.get(f"{url}/api/v2/dags", params={"limit": 1}, timeout=REQUEST_SECONDS).raise_for_status()
            health = session.get(f"{url}/api/v2/monitor/health", timeout=REQUEST_SECONDS).json()
            version = session.get(f"{url}/api/v2/version", timeout=REQUEST_SECONDS).json()["version"]
        except (requests.RequestException, KeyError) as error:
            raise NotAnsweringError(str(error)) from error
    unhealthy = sorted(name for name, component in health.items() if component["status"] != "healthy")
    if unhealthy:
        raise NotAnsweringError(f"not healthy yet: {', '.join(unhealthy)}")
    return str(version)


@dataclass(frozen=True)
class Engine:
    """One engine of the stack.

    :param programs: its programs under the supervisor.
    :param port: the setting of the port users know it by.
    :param ask: sends a real request and returns the engine's version; NotAnsweringError when it is not up.
    """

    name: str
    programs: tuple[str, ...]
    port: str
    ask: Callable[[Mapping[str, str]], str]

    def logs(self, layout: StackLayout) -> list[Path]:
        """Return the logs of the engine's programs."""
        return [layout.logs / f"{program}.log" for program in self.programs]


SEAWEEDFS = Engine("SeaweedFS", ("seaweedfs",), "S3_PORT", ask_object_store)
TRINO = Engine("Trino", ("trino",), "TRINO_PORT", ask_trino)
KAFKA = Engine("Kafka", ("kafka",), "KAFKA_PORT", ask_kafka)
AIRFLOW = Engine("Airflow", ("api-server", "scheduler", "dag-processor", "triggerer"), "AIRFLOW_PORT", ask_airflow)
ENGINES = (SEAWEEDFS, TRINO, KAFKA, AIRFLOW)
