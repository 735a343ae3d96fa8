"""An event as the 15 columns of `service_events_raw`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from feed.masters import Channel
from feed.timestamps import DAY_MS, date_of_day
from feed.workflow import Action, Role

if TYPE_CHECKING:
    from feed.cases import Event


class Record(msgspec.Struct):
    """The 15 columns in the guide's order. A damaged copy is a record with something put wrong."""

    event_date: str
    event_time: str
    tenant_id: str | None
    service: str
    entity_type: str
    entity_id: str
    event_type: str
    status: str
    actor_type: str
    actor_id: str
    channel: str
    ward_id: str | None
    locality_id: str
    attributes_json: msgspec.Raw
    raw_payload: str | None


COLUMNS = Record.__struct_fields__


class Attributes(msgspec.Struct, omit_defaults=True):
    """What `attributes_json` holds; keys without a value are left out."""

    event_id: str
    action: str
    digit_status: str
    to_status: str
    actor_role: str
    from_status: str | None = None
    complaint_type: str | None = None
    priority: str | None = None
    sla_hours: int | None = None
    department: str | None = None
    description: str | None = None
    assignees: list[str] | None = None
    auto: bool | None = None
    by: str | None = None
    comment: str | None = None
    comment_length: int | None = None
    rating: int | None = None


class _Message(msgspec.Struct):
    """What the messaging gateway hands over: the raw payload of complaints that came by WhatsApp."""

    gateway: str
    message: str


_json = msgspec.json.Encoder()


def attributes_of(event: Event) -> bytes:
    """Return the event's attributes as compact JSON.

    As in the wild, complaint type, priority and SLA come with the submission and not again.
    """
    case, transition, comment = event.case, event.transition, event.comment
    attributes = Attributes(
        event_id=event.event_id,
        action=transition.action,
        digit_status=transition.target,
        to_status=event.status,
        actor_role=event.role,
        from_status=event.from_status,
        rating=event.rating,
    )
    if transition.action is Action.APPLY:
        attributes.complaint_type = case.complaint_type.code
        attributes.priority = case.priority
        attributes.sla_hours = case.complaint_type.sla_hours
        attributes.department = case.complaint_type.department
        attributes.description = comment
    elif comment is not None:
        attributes.comment = comment
        attributes.comment_length = len(comment)
    if event.assignee is not None:
        attributes.assignees = [event.assignee]
        attributes.department = case.complaint_type.department
    if event.role is Role.AUTO_ESCALATE:
        attributes.auto = True
    elif event.role is Role.SUPERVISOR:
        attributes.by = "SUPERVISOR"
    return _json.encode(attributes)


def record_of(event: Event, *, event_time: str) -> Record:
    """Return the event's columns. Each format has its own way to write the time; the date is the UTC one."""
    case, transition = event.case, event.transition
    raw_payload = None
    if transition.action is Action.APPLY and case.channel is Channel.WHATSAPP:
        raw_payload = _json.encode(_Message("whatsapp", event.comment or "")).decode()
    return Record(
        date_of_day(event.time_ms // DAY_MS),
        event_time,
        case.tenant.tenant_id,
        "PGR",
        "complaint",
        case.entity_id,
        transition.event_type,
        event.status,
        event.role.actor_type,
        event.actor_id,
        case.channel,
        case.ward_id,
        case.locality_id,
        msgspec.Raw(attributes_of(event)),
        raw_payload,
    )
