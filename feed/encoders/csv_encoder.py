"""CSV as RFC 4180 has it, with the guide's header: `attributes_json` is JSON in a quoted field."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import msgspec

from feed.defects import Defect
from feed.masters import Channel
from feed.records import COLUMNS, record_of
from feed.timestamps import DAY_MS, clock_of, date_of_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from feed.cases import Event

_TENANT_ID = COLUMNS.index("tenant_id")
_SERVICE = COLUMNS.index("service")
_ACTOR_ID = COLUMNS.index("actor_id")
_ATTRIBUTES = COLUMNS.index("attributes_json")
_LINE_END = "\r\n"


class _Echo:
    """A file that hands every row straight back: `csv.writer` returns what its file's `write` returns."""

    def write(self, row: str) -> str:
        return row


_writer = csv.writer(_Echo(), lineterminator=_LINE_END)


class CsvEncoder:
    """Writes times as the guide does, in UTC without an offset.

    A null is an empty field, or `NULL` in `raw_payload`. The software at the counters indents its JSON, so
    that the attributes of their complaints hold line breaks.
    """

    def __init__(self) -> None:
        self.defects = tuple(_DAMAGED)

    def header(self) -> bytes:
        """Return the line of column names."""
        return _row(list(COLUMNS))

    def encode(self, event: Event) -> bytes:
        """Return the event's row."""
        return _row(_fields(event))

    def encode_damaged(self, event: Event, defect: Defect) -> bytes:
        """Return the event's row, damaged."""
        return _DAMAGED[defect](_fields(event))


def _fields(event: Event) -> list[str | None]:
    event_time = f"{date_of_day(event.time_ms // DAY_MS)} {clock_of(event.time_ms)}"
    record = record_of(event, event_time=event_time)
    fields = list(msgspec.structs.astuple(record))
    attributes = bytes(record.attributes_json)
    if event.case.channel is Channel.COUNTER:
        attributes = msgspec.json.format(attributes, indent=2)
    fields[_ATTRIBUTES] = attributes.decode()
    fields[-1] = record.raw_payload or "NULL"
    return fields


def _row(fields: list[str | None]) -> bytes:
    row: str = _writer.writerow(fields)
    return row.encode()


def _replaced(fields: list[str | None], column: int, value: str) -> list[str | None]:
    return [*fields[:column], value, *fields[column + 1 :]]


def _not_utf8(fields: list[str | None]) -> bytes:
    return _row(_replaced(fields, _SERVICE, "<service>")).replace(b"<service>", b"P\xe9R", 1)


def _tenant_null(fields: list[str | None]) -> bytes:
    return _row(_replaced(fields, _TENANT_ID, ""))


def _fewer_fields(fields: list[str | None]) -> bytes:
    return _row(fields[:-3])


def _more_fields(fields: list[str | None]) -> bytes:
    return _row([*fields, "surplus"])


def _garbled_time(fields: list[str | None]) -> bytes:
    return _row([fields[0], "yesterday evening", *fields[2:]])


def _impossible_date(fields: list[str | None]) -> bytes:
    return _row(["2024-02-30", "2024-02-30 10:00:00.000", *fields[2:]])


def _nul(fields: list[str | None]) -> bytes:
    return _row(_replaced(fields, _ACTOR_ID, f"{fields[_ACTOR_ID]}\x00"))


def _blank(_fields: list[str | None]) -> bytes:
    return _LINE_END.encode()


_DAMAGED: dict[Defect, Callable[[list[str | None]], bytes]] = {
    Defect.NOT_UTF8: _not_utf8,
    Defect.TENANT_NULL: _tenant_null,
    Defect.FEWER_FIELDS: _fewer_fields,
    Defect.MORE_FIELDS: _more_fields,
    Defect.GARBLED_TIME: _garbled_time,
    Defect.IMPOSSIBLE_DATE: _impossible_date,
    Defect.NUL: _nul,
    Defect.BLANK: _blank,
}
