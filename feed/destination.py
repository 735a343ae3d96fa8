"""Where a feed goes, as it is written on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from feed.errors import BadDestinationError

_RULE = "give a directory, s3://bucket/prefix/, kafka, or kafka://host:port/topic"


@dataclass(frozen=True)
class Directory:
    """A directory on this machine."""

    path: Path


@dataclass(frozen=True)
class Bucket:
    """A prefix in a bucket; the prefix ends with a slash or is empty."""

    name: str
    prefix: str


@dataclass(frozen=True)
class Topic:
    """A topic; None is for the environment to say."""

    bootstrap_servers: str | None
    name: str | None


Destination: TypeAlias = Directory | Bucket | Topic


def parse_destination(text: str) -> Destination:
    """Read a destination; a directory that is called kafka is `./kafka`.

    :raises BadDestinationError: it names no place.
    """
    if text == "kafka":
        return Topic(bootstrap_servers=None, name=None)
    if "://" not in text:
        return Directory(Path(text))
    place = urlsplit(text)
    path = place.path.removeprefix("/")
    if place.scheme == "s3" and place.netloc and not (place.query or place.fragment):
        return Bucket(name=place.netloc, prefix=path if path.endswith("/") or not path else f"{path}/")
    if place.scheme == "kafka" and place.netloc and "/" not in path:
        return Topic(bootstrap_servers=place.netloc, name=path or None)
    raise BadDestinationError(text, _RULE)
