"""Puts the figures of the last runs into README, between its two marks.

.venv/bin/python -m bench.figures
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import click

from bench.report import RESULTS
from stack.layout import CLONE

README = CLONE / "README.md"
_MARKS = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)
_HEADINGS = ("case", "rows", "seconds", "rows/s", "MB/s", "peak MB")
#: Details that get a column where a case has them.
_DETAILS = {
    "p95_seconds": "p95 s",
    "cycle_seconds": "cycle s",
    "files_before": "files before",
    "files_after": "files after",
    "bytes_before": "bytes before",
    "bytes_after": "bytes after",
}


@click.command(help=__doc__.partition("\n")[0])
def main() -> None:
    """Write the section anew."""
    sections = [
        section_of(path.stem, json.loads(path.read_text("utf-8"))) for path in sorted(RESULTS.glob("*.json"))
    ]
    if not sections:
        raise click.ClickException(f"there are no results in {RESULTS}; run a benchmark first")
    text = README.read_text(encoding="utf-8")
    written = _MARKS.sub(lambda marks: f"{marks[1]}{chr(10).join(sections)}{marks[2]}", text)
    README.write_text(written, encoding="utf-8")


def section_of(name: str, report: dict[str, Any]) -> str:
    """One benchmark as Markdown: where it ran, and its cases."""
    machine = report["machine"]
    where = (
        f"{machine['cpu']}, {machine['cpus']} processors" if "cpu" in machine else f"{machine['cpus']} processors"
    )
    when = f", {machine['measured_at'][:10]}" if "measured_at" in machine else ""
    details = [detail for detail in _DETAILS if any(detail in case for case in report["cases"])]
    headings = [*_HEADINGS, *(_DETAILS[detail] for detail in details)]
    lines = [
        f"`{name}`: {where}, {machine.get('memory_gb', '?')} GB, CPython {machine['python']}{when}",
        "",
        f"| {' | '.join(headings)} |",
        f"|---{'|---:' * (len(headings) - 1)}|",
        *(row_of(case, details) for case in report["cases"]),
        "",
    ]
    return "\n".join(lines) + "\n"


def row_of(case: dict[str, Any], details: Sequence[str] = ()) -> str:
    """A case as a line of the table.

    :param details: that have a column of their own.
    """
    figures = (
        f"{case['rows']:,}",
        f"{case['seconds']:,.1f}",
        f"{case['rows_per_second']:,.0f}",
        "" if case.get("mb_per_second") is None else f"{case['mb_per_second']:,.1f}",
        "" if case.get("peak_rss_mb") is None else f"{case['peak_rss_mb']:,.0f}",
        *(f"{case[detail]:,}" if detail in case else "" for detail in details),
    )
    return f"| {case['case']} | {' | '.join(figures)} |"


if __name__ == "__main__":
    main()
