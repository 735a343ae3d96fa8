from __future__ import annotations

from pathlib import Path

import pytest

from feed import BadDestinationError
from feed.destination import Bucket, Directory, Topic, parse_destination


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("out/feed", Directory(Path("out/feed"))),
        ("./kafka", Directory(Path("kafka"))),
        ("s3://warehouse", Bucket("warehouse", "")),
        ("s3://warehouse/staging", Bucket("warehouse", "staging/")),
        ("s3://warehouse/a/b/", Bucket("warehouse", "a/b/")),
        ("kafka", Topic(None, None)),
        ("kafka://one:9092,two:9092/pgr-events", Topic("one:9092,two:9092", "pgr-events")),
        ("kafka://one:9092", Topic("one:9092", None)),
    ],
)
def test_places_are_read(text, destination):
    assert parse_destination(text) == destination


@pytest.mark.parametrize(
    "text", ["s3:///staging", "kafka:///topic", "kafka://one/a/b", "https://x/y", "s3://b/p?x=1"]
)
def test_what_names_no_place_is_told_with_what_would(text):
    with pytest.raises(BadDestinationError, match="s3://bucket/prefix/") as raised:
        parse_destination(text)
    assert raised.value.destination == text
