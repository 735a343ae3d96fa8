"""The object store: list, read one pinned version, put, delete. S3 errors are translated here and nowhere else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserFactory
from botocore.utils import parse_timestamp
from urllib3.exceptions import HTTPError

from lakehouse.errors import (
    LakehouseError,
    ObjectNotFoundError,
    SourceChangedError,
    StoreUnavailableError,
    TerminalError,
)
from lakehouse.identity import ObjectVersion
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
_CHANGED = frozenset({"412", "PreconditionFailed"})
#: A copy in one request may be too slow for the time that one has; S3 allows 5 GB.
_COPIED_AT_ONCE = 1024**3
#: A store answers so to a request that it would not take again either, but for these: too slow, too many, too
#: early, lost to another at this moment.
_CLIENT_ERRORS = range(400, 500)
_PASSING_STATUSES = frozenset({408, 409, 423, 425, 429})
_PASSING_CODES = frozenset({"RequestTimeout", "ExpiredToken", "RequestTimeTooSkewed", "SlowDown"})


class StoreRefusedError(TerminalError):
    """The object store refuses the request, and would refuse it again."""

    def __init__(self, *, operation: str, message: str) -> None:
        super().__init__(
            f"The object store refused {operation}: {message}.",
            remedy="Check bucket, credentials and their rights (connection lakehouse_s3, or AWS_* in .env), and "
            "whether the object can be read at all: it may be archived, or its key of encryption disabled.",
        )
        self.operation = operation
        self.message = message


@dataclass(frozen=True)
class Page:
    """A page of a listing.

    :param is_last: whether no object under the prefix comes after it; another has at least one.
    """

    objects: tuple[ObjectVersion, ...]
    is_last: bool


class ObjectStore:
    """One S3 client, with typed errors.

    :param client: a boto3 S3 client.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client
        _read_times_quickly(client)

    def list_objects(self, *, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
        """Every object under a prefix, in key order, page by page."""
        with _translated(f"list s3://{bucket}/{prefix}", bucket=bucket, key=prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                yield from _versions(page, bucket=bucket)

    def list_page(self, *, bucket: str, prefix: str, after: str = "") -> Page:
        """The first 1,000 objects under a prefix, in key order, whose keys come after one."""
        with _translated(f"list s3://{bucket}/{prefix}", bucket=bucket, key=prefix):
            page = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=after)
            return Page(objects=tuple(_versions(page, bucket=bucket)), is_last=not page["IsTruncated"])

    def head(self, *, bucket: str, key: str) -> ObjectVersion:
        """The version of an object that is there now.

        :raises ObjectNotFoundError: there is none.
        """
        with _translated(f"head s3://{bucket}/{key}", bucket=bucket, key=key):
            entry = self._client.head_object(Bucket=bucket, Key=key)
            return ObjectVersion(
                bucket=bucket,
                key=key,
                etag=entry["ETag"].strip('"'),
                size=entry["ContentLength"],
                last_modified=entry["LastModified"],
            )

    @contextlib.contextmanager
    def open_version(self, version: ObjectVersion) -> Iterator[BinaryIO]:
        """The bytes of exactly this version, as a stream.

        :raises SourceChangedError: the object has another etag by now.
        :raises ObjectNotFoundError: the object is gone.
        """
        operation = f"get {version.uri}"
        with _translated(operation, bucket=version.bucket, key=version.key, etag=version.etag):
            body = self._client.get_object(Bucket=version.bucket, Key=version.key, IfMatch=f'"{version.etag}"')
            # Not every store honours If-Match; what it answers with says which version it is.
            if body["ETag"].strip('"') != version.etag or body["ContentLength"] != version.size:
                body["Body"].close()
                raise SourceChangedError(bucket=version.bucket, key=version.key, etag=version.etag)
        stream = body["Body"]
        try:
            with _translated(operation, bucket=version.bucket, key=version.key):
                yield cast(BinaryIO, stream)
        finally:
            stream.close()

    def get(self, *, bucket: str, key: str) -> bytes:
        """All bytes of a small object of ours.

        :raises ObjectNotFoundError: there is none.
        """
        with _translated(f"get s3://{bucket}/{key}", bucket=bucket, key=key):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, content: bytes, *, bucket: str, key: str) -> None:
        """Write a small object of ours."""
        with _translated(f"put s3://{bucket}/{key}", bucket=bucket, key=key):
            self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def put_file(self, path: Path, *, bucket: str, key: str) -> None:
        """Upload a file, in parts when it is large."""
        # upload_file would wrap what the store answers in an error of its own, without the code.
        with path.open("rb") as content, _translated(f"put s3://{bucket}/{key}", bucket=bucket, key=key):
            self._client.upload_fileobj(content, bucket, key)

    def copy_version(self, version: ObjectVersion, *, key: str) -> ObjectVersion:
        """Copy exactly this version to another key of its bucket; returns the copy that is there then.

        :raises SourceChangedError: the object has another etag by now.
        :raises ObjectNotFoundError: the object is gone.
        """
        with _translated(f"copy {version.uri}", bucket=version.bucket, key=version.key, etag=version.etag):
            self._client.copy(
                {"Bucket": version.bucket, "Key": version.key},
                version.bucket,
                key,
                ExtraArgs={"CopySourceIfMatch": f'"{version.etag}"'},
                Config=TransferConfig(
                    multipart_threshold=_COPIED_AT_ONCE, multipart_chunksize=_COPIED_AT_ONCE // 4
                ),
            )
        return self.head(bucket=version.bucket, key=key)

    def add_tags(self, version: ObjectVersion, tags: Mapping[str, str]) -> None:
        """Give an object tags beside those that it has. S3 cannot pin this to a version."""
        place = {"bucket": version.bucket, "key": version.key}
        with _translated(f"tag {version.uri}", **place):
            found = self._client.get_object_tagging(Bucket=version.bucket, Key=version.key)["TagSet"]
            every = {tag["Key"]: tag["Value"] for tag in found} | dict(tags)
            self._client.put_object_tagging(
                Bucket=version.bucket,
                Key=version.key,
                Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in every.items()]},
            )

    def remove_tags(self, version: ObjectVersion, tags: Collection[str]) -> None:
        """Take tags from an object, and leave the others."""
        with _translated(f"tag {version.uri}", bucket=version.bucket, key=version.key):
            found = self._client.get_object_tagging(Bucket=version.bucket, Key=version.key)["TagSet"]
            self._client.put_object_tagging(
                Bucket=version.bucket,
                Key=version.key,
                Tagging={"TagSet": [tag for tag in found if tag["Key"] not in tags]},
            )

    def delete_version(self, version: ObjectVersion) -> None:
        """Delete an object if it is exactly this version, where the store honours If-Match.

        :raises SourceChangedError: it is another version, or gone.
        """
        with _translated(f"delete {version.uri}", bucket=version.bucket, key=version.key, etag=version.etag):
            self._client.delete_object(Bucket=version.bucket, Key=version.key, IfMatch=f'"{version.etag}"')

    def delete(self, *, bucket: str, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        with _translated(f"delete s3://{bucket}/{key}", bucket=bucket, key=key):
            self._client.delete_object(Bucket=bucket, Key=key)

    def delete_prefix(self, *, bucket: str, prefix: str) -> int:
        """Delete every object under a prefix; returns how many there were."""
        count = 0
        for version in list(self.list_objects(bucket=bucket, prefix=prefix)):
            self.delete(bucket=bucket, key=version.key)
            count += 1
        return count


def _read_times_quickly(client: S3Client) -> None:
    """Let a client read the times of a listing as what they are, ISO 8601.

    Its own reader takes a time in any form, and that takes more than half of the time of a listing. botocore has a
    setting for it, of a session: a client of its own factory leaves the others of the session as they are, and one
    whose inside looks otherwise is only slower.
    """
    endpoint: Any = getattr(client, "_endpoint", None)
    if isinstance(getattr(endpoint, "_response_parser_factory", None), ResponseParserFactory):
        parsers = ResponseParserFactory()
        parsers.set_parser_defaults(timestamp_parser=_read_time)
        endpoint._response_parser_factory = parsers  # noqa: SLF001  (nothing sets it for one client)


def _read_time(value: Any) -> datetime:
    """As botocore reads it; at once where it is written as in listings."""
    if isinstance(value, str) and _ISO_TIME.fullmatch(value):
        return datetime.fromisoformat(value)
    moment: datetime = parse_timestamp(value)
    return moment


def _versions(page: ListObjectsV2OutputTypeDef, *, bucket: str) -> Iterator[ObjectVersion]:
    for entry in page.get("Contents", ()):
        yield ObjectVersion(
            bucket=bucket,
            key=entry["Key"],
            etag=entry["ETag"].strip('"'),
            size=entry["Size"],
            last_modified=entry["LastModified"],
        )


@contextlib.contextmanager
def _translated(operation: str, *, bucket: str, key: str, etag: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _of_client_error(error, operation=operation, bucket=bucket, key=key, etag=etag) from error
    except (BotoCoreError, HTTPError) as error:
        raise StoreUnavailableError(operation=operation, message=str(error)) from error


def _of_client_error(error: ClientError, *, operation: str, bucket: str, key: str, etag: str) -> LakehouseError:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _CHANGED:
        return SourceChangedError(bucket=bucket, key=key, etag=etag)
    if code in _NOT_FOUND:
        return ObjectNotFoundError(bucket=bucket, key=key)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in _CLIENT_ERRORS and status not in _PASSING_STATUSES and code not in _PASSING_CODES:
        return StoreRefusedError(operation=operation, message=str(error))
    return StoreUnavailableError(operation=operation, message=str(error))


def store_of(settings: Settings) -> ObjectStore:
    """A store from settings, for programs outside Airflow."""
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5, "mode": "standard"}),
    )
    return ObjectStore(client)
