"""SQL typed by a person: a statement, a script, or a prompt."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlparse
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.engine import Engine, Outcome, statement_of
from lakehouse.errors import LakehouseError

_HISTORY = Path("~/.lakehouse_sql_history")
_PROMPT = "lakehouse> "
_CONTINUATION = "        -> "


class OutputFormat(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def run_text(text: str, *, engine: Engine, output: OutputFormat, console: Console) -> None:
    """Run the statements of a text one after the other, each to its end.

    :raises LakehouseError: of the first statement that fails; later ones are not run.
    """
    for statement in statements_of(text):
        print_outcome(engine.execute(statement_of(statement)), output=output, console=console)


def statements_of(text: str) -> list[str]:
    """Split at semicolons outside quotes and comments; a text of comments alone is no statement."""
    stripped = (
        sqlparse.format(part, strip_comments=True).strip().rstrip(";").strip() for part in sqlparse.split(text)
    )
    return [statement for statement in stripped if statement]


def print_outcome(outcome: Outcome, *, output: OutputFormat, console: Console) -> None:
    """Print the rows of a query, or what a statement did."""
    if outcome.updated is not None:
        console.print(f"{outcome.updated:,} rows")
    elif not outcome.columns:
        console.print("done")
    elif output is OutputFormat.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(outcome.columns)
        writer.writerows(outcome.rows)
    elif output is OutputFormat.JSON:
        for record in outcome.records():
            sys.stdout.write(json.dumps(record, default=str, ensure_ascii=False) + "\n")
    else:
        _print_table(outcome, console=console)


def run_prompt(*, engine: Engine, output: OutputFormat, console: Console) -> None:
    """Read statements that end in a semicolon until ``quit`` or end of file; an error does not end the prompt."""
    console.print("SQL for Trino; end a statement with ;, leave with quit or Ctrl-D.")
    with _history():
        for text in _typed_statements():
            try:
                run_text(text, engine=engine, output=output, console=console)
            except LakehouseError as error:
                console.print(f"[red]{error.problem}[/red]", markup=True)


def _typed_statements() -> Iterator[str]:
    pending = ""
    while True:
        try:
            line = input(_CONTINUATION if pending else _PROMPT)
        except EOFError:
            return
        except KeyboardInterrupt:
            pending = ""
            sys.stdout.write("\n")
            continue
        if not pending and line.strip().rstrip(";").lower() in {"quit", "exit"}:
            return
        pending += line + "\n"
        if line.rstrip().endswith(";"):
            yield pending
            pending = ""


@contextlib.contextmanager
def _history() -> Iterator[None]:
    try:
        import readline  # noqa: PLC0415  (not on every platform)
    except ImportError:
        yield
        return
    path = _HISTORY.expanduser()
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)


def _print_table(outcome: Outcome, *, console: Console) -> None:
    table = Table(box=None, header_style="bold")
    for column in outcome.columns:
        table.add_column(column, overflow="fold")
    for row in outcome.rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)
    console.print(f"({len(outcome.rows)} rows)")


def _cell(value: Any) -> Text:
    # Text, so that a value with brackets is not taken for markup.
    return Text("NULL", style="dim") if value is None else Text(str(value))
