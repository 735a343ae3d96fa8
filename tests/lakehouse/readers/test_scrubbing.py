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
        (["a.name"], b'{"a":{"name":"x","name":"y","b":1}}', b'{"a":{"b":1}}'),
        (["a.b.name"], b'{"a":{"b":{"name":"x"},"b":{}}}', b'{"a":{"b":{},"b":{}}}'),
        (
            ["a.name"],
            b'{"a":{"name":"x","b" : [1, 2],"b": "]\\":,","c":3}}',
            b'{"a":{"b":[1, 2],"b":"]\\":,","c":3}}',
        ),
        (["a.name"], b'{"a":{ "b" : 1, "b" : 2 }}', b'{"a":{ "b" : 1, "b" : 2 }}'),
        (["a.Name"], b'{"A":{"NAME":"Asha","nam":1}}', b'{"A":{"nam":1}}'),
        (["a.name"], b'{"a.name":"Asha","A.NAME":"Asha","a":{"name":"Asha"}}', b'{"a":{}}'),
        (["a.name"], b'{"\\u0041":{"n\\u0061me":"Asha"}}', b'{"A":{}}'),
        (["a.name"], b'{"a":["{\\"name\\":\\"Asha\\"}"]}', b'{"a":["{}"]}'),
        (["a.name"], b'{"a":"{\\"a\\":1}"}', b'{"a":"{\\"a\\":1}"}'),
    ],
)
def test_fields_on_a_path_are_removed_and_nothing_else_changes(paths, record, scrubbed):
    assert Scrubber(paths).scrub(record) == scrubbed


@pytest.mark.parametrize("record", [b"{", b"[]", b'{"a":1,"a":2}', b'{"a":"\xff"}', b""])
def test_what_cannot_be_parsed_cannot_be_scrubbed(record):
    assert Scrubber(["name"]).scrub(record).reason in set(Reason)


@pytest.mark.parametrize(
    "record", [b'{"a":"{\\"name\\":"}', b'{"a":[" [name\\" "]}', b'{"a":"{\\"b\\":{}}}","name":1}']
)
def test_a_text_that_is_nearly_json_cannot_be_scrubbed(record):
    assert Scrubber(["a.name", "name"]).scrub(record).reason is Reason.INVALID_JSON


@pytest.mark.parametrize(
    ("record", "scrubbed"),
    [
        (b'{"a":{"name":"Asha","id":"x7","more":{"id":"Asha"}},"b":1}', b'{"a":{"id":"x7"},"b":1}'),
        (b'{"a":{"in":{"code":"c","name":"Asha","deep":{"code":1}}}}', b'{"a":{"in":{"code":"c"}}}'),
        (b'{"a":{"in":[{"code":1.50,"x":1},{"code":null},"x"]}}', b'{"a":{"in":[{"code":1.50},{"code":null}]}}'),
        (b'{"a":{"in":"Asha"}}', b'{"a":{}}'),
        (b'{"a":{"in":{"code":["c","d",{"name":"Asha"}]}}}', b'{"a":{"in":{"code":["c","d"]}}}'),
        (b'{"a":{"id":{"name":"Asha"}}}', b'{"a":{}}'),
        (b'{"a":{"id":"[Ward 3]"}}', b'{"a":{"id":"[Ward 3]"}}'),
        (b'{"a":{"id":" [{\\"name\\":\\"Asha\\"}]"}}', b'{"a":{}}'),
        (b'{"a":{"id":"{\\"name\\":"}}', b'{"a":{}}'),
        (b'{"a":{"ID":"Asha","id":"x7"}}', b'{"a":{"id":"x7"}}'),
        (b'{"A":{"id":"x7","name":"Asha"}}', b'{"A":{"id":"x7"}}'),
        (b'{"a":{"id":"x7","id":"y8","name":"Asha"}}', b'{"a":{"id":"x7","id":"y8"}}'),
        (b'{"a":"{\\"id\\":\\"x7\\",\\"name\\":\\"Asha\\"}"}', b'{"a":"{\\"id\\":\\"x7\\"}"}'),
        (b'{"a":"Asha"}', b"{}"),
        (b'{"a":null}', b'{"a":null}'),
        (b'{"a":9876543210}', b"{}"),
        (b'{"a.id":"x7"}', b'{"a.id":"x7"}'),
    ],
)  # fmt: skip
def test_of_what_is_removed_only_plain_values_are_kept(record, scrubbed):
    assert Scrubber(["a"], kept=["a.id", "a.in.code"]).scrub(record) == scrubbed


