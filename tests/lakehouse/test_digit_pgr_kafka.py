"""The contract for DIGIT's own messages: what its events become, and that nothing personal is kept of them."""

from __future__ import annotations

import copy
import csv
import json
import logging
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.readers import JsonJudge, JudgedBatch, Reason
from lakehouse.sources import read_source

NAME = "digit_pgr_kafka"
DIGIT_DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "digit-ccrs"

#: Whatever holds one of these is personal, or a secret.
PERSONAL = (
    "SECRET-token", "Asha Nobody", "9800000001", "asha@example.org", "LOGIN-asha", "The lamp before", "call me",
    "DOOR-7", "LANDMARK-temple", "PIN-143001", "file-of-asha", "free-text-of-asha",
)  # fmt: skip
USER = {
    "id": 73, "uuid": "uuid-of-citizen", "userName": "LOGIN-asha", "name": "Asha Nobody", "type": "CITIZEN",
    "mobileNumber": "9800000001", "emailId": "asha@example.org", "roles": [{"name": "Citizen", "code": "CITIZEN"}],
}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "RequestInfo": {"apiId": "Rainmaker", "authToken": "SECRET-token", "userInfo": USER, "correlationId": None},
    "service": {
        "active": True,
        "citizen": USER,
        "id": "id-of-complaint",
        "tenantId": "pb.amritsar",
        "serviceCode": "StreetLightNotWorking",
        "serviceRequestId": "PB-PGR-2026-11-25-000001",
        "description": "The lamp before my house; call me on 9800000001",
        "accountId": "uuid-of-citizen",
        "rating": 4,
        "additionalDetail": {"department": "DEPT_1", "serviceName": "Street light", "more": "free-text-of-asha"},
        "extendedAttributes": {"anything": "free-text-of-asha"},
        "applicationStatus": "PENDINGATLME",
        "source": "RB Bot",
        "address": {
            "doorNo": "DOOR-7", "landmark": "LANDMARK-temple", "pincode": "PIN-143001", "city": "Amritsar",
            "locality": {"code": "SUN01", "name": "Ajit Nagar", "label": "LANDMARK-temple"},
            "geoLocation": {"latitude": 31.6340, "longitude": 74.8723, "additionalDetails": {"by": "Asha Nobody"}},
        },
        "documents": [{"fileStore": "file-of-asha"}],
        "processInstance": {"id": "id-of-step", "comment": "call me", "assigner": USER, "assignes": [USER]},
        "auditDetails": {"createdTime": 1764064800123, "lastModifiedTime": 1764064800456},
    },
    "workflow": {
        "action": "ASSIGN", "assignes": ["uuid-of-employee"], "comments": "call me",
        "verificationDocuments": [{"fileStore": "file-of-asha"}],
    },
}  # fmt: skip
PERSONAL_BRANCHES = (
    ("RequestInfo",), ("RequestInfo", "userInfo"), ("service", "citizen"), ("service", "description"),
    ("service", "additionalDetail"), ("service", "extendedAttributes"), ("service", "address"),
    ("service", "address", "locality"), ("service", "documents"), ("service", "processInstance"),
    ("workflow", "comments"), ("workflow", "verificationDocuments"),
)  # fmt: skip

OTHER_BRANCHES = (
    ("service",), ("workflow",), ("service", "tenantId"), ("service", "auditDetails"), ("workflow", "action"),
    ("workflow", "assignes"), ("service", "rating"), ("service", "applicationStatus"), ("service", "active"),
)  # fmt: skip


@pytest.fixture(scope="module")
def judge():
    """Judge some messages under the contract."""
    source = read_source(NAME)

    def judge(*messages: dict[str, Any] | bytes) -> JudgedBatch:
        records = [message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages]
        return JsonJudge(source.contract, source.table).judge(records, positions=range(len(records)))

    return judge


def of(action: str, state: str) -> dict[str, Any]:
    message = copy.deepcopy(MESSAGE)
    message["workflow"]["action"] = action
    message["service"]["applicationStatus"] = state
    return message


