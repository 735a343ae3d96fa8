"""Takes personal data out of a JSON record before anything of it is judged or stored.

A path is field names joined with dots; upper and lower case are the same, and a field at the top that is called as
the whole path is meant too. A path goes through arrays (every element), and through strings that hold JSON. Only
objects on a path that have something to lose are written anew; all other text stays as it was sent.

Of what is removed, exceptions keep plain values (and arrays of them), never an object, so that what nobody foresaw
goes, at the top of a record too where the path is ``$record``. A record cannot be scrubbed if a string on a path
begins like JSON but cannot be parsed.

Not covered: what lies beside the paths, and the names of fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

import msgspec

from lakehouse.contracts.contract import WHOLE_RECORD, Contract
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.json_record import doubled_field, fields_of, is_too_deep, parse_record

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ANY_VALUE = msgspec.json.Decoder(msgspec.Raw)
_TEXT = msgspec.json.Decoder(str)
_TOO_DEEP = Refusal(Reason.TOO_DEEP, "a text where scrub looks for an object holds JSON that is nested too deeply")
_NOT_JSON = Refusal(Reason.INVALID_JSON, "a text where scrub looks for an object begins like JSON, but is none")
_OBJECT_IN_TEXT = re.compile(rb'"[\s\[]*\{')
_LENGTH_OF_TEXT = re.compile(rb'\{"length":[0-9]{1,8}\}')
_STRING_OR_MARK = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}:,]', re.DOTALL)


class _UnreadableError(Exception):
    """Something on a path cannot be looked into, so that the record cannot be scrubbed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class _End(Enum):
    """What is done at the end of a path."""

    REMOVE = auto()
    MEASURE = auto()
    KEEP_PLAIN = auto()


@dataclass(frozen=True)
class _Way:
    """An object that paths go through.

    :param below: by the name of the field; in lower case, unless ``keeps_only``.
    :param keeps_only: all other fields are removed.
    """

    below: dict[str, _Way | _End]
    keeps_only: bool

    def of(self, name: str) -> _Way | _End | None:
        """What is done with a field; nothing for ``None``."""
        if self.keeps_only:
            return self.below.get(name, _End.REMOVE)
        return self.below.get(_lowered(name))


def _lowered(name: str) -> str:
    """The name with its letters from A to Z in lower case, as they are looked for in the bytes of a record."""
    return name.lower() if name.isascii() else name.encode().lower().decode()


