"""One column of the target under one contract: from the text of a value to what is stored, or to a refusal."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from lakehouse.contracts.contract import ColumnRule, Contract, Unmapped
from lakehouse.contracts.partition_texts import parser_of_partition_texts
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.contracts.value_types import Value, ValueParser, parser_of, shown
from lakehouse.tables.definition import Column, ColumnType, TableDefinition

#: Where both are columns of the target, a record without the first has the UTC day of the second.
DERIVED_DAY, DERIVED_FROM = "event_date", "event_time"

_JSON_SUFFIXES = ("_json", "_payload")


@dataclass(frozen=True)
class ColumnJudge:
    """How one column gets its value.

    :param field: the source's field; ``None`` where every record has the constant, or several fields are read.
    :param alternatives: the fields of which the first that has a value is taken.
    :param members: of the JSON object that is made: the member's name, quoted, and its field.
    :param takes_json: objects and arrays are taken as their text.
    :param nulls: texts that mean "no value".
    :param default: taken where there is no value.
    :param mapping: what each text becomes, before it is held against ``allowed`` and parsed.
    :param keeps_unmapped: a text that the mapping does not name stays as it is, and is not refused.
    :param allowed: whether a text is one the contract allows; ``None`` where all are.
    :param parse: from text to the typed value; ``None`` where the text is the value.
    """

    column: Column
    field: str | None
    alternatives: tuple[str, ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    takes_json: bool = False
    required: bool = False
    nulls: frozenset[str] = frozenset()
    default: Value | None = None
    mapping: Mapping[str, str] | None = None
    keeps_unmapped: bool = False
    allowed: Callable[[str], bool] | None = None
    parse: ValueParser | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Everything that it asks a record for."""
        if self.field is not None:
            return (self.field,)
        return self.alternatives or tuple(field for _, field in self.members)

    @property
    def is_flat(self) -> bool:
        """Whether it needs no more than one field, which can only lie at the top of a record."""
        return not (self.alternatives or self.members) and "." not in (self.field or "")

    @property
    def takes_any_text(self) -> bool:
        """Whether every text, and no text, is its own value, so that there is nothing to judge."""
        return not (
            self.required
            or self.nulls
            or self.default is not None
            or self.mapping is not None
            or self.allowed is not None
            or self.parse is not None
        )

    def judge(self, text: str | None) -> Value | Refusal | None:
        """The stored value of a field's text, ``None`` for no value, or why it is refused."""
        if text is None or text in self.nulls:
            if self.default is None and self.required:
                return Refusal(Reason.MISSING_FIELD, "the record has no value for it", self.column.name)
            return self.default
        if self.mapping is not None:
            if text not in self.mapping and not self.keeps_unmapped:
                return Refusal(Reason.NOT_ALLOWED, f"{shown(text)} is not in the map", self.column.name)
            text = self.mapping.get(text, text)
        if self.allowed is not None and not self.allowed(text):
            return Refusal(Reason.NOT_ALLOWED, f"{shown(text)} is not an allowed value", self.column.name)
        if self.parse is None:
            return text
        value = self.parse(text)
        return replace(value, column=self.column.name) if isinstance(value, Refusal) else value

    def has_value(self, text: str | None) -> bool:
        """Whether a text, of several fields, is worth taking: one that the mapping names, if there is one."""
        return text is not None and text not in self.nulls and (self.mapping is None or text in self.mapping)


def column_judges(contract: Contract, table: TableDefinition) -> tuple[ColumnJudge, ...]:
    """A judge for each column of the table, in its order.

    The contract must have been checked against the table (:func:`lakehouse.contracts.loading.load_contract`).
    """
    derives_day = {DERIVED_DAY, DERIVED_FROM} <= set(table.column_names)
    return tuple(
        # Whether a derived day is missing is known only when the time was read.
        replace(judge, required=False) if derives_day and judge.column.name == DERIVED_DAY else judge
        for judge in (_judge_of(contract, column, table) for column in table.columns)
    )


def constant_problems(
    contract: Contract, column: Column, table: TableDefinition
) -> Iterator[tuple[tuple[str, ...], Refusal]]:
    """What a contract writes to have stored in a column (value, default, mapped values) but cannot be.

    Each with its keys below those of the column's rule, and why.
    """
    rule = contract.rule(column.name)
    written: dict[tuple[str, ...], Value | None] = {("value",): rule.value, ("default",): rule.default}
    written |= {("map", text): mapped for text, mapped in (rule.mapping or {}).items()}
    allowed, parse = _allowed_by(rule), _parser(contract, column, table)
    for keys, constant in written.items():
        if constant is None:
            continue
        text = _text_of(constant)
        if allowed is not None and not allowed(text):
            yield keys, Refusal(Reason.NOT_ALLOWED, f"{shown(text)} is not among the allowed values", column.name)
        elif parse is not None and isinstance(refusal := parse(text), Refusal):
            yield keys, refusal
    if rule.members is not None and column.type is not ColumnType.VARCHAR:
        yield ("object",), Refusal(Reason.WRONG_TYPE, "An object is a text", column.name)


def _judge_of(contract: Contract, column: Column, table: TableDefinition) -> ColumnJudge:
    rule = contract.rule(column.name)
    parse = _parser(contract, column, table)
    if rule.value is not None:
        return ColumnJudge(column=column, field=None, default=_stored(rule.value, parse))
    members = rule.members or {}
    takes_json = column.name.endswith(_JSON_SUFFIXES) if rule.json_text is None else rule.json_text
    return ColumnJudge(
        column=column,
        field=None if rule.is_made_of_several else str(rule.field or column.name),
        alternatives=rule.field if isinstance(rule.field, tuple) else (),
        members=tuple((json.dumps(name, ensure_ascii=False), field) for name, field in members.items()),
        takes_json=takes_json and column.type is ColumnType.VARCHAR,
        required=rule.required,
        nulls=frozenset(contract.nulls),
        default=None if rule.default is None else _stored(rule.default, parse),
        mapping=rule.mapping,
        keeps_unmapped=rule.unmapped is Unmapped.KEEP,
        allowed=_allowed_by(rule),
        parse=parse,
    )


def _parser(contract: Contract, column: Column, table: TableDefinition) -> ValueParser | None:
    if column.type is ColumnType.VARCHAR and column.name in table.partitioning:
        return parser_of_partition_texts(column.name)
    return parser_of(column.type, zone=contract.times.zone, time_formats=contract.times.formats)


def _stored(constant: Value, parse: ValueParser | None) -> Value:
    text = _text_of(constant)
    value = text if parse is None else parse(text)
    if isinstance(value, Refusal):
        raise TypeError(value.detail)
    return value


def _text_of(constant: Value) -> str:
    return constant if isinstance(constant, str) else json.dumps(constant)


def _allowed_by(rule: ColumnRule) -> Callable[[str], bool] | None:
    if rule.allowed is None:
        return None
    if isinstance(rule.allowed, tuple):
        return frozenset(rule.allowed).__contains__
    matches = re.compile(fnmatch.translate(rule.allowed)).match
    return lambda text: matches(text) is not None
