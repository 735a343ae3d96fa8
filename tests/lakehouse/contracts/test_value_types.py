from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.contracts.value_types import parser_of, time_format_problem
from lakehouse.tables.definition import ColumnType


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def read(column_type, text, *, zone="UTC", formats=("iso8601",)):
    """The verdict, with times and dates as Python has them."""
    value = parser_of(column_type, zone=zone, time_formats=formats)(text)
    if isinstance(value, Refusal):
        return value.reason
    if column_type is ColumnType.TIMESTAMP:
        return utc(1970, 1, 1) + timedelta(microseconds=value)
    return date(1970, 1, 1) + timedelta(days=value) if column_type is ColumnType.DATE else value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-12-01T10:00:00Z", utc(2024, 12, 1, 10)),
        ("2024-12-01 10:00:00", utc(2024, 12, 1, 10)),
        ("2024-12-01t10:00:00z", utc(2024, 12, 1, 10)),
        ("2024-12-01 10:00:00 UTC", utc(2024, 12, 1, 10)),
        ("2024-12-01T10:00", utc(2024, 12, 1, 10)),
        ("2024-12-01", utc(2024, 12, 1)),
        ("2024-12-01T10:00:00+05:30", utc(2024, 12, 1, 4, 30)),
        ("2024-12-01T10:00:00 +05:30", utc(2024, 12, 1, 4, 30)),
        ("2024-12-01T10:00:00-0800", utc(2024, 12, 1, 18)),
        ("2024-12-01T10:00:00+05", utc(2024, 12, 1, 5)),
        ("2024-12-01T10:00:00.5", utc(2024, 12, 1, 10, 0, 0, 500_000)),
        ("2024-12-01T10:00:00,25Z", utc(2024, 12, 1, 10, 0, 0, 250_000)),
        ("2024-12-01T10:00:00.123456789Z", utc(2024, 12, 1, 10, 0, 0, 123_456)),
        ("1969-12-31T23:59:59.999999999Z", utc(1969, 12, 31, 23, 59, 59, 999_999)),
        ("0001-01-01T00:00:00Z", utc(1, 1, 1)),
        ("9999-12-31T23:59:59Z", utc(9999, 12, 31, 23, 59, 59)),
        ("2024-02-29T00:00:00Z", utc(2024, 2, 29)),
    ],
)
def test_iso_times_are_stored_in_utc_with_microseconds(text, expected):
    assert read(ColumnType.TIMESTAMP, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30T10:00:00Z",
        "2023-02-29 10:00:00",
        "0000-01-01T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-12-01T24:00:00Z",
        "2024-12-01T10:60:00Z",
        "2024-12-01T23:59:60Z",
        "2024-12-01T10:00:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2024-00-10",
        "10000-01-01T00:00:00Z",
        "+12024-12-01",
        "-44-03-15",
    ],
)
def test_a_time_that_is_written_well_but_is_none_is_out_of_range(text):
    assert read(ColumnType.TIMESTAMP, text) is Reason.OUT_OF_RANGE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-W01-1",
        "20241201T100000Z",
        "2024-12-01X10:00:00",
        "2024-12-01T10",
        "2024-12-01T10:00:00.",
        "2024-12-01T10:00:00.1234567890",
        "2024-12-01T10:00:00 Europe/Paris",
        " 2024-12-01T10:00:00",
        "2024-12-01T10:00:00\n",
        "+2024-12-01",
        "1733047200000",
        "٢٠٢٤-12-01",
    ],
)
def test_what_is_not_a_time_is_of_the_wrong_type(text):
    assert read(ColumnType.TIMESTAMP, text) is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-12-01 10:00:00", utc(2024, 12, 1, 15)),
        ("2024-12-01 10:00:00Z", utc(2024, 12, 1, 10)),
        # The hour that the clocks go through twice, and the one they leave out.
        ("2024-11-03 01:30:00", utc(2024, 11, 3, 5, 30)),
        ("2024-03-10 02:30:00", utc(2024, 3, 10, 7, 30)),
    ],
)
def test_times_without_an_offset_are_in_the_zone_of_the_contract(text, expected):
    assert read(ColumnType.TIMESTAMP, text, zone="America/New_York") == expected