@pytest.mark.parametrize(
    ("record", "scrubbed"),
    [
        ('{"a":{"note":"नमस्ते Asha","b":1}}', '{"a":{"note":{"length":11},"b":1}}'),
        ('{"a":{"note":"\\u0928\\ud83d\\ude00"}}', '{"a":{"note":{"length":2}}}'),
        ('{"a":{"note":""}}', '{"a":{"note":{"length":0}}}'),
        ('{"a":{"note":null}}', '{"a":{"note":null}}'),
        ('{"a":{"note":["Asha",5]}}', '{"a":{"note":[{"length":4}]}}'),
        ('{"a":{"note":"{\\"length\\":5}"}}', '{"a":{"note":{"length":12}}}'),
        ('{"a":{"note":{"length":5}}}', '{"a":{"note":{"length":5}}}'),
        ('{"a":{"note":{"length":9876543210}}}', '{"a":{}}'),
        ('{"a":{"note":{"length":5,"name":"Asha"}}}', '{"a":{}}'),
        ('{"a":{"note":9876543210}}', '{"a":{}}'),
        ('{"a":{"note":true}}', '{"a":{}}'),
    ],
)  # fmt: skip
def test_in_the_place_of_a_text_its_length_is_left(record, scrubbed):
    assert Scrubber([], measured=["a.note"]).scrub(record.encode()) == scrubbed.encode()


def test_a_length_can_be_left_of_what_is_removed():
    record = b'{"a":{"note":"Asha","name":"Asha"}}'

    assert Scrubber(["a"], measured=["a.note"]).scrub(record) == b'{"a":{"note":{"length":4}}}'
    assert Scrubber(["a.note"], measured=["a"]).scrub(record) == b"{}"


@pytest.mark.parametrize(
    ("record", "scrubbed"),
    [
        ('{"a":{"id":1,"name":"Asha"},"note":"call me"}', '{"a":{"id":1},"note":{"length":7}}'),
        ('{"A":{"id":1},"a2":{"id":1},"name":"Asha"}', "{}"),
        ('{"a":{"id":1}}', '{"a":{"id":1}}'),
    ],
)
def test_of_a_whole_record_only_what_is_excepted_is_left(record, scrubbed):
    scrubber = Scrubber(["$record"], kept=["a.id"], measured=["note"])

    assert scrubber.scrub(record.encode()) == scrubbed.encode()
    assert scrubber.scrub(scrubbed.encode()) == scrubbed.encode()


@pytest.mark.parametrize("inside", ["[" * 300 + "]" * 300, "[" * 100_000 + "]" * 100_000])
def test_a_string_that_hides_too_much_cannot_be_scrubbed(inside):
    record = json.dumps({"a": inside, "name": "Asha"}).encode()

    assert Scrubber(["a.name", "name"]).scrub(record).reason is Reason.TOO_DEEP


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


SOURCES = st.recursive(
    st.sampled_from(["null", "5", "true", '"Asha"', '"{\\"name\\":\\"Asha\\"}"', '{"length":3}']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: f"[ {', '.join(values)}]")
        | st.lists(
            st.tuples(st.sampled_from(['"name"', '"NAME"', '"n\\u0061me"', '"a"', '"b"']), inner), max_size=4
        ).map(lambda members: f"{{{','.join(f' {name}: {value}' for name, value in members)} }}")
    ),
)
PATHS = st.lists(st.lists(st.sampled_from(["name", "a", "b"]), min_size=1, max_size=3).map(".".join), max_size=3)


@given(
    source=SOURCES, removed=PATHS, measured=PATHS, kept=st.lists(st.sampled_from(["a", "b", "name"]), max_size=2)
)
def test_what_is_scrubbed_stays_as_it_is_when_it_is_scrubbed_again(source, removed, measured, kept):
    below = [f"{path}.{name}" for path in removed for name in kept]
    scrubber = Scrubber(removed, kept=[path for path in below if path not in removed], measured=measured)

    scrubbed = scrubber.scrub(f'{{"a":{source}}}'.encode())

    assert json.loads(scrubbed) is not None
    assert scrubber.scrub(scrubbed) == scrubbed


@given(source=SOURCES)
def test_no_spelling_of_a_removed_name_gets_through(source):
    scrubbed = Scrubber(["a.name"], measured=["b"]).scrub(f'{{"a":[{source}],"b":{source}}}'.encode())
    seen = []

    def note(value):
        for element in value if isinstance(value, list) else [value]:
            if isinstance(element, list):
                note(element)
            elif isinstance(element, _Members):
                seen.extend(name.lower() for name, _ in element)

    record = dict(json.loads(scrubbed, object_pairs_hook=_Members))
    note(record["a"])
    assert "name" not in seen
    assert "Asha" not in json.dumps(record.get("b"))


class _Members(tuple):
    """An object with all its members, doubled ones too."""

    __slots__ = ()
