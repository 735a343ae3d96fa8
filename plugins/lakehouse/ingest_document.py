"""What the web interface shows of a source: written from its contract, so that it is never out of date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jinja2

from lakehouse.contracts import FilesContract, KafkaContract, RowsContract
from lakehouse.contracts.after_load import AfterLoad, AfterLoadAction
from lakehouse.contracts.contract import ColumnRule, Unmapped
from lakehouse.load.rows import MOST_ROWS
from lakehouse.paths import INCLUDE
from lakehouse.sources import Source

_DOCUMENTS = INCLUDE / "documents"


def ingest_document(source: Source[FilesContract]) -> str:
    """The page of a file source, in Markdown."""
    return _rendered("ingest_files.md", contract=source.contract)


def ingest_rows_document(sources: Sequence[Source[RowsContract]]) -> str:
    """The page of the rows that people and programs hand over, in Markdown."""
    return _rendered("ingest_rows.md", contracts=[source.contract for source in sources], most_rows=MOST_ROWS)


def drain_document(source: Source[KafkaContract], *, minutes: int) -> str:
    """The page of a Kafka source, in Markdown.

    :param minutes: how long a run without a schedule of its own goes on.
    """
    return _rendered("ingest_kafka.md", contract=source.contract, minutes=minutes)


def _rendered(name: str, **context: object) -> str:
    # Renders Markdown, which Airflow makes safe to show.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    template = environment.from_string((_DOCUMENTS / name).read_text(encoding="utf-8"))
    return template.render(context, describe=_describe, describe_after_load=_describe_after_load)


def _describe(rule: ColumnRule) -> str:
    if rule.value is not None:
        return f"always `{rule.value}`"
    parts = [
        _describe_field(rule.field),
        f"made of {_listed(rule.members.values())}" if rule.members else "",
        f"mapped ({len(rule.mapping)} values, others {rule.unmapped or Unmapped.REJECT})" if rule.mapping else "",
        "required" if rule.required else "",
        f"one of `{rule.allowed}`" if rule.allowed else "",
        f"`{rule.default}` where the record has none" if rule.default is not None else "",
        "JSON text" if rule.json_text else "",
    ]
    return ", ".join(part for part in parts if part)


def _describe_after_load(section: AfterLoad) -> str:
    match section.action:
        case AfterLoadAction.TAG:
            return "gets the tag `lakehouse=loaded`"
        case AfterLoadAction.ARCHIVE:
            return f"is moved to `{section.prefix}`, unless rejects of it are open"
        case AfterLoadAction.DELETE:
            return f"is deleted, {section.days} days later, unless rejects of it are open"
        case _:
            return "stays"


def _describe_field(field: str | tuple[str, ...] | None) -> str:
    if isinstance(field, tuple):
        return f"from the first of {_listed(field)}"
    return f"from `{field}`" if field else ""


def _listed(fields: Iterable[str]) -> str:
    return ", ".join(f"`{field}`" for field in fields)
