"""A prefix in a bucket of any S3 store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from typing import IO, TYPE_CHECKING, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from feed.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef
    from typing_extensions import Buffer

PART_BYTES = 16 << 20
"""Of each part of a large object, which is what is kept in memory; S3 wants at least 5 MiB."""


@dataclass(frozen=True)
class ObjectPrefix:
    """The objects of a bucket whose keys start with a prefix, which ends with a slash or is empty."""

    client: S3Client
    bucket: str
    prefix: str

    def address(self, name: str) -> str:
        """Return the URI of the object."""
        return f"s3://{self.bucket}/{self.prefix}{name}"

    def names(self, beginning: str) -> list[str]:
        """Return what lies right under the prefix and begins like this."""
        with _translated(f"list {self.address(beginning)}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + beginning, Delimiter="/"
            )
            return [entry["Key"][len(self.prefix) :] for page in pages for entry in page.get("Contents", ())]

    @contextmanager
    def new_file(self, name: str) -> Iterator[IO[bytes]]:
        """Give a new object, sent part by part. Until the block has ended well, the key is as it was."""
        upload = _Upload(self.client, bucket=self.bucket, key=self.prefix + name)
        with _translated(f"put {self.address(name)}"):
            try:
                yield cast("IO[bytes]", upload)
                upload.complete()
            except BaseException:
                upload.abort()
                raise


class _Upload(RawIOBase):
    """The bytes of one object: sent at once when they are few, else in parts."""

    def __init__(self, client: S3Client, *, bucket: str, key: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._waiting = bytearray()
        self._sent = 0
        self._upload_id = ""
        self._parts: list[CompletedPartTypeDef] = []

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._sent + len(self._waiting)

    def write(self, data: Buffer, /) -> int:
        size = len(memoryview(data).cast("B"))
        self._waiting += data
        while len(self._waiting) >= PART_BYTES:
            self._send_part(PART_BYTES)
        return size

    def complete(self) -> None:
        if not self._upload_id:
            self._client.put_object(Bucket=self._bucket, Key=self._key, Body=bytes(self._waiting))
            return
        if self._waiting:
            self._send_part(len(self._waiting))
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": self._parts},
        )

    def abort(self) -> None:
        if self._upload_id:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)

    def _send_part(self, size: int) -> None:
        if not self._upload_id:
            started = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key)
            self._upload_id = started["UploadId"]
        number = len(self._parts) + 1
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=bytes(self._waiting[:size]),
        )
        self._parts.append({"ETag": answer["ETag"], "PartNumber": number})
        del self._waiting[:size]
        self._sent += size


def object_prefix(bucket: str, prefix: str, *, environment: Mapping[str, str]) -> ObjectPrefix:
    """Return a prefix of a bucket.

    :param environment: `S3_ENDPOINT` and the usual `AWS_…`; what is not there is left to boto3 to find.
    """
    client = boto3.client(
        "s3",
        endpoint_url=environment.get("S3_ENDPOINT") or None,
        region_name=environment.get("AWS_REGION", "us-east-1"),
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5, "mode": "standard"}),
    )
    return ObjectPrefix(client, bucket, prefix)


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreError(operation, str(error)) from error
