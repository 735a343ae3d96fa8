from __future__ import annotations

from datetime import date

import pytest

from feed import Format, InvalidOptionsError, Options


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("events", 0, "at least 1"),
        ("days", 0, "1 to 3660"),
        ("start", date(1815, 6, 18), "1970 to 2200"),
        ("tenants", 11, "1 to 10"),
        ("bad", 0.6, "a share from 0 to 0.5"),
        ("late", -0.1, "a share from 0 to 0.5"),
        ("formats", (), "one format or more"),
        ("formats", (Format.CSV, Format.CSV), "each once"),
        ("files", 0, "at least one for each format"),
        ("files", 99_999, "at most one for each record"),
    ],
)
def test_an_impossible_option_is_named_with_its_value_and_rule(option, value, rule):
    with pytest.raises(InvalidOptionsError, match=rf"^{option} is .*; give .*{rule}") as raised:
        Options(**{option: value})
    assert raised.value.option == option
    assert raised.value.value == value


def test_every_format_needs_a_file():
    with pytest.raises(InvalidOptionsError, match="files is 1"):
        Options(formats=(Format.CSV, Format.JSONL), files=1)


def test_records_are_events_and_their_copies():
    assert Options(events=1_000, duplicates=0.05, bad=0.01).records == 1_060
