"""When a flush is due, and when a drain ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.settings import SettingError

#: Of judged records: two flushes of this size (one is read while the last one is merged) stay far below 1 GB.
MOST_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True)
class FlushLimits:
    """What is reached first makes a flush due.

    :param records: messages.
    :param seconds: since the first of them was read.
    :param bytes: of what they became.
    """

    records: int
    seconds: float
    bytes: int = MOST_BYTES

    @classmethod
    def of(
        cls,
        contract: KafkaContract,
        *,
        environment: Mapping[str, str],
        records: int | None = None,
        seconds: float | None = None,
    ) -> FlushLimits:
        """What was asked for, else ``BATCH_SIZE`` and ``FLUSH_INTERVAL_SEC``, else what the contract says.

        :raises SettingError: one of them is not a number above zero.
        """
        return cls(
            records=int(_positive("BATCH_SIZE", records, environment, contract.batch.records)),
            seconds=_positive("FLUSH_INTERVAL_SEC", seconds, environment, contract.batch.interval.total_seconds()),
            bytes=min(contract.batch.bytes, MOST_BYTES),
        )


@dataclass(frozen=True)
class DrainWindow:
    """When a drain ends; without anything said, it does not.

    :param seconds: after it began.
    :param until_end: once everything was read that was there when it began.
    """

    seconds: float | None = None
    until_end: bool = False


def _positive(name: str, asked: float | None, environment: Mapping[str, str], default: float) -> float:
    text = str(asked) if asked is not None else environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise SettingError(name=name, problem=f"is not a number above zero: {text!r}")
    return value
