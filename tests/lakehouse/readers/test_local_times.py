from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.value_types import parser_of
from lakehouse.readers.local_times import utc_of
from lakehouse.tables.definition import ColumnType

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
MICROSECOND = timedelta(microseconds=1)
ZONES = [
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/London",
    "Africa/Monrovia",
    "Pacific/Apia",
]


def microseconds(*moments: datetime) -> np.ndarray:
    return np.array([(moment - EPOCH) // MICROSECOND for moment in moments], np.int64)


@pytest.mark.parametrize("zone", ZONES)
@given(moment=st.datetimes())
def test_a_local_time_is_what_its_text_is_read_as_or_left_to_that(zone, moment):
    found = utc_of(microseconds(moment), ZoneInfo(zone))

    read = parser_of(ColumnType.TIMESTAMP, zone=zone, time_formats=("iso8601",))
    text = moment.isoformat().zfill(len("0001-01-01T00:00:00"))
    assert found is None or not isinstance(read(text), int) or found.tolist() == [read(text)]


@pytest.mark.parametrize(
    ("moment", "is_plain"),
    [
        (datetime(2024, 11, 3, 0, 59), False),  # noqa: DTZ001 - its hour ends where the clocks are set back
        (datetime(2024, 11, 3, 1, 30), False),  # noqa: DTZ001
        (datetime(2024, 3, 10, 2, 30), False),  # noqa: DTZ001
        (datetime(2024, 3, 10, 4, 0), True),  # noqa: DTZ001
        (datetime(2024, 7, 1, 12, 0), True),  # noqa: DTZ001
        (datetime(9999, 12, 31, 23, 30), False),  # noqa: DTZ001 - nobody knows how its hour ends
    ],
)
def test_hours_about_a_change_of_clocks_are_left_to_the_text(moment, is_plain):
    assert (utc_of(microseconds(moment), ZoneInfo("America/New_York")) is not None) is is_plain
