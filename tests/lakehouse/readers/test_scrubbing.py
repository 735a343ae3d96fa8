from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.reason import Reason
from lakehouse.readers.scrubbing import Scrubber


@pytest.mark.parametrize(
    ("paths", "record", "scrubbed"),
    [
        (["name"], b'{"name":"Asha","id":1}', b'{"id":1}'),
        (["name"], b'{"name":"Asha"}', b"{}"),
        (["name"], b'{ "id" : 1.50 }', b'{ "id" : 1.50 }'),
        (["name"], b'{"other":{"name":"x" }}', b'{"other":{"name":"x" }}'),
        (["a.name"], b'{"a":{"name":"Asha","b":[ 1 ]},"name":"x"}', b'{"a":{"b":[ 1 ]},"name":"x"}'),
        (["a.name"], b'{"a":"Asha"}', b'{"a":"Asha"}'),
        (["a.name"], b'{"a":null}', b'{"a":null}'),
        (["a.name"], b'{"a":[{"name":"x","b":1},5,[{"name":"y"}]]}', b'{"a":[{"b":1},5,[{}]]}'),
        (["a.b.c"], b'{"a":{"b":{"c":1,"d":2}}}', b'{"a":{"b":{"d":2}}}'),
        (["a", "a.b"], b'{"a":{"b":1},"c":2}', b'{"c":2}'),
        (["a.b", "a"], b'{"a":{"b":1},"c":2}', b'{"c":2}'),
        (["a.b", "a.c"], b'{"a":{"b":1,"c":2,"d":3}}', b'{"a":{"d":3}}'),
        (["name"], b'{"n\\u0061me":"Asha","id":1}', b'{"id":1}'),
        (
            ["a.name"],
            b'{"a":"{\\"name\\":\\"Asha\\",\\"b\\":\\"\\u00e9\\"}"}',
            '{"a":"{\\"b\\":\\"é\\"}"}'.encode(),
        ),
        (["a.name"], b'{"a":"{\\"name\\":"}', b'{"a":"{\\"name\\":"}'),
        (["a.name"], b'{"a":{"name":"x","name":"y","b":1}}', b'{"a":{"b":1}}'),
        (["a.b.name"], b'{"a":{"b":{"name":"x"},"b":{}}}', b'{"a":{"b":{}}}'),
    ],
)
def test_fields_on_a_path_are_removed_and_nothing_else_changes(paths, record, scrubbed):
    assert Scrubber(paths).scrub(record) == scrubbed


@pytest.mark.parametrize("record", [b"{", b"[]", b'{"a":1,"a":2}', b'{"a":"\xff"}', b""])
def test_what_cannot_be_parsed_cannot_be_scrubbed(record):
    assert Scrubber(["name"]).scrub(record).reason in set(Reason)


NAMES = st.sampled_from(["name", "mobile", "a", "é"])
VALUES = st.recursive(
    st.none() | st.integers() | st.sampled_from(["SECRET", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


@given(record=st.dictionaries(NAMES, VALUES, max_size=4), path=st.lists(NAMES, min_size=1, max_size=3))
def test_nothing_is_left_on_a_path_and_everything_beside_it(record, path):
    def without(value, names):
        if isinstance(value, list):
            return [without(element, names) for element in value]
        if not isinstance(value, dict):
            return value
        first, *rest = names
        kept = {name: without(inner, rest) if name == first and rest else inner for name, inner in value.items()}
        return kept if rest else {name: inner for name, inner in kept.items() if name != first}

    scrubbed = Scrubber([".".join(path)]).scrub(json.dumps(record).encode())

    assert json.loads(scrubbed) == without(record, path)
