from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.readers import JsonJudge, Reason, Reject, reader_for


@pytest.fixture(scope="module")
def judge(contract_of, table):
    """Judge one record under a contract that asks for nothing but what is given."""

    def judge(record: bytes | dict[str, object], **sections: object):
        encoded = record if isinstance(record, bytes) else json.dumps(record).encode()
        return JsonJudge(contract_of(**sections), table).judge_record(encoded)

    return judge


NESTED = {
    "tenant_id": {"from": "service.tenantId"},
    "visits": {"from": "service.audit.count"},
    "attributes_json": {"from": "service.audit"},
}


def test_a_path_leads_into_objects(judge):
    row = judge(b'{"service":{"tenantId":"pb","audit":{ "count" : 5, "x":1.50 }}}', columns=NESTED)

    assert (row["tenant_id"], row["visits"]) == ("pb", 5)
    assert row["attributes_json"] == '{ "count" : 5, "x":1.50 }'


@pytest.mark.parametrize(
    "record", [{}, {"service": None}, {"service": {}}, {"service": {"audit": None}}, {"service": {"audit": {}}}]
)
def test_a_path_ends_in_no_value_where_a_field_is_absent_or_null(judge, record):
    assert judge(record, columns=NESTED)["visits"] is None

    reject = judge(record, columns={"visits": {"from": "service.audit.count", "required": True}})
    assert (reject.reason, reject.column) == (Reason.MISSING_FIELD, "visits")


@pytest.mark.parametrize(
    ("record", "column", "detail"),
    [
        ({"service": "x"}, "tenant_id", "service is a text where an object is wanted"),
        ({"service": [{"tenantId": "pb"}]}, "tenant_id", "service is an array where an object is wanted"),
        ({"service": {"audit": 5}}, "visits", "service.audit is a number where an object is wanted"),
        ({"service": {"audit": True}}, "visits", "service.audit is true where an object is wanted"),
        (
            {"service": {"tenantId": {}}},
            "tenant_id",
            "service.tenantId is an object where a plain value is wanted",
        ),
    ],
)
def test_what_is_no_object_on_a_path_is_refused_by_column_and_path(judge, record, column, detail):
    reject = judge(record, columns={name: NESTED[name] for name in ("tenant_id", "visits")})

    assert (reject.reason, reject.column, reject.detail) == (Reason.WRONG_TYPE, column, detail)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (b'{"service":{"tenantId":"a","tenantId":"b"}}', "service.tenantId"),
        (b'{"service":{"tenantId":"a","tenant\\u0049d":"a"}}', "service.tenantId"),
        (b'{"service":{"other":1,"other":1}}', "service.other"),
        (b'{"service":{"audit":{"count":1, "count" :1}}}', "service.audit.count"),
        (b'{"service":{},"service":{}}', "service"),
    ],
)
def test_a_field_that_stands_twice_in_an_object_on_a_path_is_refused(judge, record, field):
    reject = judge(record, columns=NESTED)

    assert (reject.reason, reject.column) == (Reason.DUPLICATE_FIELD, field)


def test_a_field_that_stands_twice_beside_the_paths_is_text(judge):
    row = judge(b'{"service":{"audit":{"more":{"a":1,"a":2}}}}', columns=NESTED)

    assert row["attributes_json"] == '{"more":{"a":1,"a":2}}'


def test_a_field_that_is_called_as_the_whole_path_goes_before_it(judge):
    columns = {"tenant_id": {"from": "a.b"}}

    assert judge({"a.b": "at the top"}, columns=columns)["tenant_id"] == "at the top"
    assert judge({"a": {"b": "inside"}, "a.b": "at the top"}, columns=columns)["tenant_id"] == "at the top"
    assert judge({"a": {"b": "inside"}}, columns=columns)["tenant_id"] == "inside"
    assert judge({"a": "no object", "a.b": None}, columns=columns)["tenant_id"] is None


def test_only_fields_at_the_top_that_no_path_goes_through_are_unknown(contract_of, table):
    columns = {
        "tenant_id": {"from": "a.b"},
        "status": {"from": ["c.d", "e"]},
        "raw_payload": {"object": {"x": "f.g"}},
    }
    record = b'{"a":{"z":1},"c":{},"e":null,"f":{"h":1},"a.b":"x","other":{"a":1}}'

    batch = JsonJudge(contract_of(columns=columns), table).judge([record], positions=[0])

    assert batch.unknown_columns == {"other": 1}


def test_of_several_fields_the_first_that_has_a_value_is_taken(judge):
    sections = {"columns": {"status": {"from": ["a", "b.c", "d"]}}, "nulls": ("",)}

    assert judge({"a": "1", "b": {"c": "2"}}, **sections)["status"] == "1"
    assert judge({"a": "", "b": {"c": "2"}, "d": "3"}, **sections)["status"] == "2"
    assert judge({"a": None, "d": "3"}, **sections)["status"] == "3"
    assert judge({"a": ""}, **sections)["status"] is None
    assert judge({"a": {}, "d": "3"}, **sections).reason is Reason.WRONG_TYPE


def test_of_several_fields_the_first_that_the_map_names_is_taken(judge):
    rule = {"from": ["action", "state"], "map": {"CLOSE": "CLOSED", "PENDING": "OPEN"}}

    assert judge({"action": "CLOSE", "state": "PENDING"}, columns={"status": rule})["status"] == "CLOSED"
    assert judge({"action": "COMMENT", "state": "PENDING"}, columns={"status": rule})["status"] == "OPEN"
    reject = judge({"action": "COMMENT", "state": "ODD"}, columns={"status": rule})
    assert (reject.reason, reject.detail) == (Reason.NOT_ALLOWED, "'COMMENT' is not in the map")