@pytest.mark.parametrize(
    ("format_", "text", "expected"),
    [
        ("epoch_ms", "1733047200123", utc(2024, 12, 1, 10, 0, 0, 123_000)),
        ("epoch_ms", "1733047200123.4567", utc(2024, 12, 1, 10, 0, 0, 123_456)),
        ("epoch_ms", "-1", utc(1969, 12, 31, 23, 59, 59, 999_000)),
        ("epoch_s", "1733047200", utc(2024, 12, 1, 10)),
        ("epoch_s", "1733047200.123456789", utc(2024, 12, 1, 10, 0, 0, 123_456)),
        ("epoch_s", "0", utc(1970, 1, 1)),
        ("epoch_s", "1.733047200123E9", utc(2024, 12, 1, 10, 0, 0, 123_000)),
        ("epoch_s", "-0.0000001", utc(1969, 12, 31, 23, 59, 59, 999_999)),
        ("epoch_s", "1733047200.12345678901234567890", utc(2024, 12, 1, 10, 0, 0, 123_456)),
        ("epoch_s", "253402300799.999999", utc(9999, 12, 31, 23, 59, 59, 999_999)),
        ("epoch_s", "-62135596800", utc(1, 1, 1)),
        ("epoch_ms", "1.7330472E12", utc(2024, 12, 1, 10)),
        ("%d/%m/%Y %H:%M", "30/12/2024 08:15", utc(2024, 12, 30, 8, 15)),
        ("%d/%m/%Y %H:%M %z", "30/12/2024 08:15 +0530", utc(2024, 12, 30, 2, 45)),
    ],
)
def test_epochs_and_declared_formats_are_read_where_they_are_declared(format_, text, expected):
    assert read(ColumnType.TIMESTAMP, text, formats=("iso8601", format_)) == expected
    assert read(ColumnType.TIMESTAMP, text) is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    ("format_", "text", "reason"),
    [
        ("epoch_ms", "9" * 18, Reason.OUT_OF_RANGE),
        ("epoch_ms", "9" * 5_000, Reason.OUT_OF_RANGE),
        ("epoch_ms", "1e99", Reason.OUT_OF_RANGE),
        ("epoch_ms", "1e100", Reason.WRONG_TYPE),
        ("epoch_s", "253402300800", Reason.OUT_OF_RANGE),
        ("epoch_s", "-62135596801", Reason.OUT_OF_RANGE),
        ("epoch_s", "0x10", Reason.WRONG_TYPE),
        ("epoch_s", " 0", Reason.WRONG_TYPE),
        ("epoch_s", "1_000", Reason.WRONG_TYPE),
        ("epoch_s", "1,5", Reason.WRONG_TYPE),
        ("epoch_s", "-Infinity", Reason.WRONG_TYPE),
        ("epoch_ms", "NaN", Reason.WRONG_TYPE),
        ("%d/%m/%Y", "30/02/2024", Reason.OUT_OF_RANGE),
        ("%d/%m/%Y", "2024/02/28", Reason.OUT_OF_RANGE),
        ("%d/%m/%Y", "30-02-2024", Reason.WRONG_TYPE),
        ("%d/%m/%Y", "30/12/2024 10:00", Reason.WRONG_TYPE),
    ],
)
def test_a_declared_format_tells_what_is_no_time_from_what_is_no_format(format_, text, reason):
    assert read(ColumnType.TIMESTAMP, text, formats=(format_,)) is reason


def test_the_first_format_that_fits_wins():
    formats = ("%d/%m/%Y", "%m/%d/%Y")

    assert read(ColumnType.TIMESTAMP, "01/02/2024", formats=formats) == utc(2024, 2, 1)
    assert read(ColumnType.TIMESTAMP, "01/13/2024", formats=formats) == utc(2024, 1, 13)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-12-01", date(2024, 12, 1)),
        ("1969-12-31", date(1969, 12, 31)),
        ("2024-02-30", Reason.OUT_OF_RANGE),
        ("0000-01-01", Reason.OUT_OF_RANGE),
        ("2024-12-01T00:00:00", Reason.WRONG_TYPE),
        ("+2024-12-01", Reason.WRONG_TYPE),
        ("12024-12-01", Reason.OUT_OF_RANGE),
        ("-0044-03-15", Reason.OUT_OF_RANGE),
        ("20241201", Reason.WRONG_TYPE),
        ("01/12/2024", Reason.WRONG_TYPE),
    ],
)
def test_dates_are_iso_dates(text, expected):
    assert read(ColumnType.DATE, text) == expected


def test_dates_take_the_declared_formats_too():
    assert read(ColumnType.DATE, "01/12/2024", formats=("%d/%m/%Y",)) == date(2024, 12, 1)
    assert read(ColumnType.DATE, "2024-12-01", formats=("iso8601", "%d/%m/%Y")) == date(2024, 12, 1)
    assert read(ColumnType.DATE, "2024-12-01", formats=("%d/%m/%Y",)) is Reason.WRONG_TYPE
    assert read(ColumnType.DATE, "2024-12-01", formats=("epoch_ms",)) == date(2024, 12, 1)


