"""Sizes (``64MB``, ``1GB``) and durations (``15m``, ``24h``, ``7d``) as people write them in contracts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SIZE = re.compile(rf"([0-9]{{1,12}}) ?({'|'.join(_BYTES)})")
_DURATION = re.compile(rf"([0-9]{{1,6}})({'|'.join(_SECONDS)})")


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise PydanticCustomError("size", "Not a size: a number of bytes, or a text like 256MB or 1GB")
    return int(match[1]) * _BYTES[match[2]]


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("duration", "Not a duration: a text like 15m, 24h or 7d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _written(duration: timedelta) -> str:
    return f"{int(duration.total_seconds())}s"


ByteCount = Annotated[
    int,
    Field(gt=0),
    BeforeValidator(_bytes),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": f"^{_SIZE.pattern}$"},
            ]
        }
    ),
]
"""A number of bytes, written as one or with a unit."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$"}),
]
"""A span of time, written with a unit."""
