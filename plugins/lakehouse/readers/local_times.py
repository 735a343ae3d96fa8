"""Local wall times of a zone as UTC, many at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

_LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall time, to which the zone is added
_HOUR = timedelta(hours=1)
_MICROSECONDS_PER_HOUR = _HOUR // timedelta(microseconds=1)
#: Eleven years of hours.
_REMEMBERED_HOURS = 100_000


def utc_of(local: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64] | None:
    """Microseconds since 1970 in UTC, of as many in the zone; ``None`` if some lie in an hour that is not plain.

    An hour is plain if the clocks have one offset from its beginning to its end.

    :param local: between the years 1 and 9999.
    """
    hours, hour_of = np.unique(local // _MICROSECONDS_PER_HOUR, return_inverse=True)
    offsets = [_offset(zone, hour) for hour in hours.tolist()]
    known = [offset for offset in offsets if offset is not None]
    if len(known) < len(offsets):
        return None
    return local - np.array(known, np.int64)[hour_of]


@lru_cache(maxsize=_REMEMBERED_HOURS)
def _offset(zone: ZoneInfo, hour: int) -> int | None:
    """What the clocks are ahead of UTC in a plain hour, in microseconds."""
    begin = _LOCAL_EPOCH + hour * _HOUR
    try:
        edges = [
            (begin + passed).replace(tzinfo=zone, fold=fold) for passed in (0 * _HOUR, _HOUR) for fold in (0, 1)
        ]
    except OverflowError:
        return None
    offsets = {edge.utcoffset() for edge in edges}
    offset = offsets.pop()
    return None if offsets or offset is None else offset // timedelta(microseconds=1)
