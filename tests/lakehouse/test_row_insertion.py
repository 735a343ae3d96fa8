from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.errors import OtherKindError, TooManyRowsError, UnknownSourceError
from lakehouse.row_insertion import DEFAULT_SOURCE, insert_events
from lakehouse.sources import read_source


@pytest.mark.parametrize("rows", [{"entity_id": "a"}, '[{"entity_id": "a"}]', b"[]"], ids=["dict", "str", "bytes"])
def test_what_is_no_list_of_rows_is_a_mistake_of_the_program(rows: Any):
    with pytest.raises(TypeError, match="pass a list of mappings"):
        insert_events(rows)


def test_too_many_rows_are_refused_without_going_through_them_all():
    def endless() -> Iterator[dict[str, str]]:
        for number in itertools.count():
            assert number <= 10_000
            yield {"entity_id": str(number)}

    with pytest.raises(TooManyRowsError, match="more than 10,000 rows"):
        insert_events(endless())


def test_rows_go_to_a_contract_of_rows_alone():
    assert read_source(DEFAULT_SOURCE).contract.kind == "rows"
    with pytest.raises(OtherKindError, match="of kind files, not rows"):
        insert_events([], source="pgr_events_csv")
    with pytest.raises(UnknownSourceError, match=DEFAULT_SOURCE):
        insert_events([], source="pgr_rows")
