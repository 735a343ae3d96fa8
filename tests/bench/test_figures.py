from __future__ import annotations

from typing import Any

from bench.figures import section_of


def case(name: str, **details: Any) -> dict[str, Any]:
    return {"case": name, "rows": 2_000, "seconds": 4.0, "rows_per_second": 500.0, **details}


def table_of(*cases: dict[str, Any]) -> list[list[str]]:
    report = {"machine": {"cpus": 2, "python": "3.11.7"}, "cases": list(cases)}
    lines = [line for line in section_of("arrival", report).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_detail_has_a_column_where_a_case_has_it():
    headings, _, first, second = table_of(
        case("small_file", p95_seconds=12.34), case("compaction", files_before=1_200, files_after=20)
    )
    assert headings[-3:] == ["p95 s", "files before", "files after"]
    assert first[-3:] == ["12.34", "", ""]
    assert second[-3:] == ["", "1,200", "20"]


def test_benchmarks_without_such_details_have_no_such_columns():
    headings, rule, line = table_of(case("jsonl_1m", peak_rss_mb=410, tasks=7))
    assert headings == ["case", "rows", "seconds", "rows/s", "MB/s", "peak MB"]
    assert len(rule) == len(line) == len(headings)
    assert line == ["jsonl_1m", "2,000", "4.0", "500", "", "410"]