@lru_cache(maxsize=4_096)
def _quoted(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode()


_Rules = Collection[tuple[tuple[str, ...], _End]]


def scrubber_of(contract: Contract) -> Scrubber | None:
    """What a contract's records go through; nothing for ``None``."""
    if not contract.scrubs:
        return None
    return Scrubber(contract.scrub, kept=contract.scrub_except, measured=contract.scrub_to_length)


class Scrubber:
    """Removes the fields that some paths lead to.

    What it has made it leaves alone: scrubbed again, a record stays as it is.

    :param kept: paths below, whose plain values stay.
    :param measured: paths to texts in whose place their length is left.
    """

    def __init__(self, paths: Sequence[str], *, kept: Sequence[str] = (), measured: Sequence[str] = ()) -> None:
        ends = [(path, _End.REMOVE) for path in paths] + [(path, _End.MEASURE) for path in measured]
        rules = {(tuple(path.split(".")), end) for path, end in ends}
        rules |= {((path,), end) for path, end in ends}
        rules |= {(tuple(path.split(".")), _End.KEEP_PLAIN) for path in kept}
        if WHOLE_RECORD in paths:
            self._way = _way([rule for rule in rules if rule[1] is not _End.REMOVE], keeps_only=True)
            self._traces = [b"{"]
        else:
            self._way = _way(rules, keeps_only=False)
            # A field's name is in the record as it is, unless it is escaped.
            self._traces = [b"\\", *(f'{path.split(".")[-1]}"'.encode().lower() for path, _ in ends)]

    def scrub(self, record: bytes) -> bytes | Refusal:
        """The record without what is to be removed; a refusal if it cannot be parsed, and so not scrubbed."""
        fields = parse_record(record)
        if isinstance(fields, Refusal):
            return fields
        lowered = record.lower()
        if not any(trace in lowered for trace in self._traces):
            return record
        try:
            return _object(record, self._way)
        except _UnreadableError as error:
            return error.refusal
        except RecursionError:
            return _TOO_DEEP


def _way(rules: _Rules, *, keeps_only: bool) -> _Way:
    groups: dict[str, list[tuple[tuple[str, ...], _End]]] = {}
    for (first, *rest), end in rules:
        groups.setdefault(first if keeps_only else _lowered(first), []).append((tuple(rest), end))
    return _Way({name: _below(group, keeps_only=keeps_only) for name, group in groups.items()}, keeps_only)


def _below(rules: _Rules, *, keeps_only: bool) -> _Way | _End:
    """What a field undergoes; a path that ends at it swallows longer ones, but for what stays of the removed."""
    ends = {end for names, end in rules if not names}
    longer = [(names, end) for names, end in rules if names]
    if _End.MEASURE in ends:
        return _End.MEASURE
    if _End.KEEP_PLAIN in ends:
        return _End.KEEP_PLAIN
    if keeps_only or _End.REMOVE in ends:
        stays = [(names, end) for names, end in longer if end is not _End.REMOVE]
        return _way(stays, keeps_only=True) if stays else _End.REMOVE
    return _way(longer, keeps_only=False)


def _scrubbed(value: bytes, way: _Way | _End) -> bytes | None:
    """What stays of a value, ``None`` for nothing."""
    kind = value[:1]
    if way is _End.REMOVE:
        return None
    if kind == b"[":
        return _array(value, way)
    if kind == b"n":
        return value
    return _measured(value) if way is _End.MEASURE else _text_or_object(value, kind, way)


def _text_or_object(value: bytes, kind: bytes, way: _Way | _End) -> bytes | None:
    if kind == b"{":
        return _object(value, way) if isinstance(way, _Way) else None
    if isinstance(way, _Way):
        text = _json_in(value) if kind == b'"' else None
        return _string(value, text, way) if text else None if way.keeps_only else value
    return None if _OBJECT_IN_TEXT.match(value) else value


def _measured(value: bytes) -> bytes | None:
    if value.startswith(b'"'):
        return b'{"length":%d}' % len(_TEXT.decode(value))
    return value if _LENGTH_OF_TEXT.fullmatch(value) else None


def _array(value: bytes, way: _Way | _End) -> bytes:
    elements = [bytes(element) for element in _ARRAY.decode(value)]
    kept = [left for element in elements if (left := _scrubbed(element, way)) is not None]
    return value if kept == elements else b"[%b]" % b",".join(kept)


def _object(value: bytes, way: _Way) -> bytes:
    sources = fields_of(value)
    if not way.keeps_only and all(way.of(name) is None for name in sources):
        return value
    fields = [(name, bytes(source)) for name, source in sources.items()]
    if doubled_field(value, sources) is not None:
        # Of a doubled field the last is not all there is.
        fields = list(_members(value))
    kept = []
    for name, source in fields:
        below = way.of(name)
        if below is _End.REMOVE:
            continue
        left = source if below is None else _scrubbed(source, below)
        if left is not None:
            kept.append((name, left))
    if kept == fields:
        return value
    return b"{%b}" % b",".join([b"%b:%b" % (_quoted(name), source) for name, source in kept])


def _members(value: bytes) -> Iterator[tuple[str, bytes]]:
    """All members of a well-formed object, doubled ones too."""
    depth, begun = 0, 0
    name = ""
    for match in _STRING_OR_MARK.finditer(value):
        mark = match.group()
        depth += (mark in {b"{", b"["}) - (mark in {b"}", b"]"})
        if depth == 1 and mark == b":":
            name = _TEXT.decode(value[begun : match.start()])
        elif (depth == 1 and mark == b",") or depth == 0:
            yield name, value[begun : match.start()].strip()
        elif not (depth == 1 and mark == b"{"):
            continue
        begun = match.end()


def _json_in(value: bytes) -> bytes | None:
    """The object or array that a string holds, if it holds one.

    :raises _UnreadableError: it seems to hold one, but cannot be read.
    """
    text = _TEXT.decode(value).strip().encode()
    if text[:1] not in {b"{", b"["}:
        return None
    if is_too_deep(text):
        raise _UnreadableError(_TOO_DEEP)
    try:
        _ANY_VALUE.decode(text)
    except msgspec.DecodeError as error:
        raise _UnreadableError(_NOT_JSON) from error
    return text


def _string(value: bytes, text: bytes, way: _Way) -> bytes | None:
    scrubbed = _scrubbed(text, way)
    if scrubbed is None or scrubbed == text:
        return None if scrubbed is None else value
    return json.dumps(scrubbed.decode(), ensure_ascii=False).encode()
