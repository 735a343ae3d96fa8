"""What one JSON record has for the columns of a contract: at its top, inside its objects, or composed of both.

A path is field names joined with dots. A field at the top that is called as the whole path goes before the path. A
path ends in no value where a field is absent or null on the way; any other value there is no object, and refused.
"""

from __future__ import annotations

from functools import lru_cache

from lakehouse.contracts.column_judge import ColumnJudge
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.json_record import Fields, doubled_field, fields_of, text_of

_KINDS = {'"': "a text", "[": "an array", "t": "true", "f": "false"}


def top_of(field: str) -> str:
    """The field at the top of a record that a path goes through."""
    return field.partition(".")[0]


@lru_cache(maxsize=4_096)
def _split(path: str) -> tuple[str, str]:
    """The way to a field, empty at the top, and its name."""
    way, _, name = path.rpartition(".")
    return way, name


class RecordValues:
    """The values of one record. Objects are parsed when a path first goes through them."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._objects: dict[str, Fields | Refusal | None] = {}

    def text(self, judge: ColumnJudge) -> str | Refusal | None:
        """The text that a column takes, ``None`` for no value; its refusal may name the field that it is about."""
        if judge.members:
            return self._object_text(judge)
        first: str | Refusal | None = None
        for field in judge.fields:
            text = self._text_at(field, takes_json=judge.takes_json)
            if isinstance(text, Refusal) or judge.has_value(text):
                return text
            first = text if first is None else first
        return first

    def _text_at(self, field: str, *, takes_json: bool) -> str | Refusal | None:
        source = self._source(field)
        if source is None or isinstance(source, Refusal):
            return source
        text = text_of(source, takes_json=takes_json)
        if isinstance(text, Refusal) and field not in self._fields:
            return Refusal(text.reason, f"{field} is {text.detail}")
        return text

    def _object_text(self, judge: ColumnJudge) -> str | Refusal | None:
        members = []
        for name, field in judge.members:
            source = self._source(field)
            if isinstance(source, Refusal):
                return source
            if source is not None and source != "null":
                members.append(f"{name}:{source}")
        return f"{{{','.join(members)}}}" if members else None

    def _source(self, field: str) -> str | Refusal | None:
        """The value of a field as it was sent."""
        value = self._fields.get(field)
        if value is None and "." in field:
            way, name = _split(field)
            inside = self._object(way)
            if inside is None or isinstance(inside, Refusal):
                return inside
            value = inside.get(name)
        return None if value is None else str(value, "utf-8")

    def _object(self, way: str) -> Fields | Refusal | None:
        if way not in self._objects:
            self._objects[way] = self._parsed(way)
        return self._objects[way]

    def _parsed(self, way: str) -> Fields | Refusal | None:
        above, name = _split(way)
        around = self._object(above) if above else self._fields
        if around is None or isinstance(around, Refusal):
            return around
        value = around.get(name)
        source = b"null" if value is None else bytes(value)
        if source == b"null":
            return None
        if not source.startswith(b"{"):
            kind = _KINDS.get(source[:1].decode(), "a number")
            return Refusal(Reason.WRONG_TYPE, f"{way} is {kind} where an object is wanted")
        fields = fields_of(source)
        if (doubled := doubled_field(source, fields)) is not None:
            return Refusal(Reason.DUPLICATE_FIELD, "the field stands twice", f"{way}.{doubled}")
        return fields
