"""Takes personal data out of a JSON record before anything of it is stored.

A path is field names joined with dots. It goes through arrays (every element), and through strings that hold JSON.
Only objects on a path that have something to lose are written anew; all other text stays as it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from lakehouse.contracts.reason import Refusal
from lakehouse.readers.json_record import doubled_field, parse_record

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)

Paths = dict[str, "Paths"]


class Scrubber:
    """Removes the fields that some paths lead to."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths: Paths = {}
        for path in paths:
            _plant(self._paths, path.split("."))
        # A field's name is in the record as it is, unless it is escaped.
        self._traces = [b"\\", *(f'"{path.split(".")[-1]}"'.encode() for path in paths)]

    def scrub(self, record: bytes) -> bytes | Refusal:
        """The record without what is to be removed; a refusal if it cannot be parsed, and so not scrubbed."""
        fields = parse_record(record)
        if isinstance(fields, Refusal):
            return fields
        if not any(trace in record for trace in self._traces):
            return record
        return _without(record, self._paths)


def _plant(paths: Paths, names: Sequence[str]) -> None:
    """An empty branch removes the field; it swallows longer paths through the same field."""
    first, *rest = names
    if not rest:
        paths[first] = {}
    elif first not in paths:
        paths[first] = {}
        _plant(paths[first], rest)
    elif paths[first]:
        _plant(paths[first], rest)


def _without(value: bytes, paths: Paths) -> bytes:
    match value.lstrip()[:1]:
        case b"{":
            return _object_without(value, paths)
        case b"[":
            elements = _ARRAY.decode(value)
            kept = [_without(bytes(element), paths) for element in elements]
            return value if kept == [bytes(element) for element in elements] else b"[%b]" % b",".join(kept)
        case b'"':
            return _string_without(value, paths)
        case _:
            return value


def _object_without(value: bytes, paths: Paths) -> bytes:
    sources = _OBJECT.decode(value)
    if not sources.keys() & paths.keys():
        return value
    fields = {name: bytes(source) for name, source in sources.items()}
    kept = {}
    for name, source in fields.items():
        branch = paths.get(name)
        if branch is None:
            kept[name] = source
        elif branch:
            kept[name] = _without(source, branch)
    # Of a doubled field only the last was looked at, so none of the others may stay.
    if kept == fields and doubled_field(value, sources) is None:
        return value
    members = (b"%b:%b" % (json.dumps(name, ensure_ascii=False).encode(), source) for name, source in kept.items())
    return b"{%b}" % b",".join(members)


def _string_without(value: bytes, paths: Paths) -> bytes:
    text = _TEXT.decode(value).encode()
    try:
        scrubbed = _without(text, paths) if text.lstrip()[:1] in {b"{", b"["} else text
    except msgspec.DecodeError:
        return value
    return value if scrubbed == text else json.dumps(scrubbed.decode(), ensure_ascii=False).encode()
