"""What the web interface shows of a source: written from its contract, so that it is never out of date."""

from __future__ import annotations

import jinja2

from lakehouse.contracts import FilesContract, KafkaContract
from lakehouse.contracts.contract import ColumnRule
from lakehouse.paths import INCLUDE
from lakehouse.sources import Source

_DOCUMENTS = INCLUDE / "documents"


def ingest_document(source: Source[FilesContract]) -> str:
    """The page of a file source, in Markdown."""
    return _rendered("ingest_files.md", contract=source.contract)


def drain_document(source: Source[KafkaContract], *, minutes: int) -> str:
    """The page of a Kafka source, in Markdown.

    :param minutes: how long a run without a schedule of its own goes on.
    """
    return _rendered("ingest_kafka.md", contract=source.contract, minutes=minutes)


def _rendered(name: str, **context: object) -> str:
    # Renders Markdown, which Airflow makes safe to show.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    template = environment.from_string((_DOCUMENTS / name).read_text(encoding="utf-8"))
    return template.render(describe=_describe, **context)


def _describe(rule: ColumnRule) -> str:
    if rule.value is not None:
        return f"always `{rule.value}`"
    parts = [
        f"from `{rule.field}`" if rule.field else "",
        "required" if rule.required else "",
        f"one of `{rule.allowed}`" if rule.allowed else "",
        f"`{rule.default}` where the record has none" if rule.default is not None else "",
        "JSON text" if rule.json_text else "",
    ]
    return ", ".join(part for part in parts if part)