@pytest.mark.parametrize(
    ("rule", "value", "stored"),
    [
        ({"map": {"a": "A"}}, "a", "A"),
        ({"map": {"a": "A"}}, "b", Reason.NOT_ALLOWED),
        ({"map": {"a": "A"}, "unmapped": "reject"}, "b", Reason.NOT_ALLOWED),
        ({"map": {"a": "A"}, "unmapped": "keep"}, "b", "b"),
        ({"map": {"a": "A"}, "unmapped": "keep", "allowed": ["A"]}, "b", Reason.NOT_ALLOWED),
        ({"map": {"a": "A"}, "allowed": ["A"]}, "a", "A"),
        ({"map": {"a": "A"}, "default": "D"}, None, "D"),
        ({"map": {"5": "five"}}, 5, "five"),
        ({"map": {"true": "yes"}}, True, "yes"),
    ],
)
def test_a_map_says_what_is_stored_for_a_text(judge, rule, value, stored):
    verdict = judge({"status": value}, columns={"status": rule})

    assert (verdict.reason if isinstance(verdict, Reject) else verdict["status"]) == stored


def test_what_is_mapped_is_parsed(judge):
    assert judge({"visits": "many"}, columns={"visits": {"map": {"many": "100"}}})["visits"] == 100


OBJECT = {"type": "service.code", "who": "assignees", "where": "service.place.lat", 'quo"te': "q"}


def test_an_object_is_made_of_the_values_as_they_were_sent(judge):
    record = (
        b'{"q":null,"service":{"place":{"lat": 31.6340 },"code" : "\\u00e9"},"assignees":[ "a", {"b":1,"b":2}]}'
    )

    row = judge(record, columns={"attributes_json": {"object": OBJECT}})

    assert row["attributes_json"] == '{"type":"\\u00e9","who":[ "a", {"b":1,"b":2}],"where":31.6340}'
    assert judge({"q": "é"}, columns={"attributes_json": {"object": OBJECT}})["attributes_json"] in {
        '{"quo\\"te":"é"}',
        '{"quo\\"te":"\\u00e9"}',
    }


def test_an_object_without_members_is_no_value(judge):
    assert judge({"service": {}}, columns={"attributes_json": {"object": OBJECT}})["attributes_json"] is None
    rule = {"object": OBJECT, "required": True}
    assert judge({"q": None}, columns={"attributes_json": rule}).reason is Reason.MISSING_FIELD
    rule = {"object": OBJECT, "default": "{}"}
    assert judge({"q": None}, columns={"attributes_json": rule})["attributes_json"] == "{}"


def test_what_is_wrong_below_an_object_names_its_column(judge):
    reject = judge({"service": [1]}, columns={"attributes_json": {"object": OBJECT}})

    assert (reject.reason, reject.column) == (Reason.WRONG_TYPE, "attributes_json")


def test_an_event_is_told_by_a_value_inside_an_object(contract_of, table):
    sections = {
        "events": {
            "opened": {"columns": {"event_time": {"from": "times.opened"}, "status": {"value": "OPEN"}}},
            "closed": {"when": "times.closed", "columns": {"event_time": {"from": "times.closed"}}},
        }
    }
    content = b'{"times":{"opened":"2024-12-01","closed":"2024-12-02"}}\n{"times":{"opened":"2024-12-01"}}\n'

    (batch,) = reader_for(contract_of(**sections), table).read(io.BytesIO(content))
    rows = batch.rows.to_pylist()

    assert [(row["_position"], str(row["event_date"])) for row in rows] == [
        (0, "2024-12-01"), (1, "2024-12-02"), (2, "2024-12-01"),
    ]  # fmt: skip


VALUES = st.recursive(
    st.sampled_from([None, True, 5, "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    record=st.dictionaries(st.sampled_from(["a", "b", "a.b", "b.a.b"]), VALUES, max_size=4),
    path=st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4),
)
def test_a_path_finds_what_walking_the_record_finds(judge, record, path):
    def walked():
        name = ".".join(path)
        if record.get(name) is not None or (name in record and len(path) == 1):
            return record[name]
        value = None if name in record else record
        for step in path:
            if value is not None and not isinstance(value, dict):
                return Reason.WRONG_TYPE
            value = None if value is None else value.get(step)
        return value

    verdict = judge(record, columns={"attributes_json": {"from": ".".join(path)}, "raw_payload": {"from": "b"}})

    expected = walked()
    if isinstance(expected, Reason):
        assert (verdict.reason, verdict.column) == (expected, "attributes_json")
    else:
        found = verdict["attributes_json"]
        assert found == (
            expected if isinstance(expected, str) else None if expected is None else json.dumps(expected)
        )


@given(record=st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2), depth=st.integers(1, 3))
def test_a_record_is_judged_alike_at_the_top_and_inside(judge, record, depth):
    def rules(prefix):
        return {
            "columns": {
                "tenant_id": {"from": f"{prefix}a", "required": True},
                "status": {"from": [f"{prefix}b", f"{prefix}a"]},
                "attributes_json": {"object": {"a": f"{prefix}a", "b": f"{prefix}b"}},
            }
        }

    nested = record
    for _ in range(depth):
        nested = {"in": nested}

    at_the_top, inside = judge(record, **rules("")), judge(nested, **rules("in." * depth))

    if isinstance(at_the_top, Reject):
        assert (inside.reason, inside.column) == (at_the_top.reason, at_the_top.column)
    else:
        assert inside == at_the_top
