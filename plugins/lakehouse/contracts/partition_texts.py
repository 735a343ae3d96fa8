"""Texts that name a partition: what Iceberg makes of them must fit into the path of the partition's files."""

from __future__ import annotations

import re

from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.contracts.value_types import ValueParser, shown

#: Bytes of ``column=value`` in a path. S3 takes keys of 1,024 bytes, of which the rest needs some; stores
#: that keep objects in a file system, as MinIO does, take 255 for a directory's name.
LONGEST_DIRECTORY_NAME = 255

#: Of a value in a path, Iceberg writes these with one byte, and each byte of any other character as ``%C3``.
_WRITTEN_AS_THEY_ARE = re.compile(r"[A-Za-z0-9.*_ -]+")


def bytes_in_path(text: str) -> int:
    """How many bytes a value has in the path of its partition (``URLEncoder`` of Java, UTF-8)."""
    plain = sum(map(len, _WRITTEN_AS_THEY_ARE.findall(text)))
    return plain + 3 * (len(text.encode()) - plain)


def parser_of_partition_texts(column: str) -> ValueParser:
    """The function that takes a text as the value of a partition column, or refuses it.

    One such value that the store refuses would keep every record it is loaded with out of the table.
    """
    longest = LONGEST_DIRECTORY_NAME - bytes_in_path(column) - len("=")

    def read(text: str) -> str | Refusal:
        if not text:
            # Trino 476 fails to write below ``service=/`` (seen with SeaweedFS 4.48).
            return Refusal(
                Reason.OUT_OF_RANGE, "an empty text names no partition; if it means no value, add it to nulls"
            )
        size = bytes_in_path(text)
        if size <= longest:
            return text
        detail = (
            f"{shown(text)} names a partition and has {size} bytes in its path, of which {longest} are allowed"
        )
        return Refusal(Reason.OUT_OF_RANGE, detail)

    return read