def put(message: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *way, name = path
    for step in way:
        if not isinstance(message, dict) or step not in message:
            return
        message = message[step]
    if isinstance(message, dict):
        message[name] = value


def kept_of(batch: JudgedBatch) -> str:
    """Everything of a batch that is stored, spooled or told."""
    rejects = [(reject.record or b"", reject.detail, reject.column) for reject in batch.rejects]
    return repr((batch.rows.to_pylist(), rejects, dict(batch.unknown_columns)))


def test_the_topics_are_those_of_every_state_and_no_others():
    origin = read_source(NAME).contract.origin

    for topic in ("save-pgr-request", "update-pgr-request", "pb-save-pgr-request", "KE-update-pgr-request"):
        assert origin.matches(topic)
    for topic in ("save-pgr-request-batch", "inbox-pgr-events", "pb-pgr-request", "save-wf-transitions"):
        assert not origin.matches(topic)


def test_a_message_is_an_event(judge):
    (row,) = judge(MESSAGE).rows.to_pylist()

    assert str(row["event_time"]) == "2025-11-25 10:00:00.456000"
    assert (row["tenant_id"], row["entity_id"]) == ("pb.amritsar", "PB-PGR-2026-11-25-000001")
    assert (row["service"], row["entity_type"]) == ("PGR", "complaint")
    assert (row["event_type"], row["status"]) == ("CaseAssigned", "ASSIGNED")
    assert (row["actor_type"], row["actor_id"]) == ("CITIZEN", "uuid-of-citizen")
    assert (row["channel"], row["locality_id"], row["ward_id"]) == ("RB Bot", "SUN01", None)
    assert json.loads(row["attributes_json"]) == {
        "complaint_type": "StreetLightNotWorking",
        "department": "DEPT_1",
        "action": "ASSIGN",
        "digit_status": "PENDINGATLME",
        "assignees": ["uuid-of-employee"],
        "rating": 4,
        "active": True,
        "comment_length": 7,
        "lat": 31.634,
        "long": 74.8723,
    }


@pytest.mark.parametrize(
    ("action", "state", "event_type", "status"),
    [
        ("APPLY", "PENDINGFORASSIGNMENT", "CaseSubmitted", "OPEN"),
        ("ASSIGN", "PENDINGATLME", "CaseAssigned", "ASSIGNED"),
        ("REJECT", "REJECTED", "CaseRejected", "REJECTED"),
        ("ASSIGNEDBYAUTOESCALATION", "PENDINGATLME", "CaseAssigned", "ASSIGNED"),
        ("RESOLVE", "RESOLVED", "CaseResolved", "RESOLVED"),
        ("REASSIGN", "PENDINGFORREASSIGNMENT", "CaseReassignRequested", "OPEN"),
        ("FORWARD", "PENDINGATSUPERVISOR", "CaseEscalated", "ASSIGNED"),
        ("ESCALATE", "PENDINGATSUPERVISOR", "CaseEscalated", "ASSIGNED"),
        ("RESOLVEBYSUPERVISOR", "RESOLVED", "CaseResolved", "RESOLVED"),
        ("RESOLVEBYSUPERVISOR", "f4209bfa-9abe-4da9-b80f-3f43fced607c", "CaseResolved", "RESOLVED"),
        ("RATE", "CLOSEDAFTERRESOLUTION", "CaseClosed", "CLOSED"),
        ("RATE", "CLOSEDAFTERREJECTION", "CaseClosed", "CLOSED"),
        ("REOPEN", "PENDINGFORASSIGNMENT", "CaseReopened", "REOPENED"),
        ("COMMENT", "PENDINGATLME", "CaseCommented", "ASSIGNED"),
        ("COMMENT", "PENDINGFORREASSIGNMENT", "CaseCommented", "OPEN"),
        ("COMMENT", "RESOLVED", "CaseCommented", "RESOLVED"),
    ],
)
def test_action_and_state_become_event_type_and_status(judge, action, state, event_type, status):
    (row,) = judge(of(action, state)).rows.to_pylist()

    assert (row["event_type"], row["status"]) == (event_type, status)


def test_an_action_that_nobody_mapped_is_refused_and_not_guessed(judge):
    (reject,) = judge(of("TRANSFER", "PENDINGATLME")).rejects

    assert (reject.reason, reject.column) == (Reason.NOT_ALLOWED, "event_type")
    assert "'TRANSFER'" in reject.detail


def test_nothing_personal_is_kept_of_a_message(judge, caplog):
    broken = copy.deepcopy(MESSAGE)
    broken["service"]["auditDetails"]["lastModifiedTime"] = "yesterday"

    with caplog.at_level(logging.DEBUG):
        batch = judge(MESSAGE, broken, json.dumps(MESSAGE).encode()[:-20])

    assert (batch.rows.num_rows, len(batch.rejects)) == (1, 2)
    found = kept_of(batch) + caplog.text
    assert [secret for secret in PERSONAL if secret in found] == []
    assert batch.rejects[1].record is None


def test_a_reject_holds_enough_to_be_judged_again(judge):
    message = json.dumps(MESSAGE).encode()
    (row,) = judge(message).rows.to_pylist()

    (again,) = judge(row["raw_payload"].encode()).rows.to_pylist()

    assert again == row


class _Scribe:
    """Writes a message as JSON in unusual ways, its personal branches above all."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def written(self, value: object) -> str:
        if isinstance(value, dict):
            members = [member for name, inner in value.items() for member in self._members(name, inner)]
            return "{" + self._space() + f"{self._space()},".join(members) + "}"
        if isinstance(value, list):
            return "[" + f",{self._space()}".join(map(self.written, value)) + "]"
        text = json.dumps(value, ensure_ascii=self._random.random() < 0.5)
        return text.replace("a", "\\u0061") if isinstance(value, str) and self._random.random() < 0.1 else text

    def _members(self, name: str, value: object) -> list[str]:
        member = f"{self._name(name)}{self._space()}:{self._space()}{self._inner(value)}"
        return [member, member] if self._random.random() < 0.03 else [member]

    def _inner(self, value: object) -> str:
        chance = self._random.random()
        if isinstance(value, dict) and chance < 0.08:
            return json.dumps(self.written(value))
        if isinstance(value, dict) and chance < 0.12:
            return f"[{self.written(value)}]"
        return self.written(value)

    def _name(self, name: str) -> str:
        chance = self._random.random()
        if chance < 0.05:
            return json.dumps(name.swapcase())
        if chance < 0.1:
            return '"' + "".join(f"\\u{ord(character):04x}" for character in name) + '"'
        return json.dumps(name)

    def _space(self) -> str:
        return self._random.choice(["", "", "", " ", "\t "])


PERSONAL_VALUES = st.recursive(
    st.sampled_from([None, 5, *PERSONAL, "{", json.dumps({"label": "Asha Nobody"})]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["label", "userInfo", "length", "Type"]), inner, max_size=2)
    ),
    max_leaves=5,
)
OTHER_VALUES = st.sampled_from([None, 5, "", "x", True, {}, [], {"a": 1}, [{"action": "APPLY"}], "{", 10**30])


@given(
    personal=st.lists(st.tuples(st.sampled_from(PERSONAL_BRANCHES), PERSONAL_VALUES), max_size=2),
    other=st.lists(st.tuples(st.sampled_from(OTHER_BRANCHES), OTHER_VALUES), max_size=1),
    seed=st.integers(0, 2**32),
    damage=st.sampled_from([None] * 9 + [b"\xff", b"\0", b"\\u0000", b""]),
)
def test_nothing_personal_is_kept_however_a_message_is_written(judge, personal, other, seed, damage):
    random = Random(seed)
    message = copy.deepcopy(MESSAGE)
    for path, value in [*personal, *other]:
        put(message, path, value)
    record = _Scribe(random).written(message).encode()
    if damage is not None:
        place = random.randrange(len(record))
        record = record[:place] + (damage + record[place:] if damage else b"")

    batch = judge(record, json.dumps(MESSAGE).encode())

    assert batch.rows.num_rows + len(batch.rejects) == 2
    found = kept_of(batch)
    assert [secret for secret in PERSONAL if secret in found] == []


@pytest.fixture(scope="module")
def digit_data() -> Path:
    """DIGIT's masters and sample rows; not part of a clone."""
    if not DIGIT_DATA.is_dir():
        pytest.skip("the sample data of DIGIT (digit-ccrs) is not beside this clone")
    return DIGIT_DATA


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_action_and_state_of_the_workflow_is_mapped(digit_data):
    config = json.loads((digit_data / "PgrWorkflowConfig.json").read_text(encoding="utf-8"))
    contract = read_source(NAME).contract
    states = [state for service in config["BusinessServices"] for state in service["states"]]
    actions = {action["action"] for state in states for action in state["actions"] or []}

    assert actions <= set(contract.rule("event_type").mapping)
    assert actions - {"COMMENT"} <= set(contract.rule("status").mapping)
    assert {state["applicationStatus"] for state in states} - {None} <= set(contract.rule("status").mapping)


def test_a_complaint_of_the_samples_goes_its_way(judge, digit_data):
    states = {row["uuid"]: row["applicationstatus"] for row in rows_of(digit_data / "eg_wf_state_v2.csv")}
    services = {row["servicerequestid"]: row for row in rows_of(digit_data / "eg_pgr_service_v2.csv")}
    steps = rows_of(digit_data / "eg_wf_processinstance_v2.csv")
    messages = []
    for step in steps:
        service = services.get(step["businessid"], {})
        message = of(step["action"], states[step["status"]])
        message["service"] |= {
            "tenantId": step["tenantid"],
            "serviceRequestId": step["businessid"],
            "serviceCode": service.get("servicecode"),
            "additionalDetail": json.loads(service.get("additionaldetails", "null")),
            "auditDetails": {"lastModifiedTime": int(step["lastmodifiedtime"])},
        }
        messages.append(message)

    batch = judge(*messages)

    assert batch.rejects == ()
    rows = [row for row in batch.rows.to_pylist() if row["entity_id"] == "PG-PGR-2026-05-13-000185"]
    assert [row["event_type"].removeprefix("Case") for row in rows] == [
        "Submitted", "Rejected", "Reopened", "Assigned", "Resolved", "Closed",
    ]  # fmt: skip
    assert len({row["event_time"] for row in rows}) == len(rows)
    assert json.loads(rows[0]["attributes_json"])["department"] == "DEPT_5"


def test_the_example_of_digit_itself_is_taken_and_scrubbed(judge, digit_data):
    example = json.loads((digit_data / "pgr-services.mockData.json").read_text(encoding="utf-8"))
    citizen = example["pgrEntities"][0]["service"]["citizen"]
    messages = [{"RequestInfo": {"userInfo": citizen}, **entity} for entity in example["pgrEntities"]]

    batch = judge(*messages)

    assert (batch.rows.num_rows, batch.rejects) == (len(messages), ())
    found = kept_of(batch)
    assert citizen["uuid"] in found
    for name in ("mobileNumber", "emailId", "userName"):
        assert citizen[name] not in found
