"""Writes ``stack/versions.toml``: what the engines are made of, downloaded once to note the checksums."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tomli_w
from jgo.maven import MavenContext
from rich.console import Console

from stack.artefact_cache import download_from_maven, sha256_of
from stack.pins import Artefact

TRINO_PLUGINS = ("hive", "iceberg", "memory", "tpch")
KAFKA_PROGRAMS = ("kafka_2.13", "kafka-tools")
# slf4j-simple of the same line as the slf4j-api Kafka asks for: without a binding a broker logs nothing.
LOG_BINDING = ("org.slf4j", "slf4j-simple")

HEADER = """\
# Every file the local engines are made of, and the SHA-256 it must have. Written by `python -m stack pin`.
# SeaweedFS, Java and Airflow come from PyPI and are pinned in requirements-dev.txt.

"""


def trino_artefacts(version: str) -> list[Artefact]:
    """Return Trino's server and the plugins the stack uses, without checksums."""
    server = Artefact("io.trino", "trino-server-core", "tar.gz", version, "")
    return [server, *(Artefact("io.trino", f"trino-{plugin}", "zip", version, "") for plugin in TRINO_PLUGINS)]


def kafka_artefacts(version: str) -> list[Artefact]:
    """Return the jars of Kafka's broker and command-line tools with all they depend on, without checksums."""
    with tempfile.TemporaryDirectory() as directory:
        context = MavenContext(repo_cache=Path(directory), local_repos=[])
        wanted = [context.create_dependency(f"org.apache.kafka:{name}:{version}") for name in KAFKA_PROGRAMS]
        inputs, transitive = context.resolver.resolve(wanted)
        jars = [Artefact(jar.groupId, jar.artifactId, jar.type, jar.version, "") for jar in (*inputs, *transitive)]
    (slf4j,) = (jar for jar in jars if jar.name == "slf4j-api")
    return sorted([*jars, Artefact(*LOG_BINDING, "jar", slf4j.version, "")])


def write_pins(path: Path, *, trino: str, kafka: str, console: Console) -> None:
    """Pin these versions of Trino and Kafka in a file; DownloadError when something cannot be had."""
    document = {
        "trino": {"version": trino, "artefacts": _checksums(trino_artefacts(trino), console)},
        "kafka": {"version": kafka, "artefacts": _checksums(kafka_artefacts(kafka), console)},
    }
    path.write_text(HEADER + tomli_w.dumps(document), encoding="utf-8")


def _checksums(artefacts: Iterable[Artefact], console: Console) -> dict[str, str]:
    checksums = {}
    with tempfile.TemporaryDirectory() as directory:
        for artefact in artefacts:
            console.print(f"{artefact.coordinate}")
            file = download_from_maven(artefact, Path(directory), _without_progress)
            checksums[artefact.coordinate] = sha256_of(file)
            file.unlink()
    return checksums


@contextmanager
def _without_progress(_filename: str, _size: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None
