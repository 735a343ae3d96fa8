"""What people type on the command line, and what it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from lakehouse.load.offset_range import OffsetRange
from lakehouse.repair.asking import moment, offset_range
from lakehouse.repair.errors import NoMomentError, NoOffsetsError


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A moment in ISO 8601; without an offset it is UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return moment(str(value))
        except NoMomentError as error:
            self.fail(str(error), param, ctx)


class Offsets(click.ParamType):  # type: ignore[type-arg]
    """Offsets of a partition, ``topic/partition:first-next``."""

    name = "offsets"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> OffsetRange:
        try:
            return offset_range(str(value))
        except NoOffsetsError as error:
            self.fail(str(error), param, ctx)