@pytest.mark.parametrize(
    ("column_type", "text", "expected"),
    [
        (ColumnType.BIGINT, "9223372036854775807", 2**63 - 1),
        (ColumnType.BIGINT, "-9223372036854775808", -(2**63)),
        (ColumnType.BIGINT, "9223372036854775808", Reason.OUT_OF_RANGE),
        (ColumnType.BIGINT, "9" * 5_000, Reason.OUT_OF_RANGE),
        (ColumnType.BIGINT, "+007", 7),
        (ColumnType.BIGINT, "-0", 0),
        (ColumnType.BIGINT, "1.0", Reason.WRONG_TYPE),
        (ColumnType.BIGINT, "1e3", Reason.WRONG_TYPE),
        (ColumnType.BIGINT, "1_000", Reason.WRONG_TYPE),
        (ColumnType.BIGINT, " 1", Reason.WRONG_TYPE),
        (ColumnType.BIGINT, "٣", Reason.WRONG_TYPE),
        (ColumnType.BIGINT, "true", Reason.WRONG_TYPE),
        (ColumnType.INTEGER, "2147483647", 2**31 - 1),
        (ColumnType.INTEGER, "2147483648", Reason.OUT_OF_RANGE),
        (ColumnType.DOUBLE, "1.5e3", 1500.0),
        (ColumnType.DOUBLE, ".5", 0.5),
        (ColumnType.DOUBLE, "-7", -7.0),
        (ColumnType.DOUBLE, "1e999", Reason.OUT_OF_RANGE),
        (ColumnType.DOUBLE, "NaN", Reason.WRONG_TYPE),
        (ColumnType.DOUBLE, "Infinity", Reason.WRONG_TYPE),
        (ColumnType.DOUBLE, "1,5", Reason.WRONG_TYPE),
        (ColumnType.BOOLEAN, "true", True),
        (ColumnType.BOOLEAN, "FALSE", False),
        (ColumnType.BOOLEAN, "1", Reason.WRONG_TYPE),
        (ColumnType.BOOLEAN, "yes", Reason.WRONG_TYPE),
    ],
)
def test_numbers_and_booleans_are_read_strictly(column_type, text, expected):
    assert read(column_type, text) == expected


@given(moment=st.datetimes(timezones=st.timezones()), separator=st.sampled_from("T "))
def test_every_time_python_can_write_is_read_as_the_same_moment(moment, separator):
    offset = moment.utcoffset()
    whole_minutes = offset is not None and not offset.seconds % 60
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        expected = Reason.OUT_OF_RANGE
    if whole_minutes:
        assert read(ColumnType.TIMESTAMP, moment.isoformat(separator)) == expected


@given(
    column_type=st.sampled_from([member for member in ColumnType if member is not ColumnType.VARCHAR]),
    text=st.text(alphabet=st.sampled_from("0123456789-+:.,TZ eE/"), max_size=40) | st.text(),
    formats=st.sets(st.sampled_from(["iso8601", "epoch_ms", "%d/%m/%Y", "%H:%M"]), min_size=1),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]),
)
def test_no_text_makes_a_parser_fail_in_any_other_way(column_type, text, formats, zone):
    verdict = parser_of(column_type, zone=zone, time_formats=sorted(formats))(text)

    assert isinstance(verdict, Refusal | int | float | bool)


@pytest.mark.parametrize(
    "format_",
    [
        *("%d/%m/%Y", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S.%fZ", "%d-%b-%y %H.%M", "%Y%m%d", "%Y-%j", "%c"),
        *("%G-W%V-%u", "%d %B %Y, %H:%M", "%Y-%m-%d %H:%M:%S %z", "am %d.%m.%Y um %H Uhr", "%%Z %Y-%m-%d"),
    ],
)
def test_a_format_that_tells_a_day_and_the_time_from_the_hour_on_is_one_for_times(format_):
    assert time_format_problem(format_) is None


@given(format_=st.lists(st.sampled_from([*"%YmdHMSzpIZyjfaAbB-/: GVucxX", "%%"]) | st.characters()).map("".join))
@settings(max_examples=300)
def test_a_format_that_passes_reads_what_it_writes(format_):
    moment = datetime(2031, 2, 3, 16, 5, 6, tzinfo=UTC)
    if time_format_problem(format_) is None:
        found = read(ColumnType.TIMESTAMP, moment.strftime(format_), formats=(format_,))
        assert found.date() == moment.date()
        assert found.hour in {0, 16}


def test_a_long_value_is_cut_in_the_message():
    refusal = parser_of(ColumnType.BIGINT, zone="UTC", time_formats=("iso8601",))("x" * 10_000)

    assert len(refusal.detail) < 200
