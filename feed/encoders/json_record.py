"""An event as a JSON object, `attributes_json` an object inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from feed.defects import Defect
from feed.masters import Channel
from feed.records import record_of
from feed.timestamps import DAY_MS, clock_of, date_of_day, offset_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from feed.cases import Event
    from feed.records import Record

_json = msgspec.json.Encoder()


def json_of(event: Event) -> bytes:
    """Return the event as a JSON object without line breaks.

    Times are in ISO 8601: the mobile app sends its local time with the offset, everything else UTC.
    """
    return _json.encode(record_of(event, event_time=_time_of(event)))


def damaged_json_of(event: Event, defect: Defect) -> bytes:
    """Return the event as JSON that is damaged in this way, and in no other.

    :raises KeyError: when JSON does not know the defect.
    """
    return _DAMAGED[defect](record_of(event, event_time=_time_of(event)))


def _time_of(event: Event) -> str:
    if event.case.channel is not Channel.MOBILE:
        return f"{date_of_day(event.time_ms // DAY_MS)}T{clock_of(event.time_ms)}Z"
    minutes = event.case.tenant.utc_offset_minutes
    local_ms = event.time_ms + minutes * 60_000
    return f"{date_of_day(local_ms // DAY_MS)}T{clock_of(local_ms)}{offset_text(minutes)}"


def _cut_short(record: Record) -> bytes:
    # Cut between characters: half a character would be another defect.
    text = _json.encode(record).decode()
    return text[: len(text) * 2 // 3].encode()


def _not_utf8(record: Record) -> bytes:
    return _json.encode(record).replace(b'"complaint"', b'"compl\xe9int"')


def _tenant_absent(record: Record) -> bytes:
    fields = msgspec.structs.asdict(record)
    del fields["tenant_id"]
    return _json.encode(fields)


def _tenant_null(record: Record) -> bytes:
    record.tenant_id = None
    return _json.encode(record)


def _garbled_time(record: Record) -> bytes:
    record.event_time = "yesterday evening"
    return _json.encode(record)


def _not_an_object(record: Record) -> bytes:
    return _json.encode(msgspec.structs.astuple(record))


def _impossible_date(record: Record) -> bytes:
    record.event_date = "2024-02-30"
    record.event_time = "2024-02-30T10:00:00.000Z"
    return _json.encode(record)


def _field_twice(record: Record) -> bytes:
    return _json.encode(record)[:-1] + b',"tenant_id":"pb.elsewhere"}'


def _nul(record: Record) -> bytes:
    record.actor_id += "\x00"
    return _json.encode(record)


def _nested_too_deep(record: Record) -> bytes:
    record.attributes_json = msgspec.Raw(b'{"inner":' * 299 + b"{}" + b"}" * 299)
    return _json.encode(record)


_DAMAGED: dict[Defect, Callable[[Record], bytes]] = {
    Defect.CUT_SHORT: _cut_short,
    Defect.NOT_UTF8: _not_utf8,
    Defect.TENANT_ABSENT: _tenant_absent,
    Defect.TENANT_NULL: _tenant_null,
    Defect.GARBLED_TIME: _garbled_time,
    Defect.NOT_AN_OBJECT: _not_an_object,
    Defect.IMPOSSIBLE_DATE: _impossible_date,
    Defect.FIELD_TWICE: _field_twice,
    Defect.NUL: _nul,
    Defect.NESTED_TOO_DEEP: _nested_too_deep,
}
JSON_DEFECTS = tuple(_DAMAGED)
"""The ways a JSON object can be damaged."""
