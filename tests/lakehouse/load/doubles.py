"""Stand-ins for engine and store that tests of the load room share."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.engine import Outcome
from lakehouse.errors import ObjectNotFoundError, SourceChangedError
from lakehouse.identity import ObjectVersion
from lakehouse.statements import Statement
from lakehouse.store import ObjectStore
from tests.lakehouse.sql.rendering import bound_names

MOMENT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class StoredObject:
    content: bytes
    last_modified: datetime

    @property
    def etag(self) -> str:
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()


class MemoryStore(ObjectStore):
    """An object store in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], StoredObject] = {}
        self.tags: dict[tuple[str, str], dict[str, str]] = {}
        self.now = MOMENT

    def list_objects(self, *, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
        for key in self.keys_under(prefix, bucket=bucket):
            yield self.head(bucket=bucket, key=key)

    def head(self, *, bucket: str, key: str) -> ObjectVersion:
        stored = self._stored(bucket, key)
        return ObjectVersion(
            bucket=bucket,
            key=key,
            etag=stored.etag,
            size=len(stored.content),
            last_modified=stored.last_modified,
        )

    @contextlib.contextmanager
    def open_version(self, version: ObjectVersion) -> Iterator[BinaryIO]:
        self._require(version)
        yield io.BytesIO(self.get(bucket=version.bucket, key=version.key))

    def get(self, *, bucket: str, key: str) -> bytes:
        return self._stored(bucket, key).content

    def put(self, content: bytes, *, bucket: str, key: str) -> None:
        self.tags.pop((bucket, key), None)
        self.objects[bucket, key] = StoredObject(content=content, last_modified=self.now)

    def put_file(self, path: Path, *, bucket: str, key: str) -> None:
        self.put(path.read_bytes(), bucket=bucket, key=key)

    def delete(self, *, bucket: str, key: str) -> None:
        self.objects.pop((bucket, key), None)

    def copy_version(self, version: ObjectVersion, *, key: str) -> ObjectVersion:
        self._require(version)
        self.put(self.get(bucket=version.bucket, key=version.key), bucket=version.bucket, key=key)
        return self.head(bucket=version.bucket, key=key)

    def delete_version(self, version: ObjectVersion) -> None:
        self._require(version)
        self.delete(bucket=version.bucket, key=version.key)

    def add_tags(self, version: ObjectVersion, tags: Mapping[str, str]) -> None:
        self._stored(version.bucket, version.key)
        self.tags.setdefault((version.bucket, version.key), {}).update(tags)

    def remove_tags(self, version: ObjectVersion, tags: Collection[str]) -> None:
        for tag in tags:
            self.tags[version.bucket, version.key].pop(tag, None)

    def keys_under(self, prefix: str = "", *, bucket: str = "warehouse") -> list[str]:
        return sorted(key for of, key in self.objects if of == bucket and key.startswith(prefix))

    def parquet(self, prefix: str, *, bucket: str = "warehouse") -> list[pa.Table]:
        """The Parquet files under a prefix, in key order."""
        keys = (key for key in self.keys_under(prefix, bucket=bucket) if key.endswith(".parquet"))
        return [pq.read_table(io.BytesIO(self.get(bucket=bucket, key=key))) for key in keys]

    def _require(self, version: ObjectVersion) -> None:
        if self._stored(version.bucket, version.key).etag != version.etag:
            raise SourceChangedError(bucket=version.bucket, key=version.key, etag=version.etag)

    def _stored(self, bucket: str, key: str) -> StoredObject:
        try:
            return self.objects[bucket, key]
        except KeyError:
            raise ObjectNotFoundError(bucket=bucket, key=key) from None


def rows_of(*rows: tuple[Any, ...], columns: tuple[str, ...] = ()) -> Outcome:
    """What a query gives."""
    return Outcome(columns=columns, rows=rows, query_id="query", updated=None)


def written(count: int, *, query_id: str = "query") -> Outcome:
    """What a statement gives that writes rows."""
    return Outcome(columns=(), rows=(), query_id=query_id, updated=count)


Answer = Outcome | Exception | Callable[[Statement], Outcome]


@dataclass
class ScriptedEngine:
    """Answers each statement by its template, and remembers what it was asked.

    :param answers: by template; a list is taken one by one. Statements without an answer give nothing.
    """

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    executed: list[Statement] = field(default_factory=list)

    def execute(self, statement: Statement) -> Outcome:
        self.executed.append(statement)
        answer = self.answers.get(statement.name, rows_of())
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(statement) if callable(answer) else answer

    @property
    def names(self) -> list[str]:
        return [statement.name for statement in self.executed]

    def asked(self, template: str) -> list[Mapping[str, Any]]:
        """What was bound, by name, each time a template was executed."""
        return [named_parameters(statement) for statement in self.executed if statement.name == template]


def named_parameters(statement: Statement) -> dict[str, Any]:
    """The parameters of a statement by the names its template binds; one that is bound twice has one value."""
    named: dict[str, Any] = {}
    for name, value in zip(bound_names(statement.name), statement.parameters, strict=True):
        assert named.setdefault(name, value) == value, f"{statement.name} binds two values as {name}"
    return named
