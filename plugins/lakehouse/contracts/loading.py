"""From YAML files to checked contracts: every problem of every file at once, each with its line and its remedy."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, permutations
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lakehouse.contracts.column_judge import constant_problems
from lakehouse.contracts.contract import ColumnRule, Contract, EventRule
from lakehouse.contracts.document import Document, KeyPath
from lakehouse.contracts.errors import ContractError, ContractProblem
from lakehouse.contracts.files_contract import FilesContract
from lakehouse.contracts.kafka_contract import KafkaContract
from lakehouse.contracts.kinds import ANY_CONTRACT, KINDS, AnyContract
from lakehouse.tables.definition import TableDefinition

_SHOWN_CHARACTERS = 80
_REMEDIES = {
    "not_yet": "Leave the key out; what happens without it is said in the README.",
    "size": "Write 1000000, 256MB or 1GB.",
    "duration": "Write 15m, 24h or 7d.",
    "zone": "Use an IANA name such as Asia/Kolkata or UTC.",
    "cron": 'Write five fields, such as "*/15 * * * *".',
    "bucket": "Write the name alone, such as warehouse; paths are s3://bucket/key.",
    "key": "Write what comes after s3://bucket/, such as staging/events_*.csv.",
    "encoding": "Use a name Python knows: utf-8, utf-16, latin-1, windows-1252.",
    "time_format": "Write a strptime format with its % directives, such as %d/%m/%Y %H:%M.",
    "string_type": "Put the value in quotes.",
    "string_pattern_mismatch": "Use lower-case letters, digits and _, beginning with a letter.",
    "bool_type": "Write true or false.",
    "section": "Remove the section, or correct from.format.",
    "events": "Leave out when of the event that every record is, and unknown_columns.",
    "arrival": "Add a schedule: it finds what nobody noticed, and what came while the DAG was paused.",
    "archive_prefix": "Write a folder such as archive/parking/; not under _spool/ or _staging_metastore/.",
    "after_load": "An archive has a prefix, a deletion has days, keep and tag have neither.",
    "archive": "Give after_load.prefix a folder that from.key cannot match.",
    "topic": "Topics have up to 249 letters, digits, ., _ and -.",
    "pattern": "Write a regular expression that whole names of topics match.",
    "topics": "Give one of the two.",
    "constant": "Keep value alone, or use default.",
    "object": "Keep object, or from.",
    "unmapped": "Write a map, or leave out unmapped.",
    "path": "Write names joined with single dots, such as service.address.locality.code.",
    "scrub_except": "Name in scrub what is removed, and in scrub_except what stays of it.",
}  # fmt: skip


def load_contract(
    path: Path, tables: Mapping[str, TableDefinition], *, environment: Mapping[str, str] | None = None
) -> AnyContract:
    """Read and check one file.

    :param tables: the tables a contract may target, by full name.
    :param environment: for ``${NAME}``; the process environment by default.
    :raises ContractError: with everything that is wrong with the file.
    """
    contract, _ = _load(path, tables, os.environ if environment is None else environment)
    return contract


def load_contracts(
    directory: Path, tables: Mapping[str, TableDefinition], *, environment: Mapping[str, str] | None = None
) -> Mapping[str, AnyContract]:
    """Read and check every ``*.yaml`` of a directory, and that nothing is taken by two contracts; by name.

    :raises ContractError: with everything that is wrong with any of the files.
    """
    variables = os.environ if environment is None else environment
    problems: list[ContractProblem] = []
    loaded: list[tuple[AnyContract, Document]] = []
    for path in sorted(directory.glob("*.yaml")):
        try:
            loaded.append(_load(path, tables, variables))
        except ContractError as error:
            problems += error.problems
    for (first, _), (second, document) in combinations(loaded, 2):
        if first.overlaps(second):
            problems.append(_overlap_problem(first, document))
    for (taker, _), (archiver, document) in permutations(loaded, 2):
        problems += _archive_problems(taker, archiver, document)
    if problems:
        raise ContractError(problems)
    return {contract.name: contract for contract, _ in loaded}


def _load(
    path: Path, tables: Mapping[str, TableDefinition], environment: Mapping[str, str]
) -> tuple[AnyContract, Document]:
    document = Document(path, environment=environment)
    problems = list(document.problems)
    contract = None
    try:
        # As JSON and not as Python: strict, yet a list may become a tuple and a text an enum.
        contract = ANY_CONTRACT.validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        problems += [_explained(document, details) for details in error.errors(include_url=False)]
    else:
        problems += _name_problems(contract, document)
        problems += _target_problems(contract, document, tables)
    if problems or contract is None:
        raise ContractError(problems)
    return contract, document


def _overlap_problem(first: AnyContract, document: Document) -> ContractProblem:
    match first:
        case FilesContract():
            problem = f"{first.name} takes some of the same keys ({first.origin.key})."
            remedy = "Make the two patterns differ before their first wildcard, or in their suffix."
            return document.problem(("from", "key"), problem, remedy)
        case KafkaContract():
            problem = f"{first.name} takes some of the same topics ({first.origin.topic or first.origin.pattern})."
            return document.problem(("from",), problem, "A message is loaded once: keep one of the two contracts.")
        case _:
            raise AssertionError(first)


def _archive_problems(taker: AnyContract, archiver: AnyContract, document: Document) -> Iterator[ContractProblem]:
    if (
        isinstance(taker, FilesContract)
        and isinstance(archiver, FilesContract)
        and taker.may_take_what_is_archived_by(archiver)
    ):
        problem = f"{taker.name} would load again what is archived there ({taker.origin.key})."
        yield document.problem(("after_load", "prefix"), problem, "Name a folder that no contract looks into.")


def _explained(document: Document, details: ErrorDetails) -> ContractProblem:
    kind, *rest = details["loc"] or ("",)
    key = tuple(rest)
    written = details["input"]
    remedy = _REMEDIES.get(details["type"], "")
    match details["type"]:
        case "union_tag_not_found" if isinstance(written, dict):
            return document.problem(("kind",), "The key is missing.", f"Add it: one of {', '.join(KINDS)}.")
        case "union_tag_invalid":
            tag, known = details["ctx"]["tag"], details["ctx"]["expected_tags"]
            return document.problem(("kind",), f"{_cut(repr(tag))} is not one of {known}.")
        case "extra_forbidden":
            return _unknown_key(document, key, kind=str(kind))
        case "missing":
            return document.problem(key, "The key is missing.", "Add it.")
        case "enum" | "literal_error":
            return document.problem(key, f"{_cut(repr(written))} is not {details['ctx']['expected']}.", remedy)
        case _:
            it_is = f" (it is {_cut(json.dumps(written))})" if _is_scalar(written) else ""
            return document.problem(key, f"{details['msg']}{it_is}.", remedy)


def _unknown_key(document: Document, key: KeyPath, *, kind: str) -> ContractProblem:
    others = [other for other, model in KINDS.items() if len(key) == 1 and key[0] in _keys_of(model)]
    if others:
        problem = f"A contract of kind {kind} has no such key."
        return document.problem(key, problem, f"Remove it, or make the kind {' or '.join(others)}.")
    return document.problem(key, "There is no such key.", _did_you_mean(str(key[-1]), _keys_at(key[:-1], kind)))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _keys_at(key: KeyPath, kind: str) -> list[str]:
    """The keys a contract of a kind may have below a key that is there."""
    sections = {field.alias or name: field.annotation for name, field in KINDS[kind].model_fields.items()}
    match key:
        case ():
            return list(sections)
        case ("columns", _) | ("events", _, "columns", _):
            section: object = ColumnRule
        case ("events", _):
            section = EventRule
        case _:
            section = sections[str(key[0])]
    return _keys_of(section) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _keys_of(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known are {', '.join(known)}."


def _name_problems(contract: Contract, document: Document) -> Iterator[ContractProblem]:
    if contract.name != document.path.stem:
        problem = f"The name {contract.name} is not that of the file, {document.path.name}."
        yield document.problem(("name",), problem, "Make the two the same: runs, logs and ledger use the name.")


def _target_problems(
    contract: Contract, document: Document, tables: Mapping[str, TableDefinition]
) -> Iterator[ContractProblem]:
    table = tables.get(contract.target)
    if table is None:
        remedy = _did_you_mean(contract.target, sorted(tables))
        yield document.problem(("target",), f"There is no table {contract.target}.", remedy)
        return
    yield from _column_problems(contract, contract.columns, ("columns",), document, table)
    for (name, event), of_event in zip(contract.record_events.items(), contract.by_event(), strict=False):
        yield from _column_problems(of_event, event.columns, ("events", name, "columns"), document, table)


def _column_problems(
    contract: Contract, names: Iterable[str], at: KeyPath, document: Document, table: TableDefinition
) -> Iterator[ContractProblem]:
    for name in names:
        if name not in table.column_names:
            remedy = _did_you_mean(name, table.column_names)
            yield document.problem((*at, name), f"{table.name} has no column {name}.", remedy)
            continue
        for keys, refusal in constant_problems(contract, table.column(name), table):
            remedy = f"The column is of type {table.column(name).type}."
            yield document.problem((*at, name, *keys), f"{refusal.detail}.", remedy)
