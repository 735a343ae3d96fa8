"""How fast decoders of JSON lines turn a file into columns, and what they do to its text and to bad records.

    python -m feed --out /tmp/feed --events 200000 --bad 0
    uv run --no-project --with duckdb --with polars python bench/decoders.py /tmp/feed/*.jsonl

Every decoder gives the same columns: a day, an instant, texts, and `attributes_json` as text if it can. Each runs
in a process of its own, once to warm up and then as often as asked; the best run counts, in CPU seconds of all
threads, so that other work on the machine matters little. The probes are files of three records, of which the
second is odd.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import click
import duckdb
import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.json as pj
from rich.console import Console
from rich.table import Table

from lakehouse.readers import reader_for
from lakehouse.sources import read_source

RESULTS = Path(__file__).parent / "results" / "decoders.json"
TEXTS = (
    "tenant_id",
    "service",
    "entity_type",
    "entity_id",
    "event_type",
    "status",
    "actor_type",
    "actor_id",
    "channel",
    "ward_id",
    "locality_id",
)
#: Where a table that comes with rejects has their reasons.
REJECTS = b"rejects"
#: The first and the third record of a probe.
GOOD = '{"event_date":"2024-12-01","event_time":"2024-12-01T10:00:00Z","tenant_id":"a","attributes_json":{"b":1}}'
#: What the second of three records has instead of being like the others.
PROBES = {
    "object kept byte for byte": '"attributes_json":{ "cost" : 1.50, "by":"\\u00e9" }',
    "number kept as written": '"tenant_id":1.50',
    "cut short": '"tenant_id":"b"',
    "field twice": '"tenant_id":"a","tenant_id":"b"',
    "wrong type": '"tenant_id":{"a":1}',
    "day out of range": '"event_date":"2024-02-30"',
    "NaN": '"tenant_id":NaN',
    "half a surrogate pair": '"tenant_id":"\\ud800"',
}
SENT = {"object kept byte for byte": '{ "cost" : 1.50, "by":"\\u00e9" }', "number kept as written": "1.50"}


def by_duckdb(path: Path) -> pa.Table:
    """DuckDB's JSON reader, types declared."""
    columns = {"event_date": "DATE", "event_time": "TIMESTAMPTZ", "attributes_json": "JSON"} | dict.fromkeys(
        TEXTS, "VARCHAR"
    )
    query = "select * from read_json($path, format = 'newline_delimited', columns = $columns)"
    return _connection().sql(query, params={"path": str(path), "columns": columns}).to_arrow_table()


def by_duckdb_keeping_text(path: Path) -> pa.Table:
    """DuckDB, each line kept as text and its fields extracted; bad values become null."""
    fields = ", ".join(f"json ->> '$.{name}' as {name}" for name in TEXTS)
    query = f"""
        select
            try_cast(json ->> '$.event_date' as date) as event_date,
            try_cast(json ->> '$.event_time' as timestamptz) as event_time,
            json -> '$.attributes_json' as attributes_json,
            {fields}
        from read_ndjson_objects($path, ignore_errors = true)
    """  # noqa: S608 - of the names above
    return _connection().sql(query, params={"path": str(path)}).to_arrow_table()


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set enable_progress_bar = false")
    return connection


def by_polars(path: Path) -> pa.Table:
    """Polars' JSON lines reader, types declared; times are parsed after."""
    schema = dict.fromkeys(("event_date", "event_time", *TEXTS, "attributes_json"), pl.String)
    frame = pl.read_ndjson(path, schema=schema).with_columns(
        pl.col("event_date").str.to_date(), pl.col("event_time").str.to_datetime(time_zone="UTC")
    )
    return frame.to_arrow()


def by_pyarrow(path: Path) -> pa.Table:
    """PyArrow's JSON reader, types declared; an object cannot be had as text."""
    declared = pa.schema(
        [("event_date", pa.string()), ("event_time", pa.string()), *((name, pa.string()) for name in TEXTS)]
    )
    table = pj.read_json(path, parse_options=pj.ParseOptions(explicit_schema=declared))
    place = table.schema.get_field_index("event_date")
    return table.set_column(place, "event_date", table.column("event_date").cast(pa.date32()))


def by_slices(path: Path) -> pa.Table:
    """msgspec, one record at a time into slices of the source; nothing is typed or judged."""
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    records = [decode(line) for line in path.read_bytes().splitlines()]
    names = ("event_date", "event_time", *TEXTS, "attributes_json")
    return pa.table({name: [bytes(record.get(name, b"")) for record in records] for name in names})


def by_lakehouse(path: Path) -> pa.Table:
    """The reader of this project: typed rows and rejects."""
    source = read_source("pgr_events_jsonl")
    relaxed = {name: rule.model_copy(update={"required": False}) for name, rule in source.contract.columns.items()}
    contract = source.contract.model_copy(update={"columns": relaxed})
    with path.open("rb") as stream:
        batches = list(reader_for(contract, source.table).read(stream))
    reasons = [str(reject.reason) for batch in batches for reject in batch.rejects]
    return pa.concat_tables([batch.rows for batch in batches]).replace_schema_metadata(
        {REJECTS: ", ".join(reasons)}
    )


DECODERS: dict[str, Callable[[Path], pa.Table]] = {
    "duckdb": by_duckdb,
    "duckdb, text kept": by_duckdb_keeping_text,
    "polars": by_polars,
    "pyarrow": by_pyarrow,
    "msgspec slices": by_slices,
    "lakehouse": by_lakehouse,
}
FAILURES = (duckdb.Error, pl.exceptions.PolarsError, pa.ArrowException, msgspec.DecodeError, UnicodeError)


@dataclass(frozen=True)
class Case:
    """One decoder on the whole file.

    :param seconds: CPU seconds of the best run.
    """

    case: str
    rows: int
    seconds: float
    rows_per_second: int
    mb_per_second: float
    peak_rss_mb: int


def measured(name: str, path: Path, runs: int) -> Case:
    """The best of some runs."""
    decode = DECODERS[name]
    rows = decode(path).num_rows
    seconds = min(_cpu_seconds(decode, path) for _ in range(runs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    size = path.stat().st_size / 1e6
    return Case(name, rows, round(seconds, 3), round(rows / seconds), round(size / seconds, 1), peak)


def _cpu_seconds(decode: Callable[[Path], pa.Table], path: Path) -> float:
    begun = time.process_time()
    decode(path)
    return time.process_time() - begun


def probed(name: str) -> dict[str, str]:
    """What a decoder makes of each odd record."""
    return {probe: _outcome(DECODERS[name], probe) for probe in PROBES}


def _outcome(decode: Callable[[Path], pa.Table], probe: str) -> str:
    odd = "{" + PROBES[probe] + ("" if probe == "cut short" else "}")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(f"{GOOD}\n{odd}\n{GOOD}\n")
        file.flush()
        try:
            table = decode(Path(file.name))
        except FAILURES as error:
            return f"file fails ({type(error).__name__})"
    column = PROBES[probe].split('"')[1]
    if reasons := (table.schema.metadata or {}).get(REJECTS):
        return f"reject: {reasons.decode()}"
    if table.num_rows != 3:
        return f"{table.num_rows} of 3 rows"
    value = table.column(column).to_pylist()[1] if column in table.column_names else None
    if probe in SENT:
        return "yes" if value in (SENT[probe], SENT[probe].encode()) else f"no: {value!r}"
    return f"taken: {value!r}"


@click.command(help=__doc__.partition("\n")[0])
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--runs", default=3, show_default=True)
def main(path: Path, runs: int) -> None:
    """Measure, probe, print and write the results."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        cases = [processes.submit(measured, name, path, runs).result() for name in DECODERS]
        probes = {name: processes.submit(probed, name).result() for name in DECODERS}
    versions = {name: version(name) for name in ("duckdb", "polars", "pyarrow", "msgspec")}
    machine = {
        "cpus": os.cpu_count(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": sys.version.split()[0],
    }
    report = {
        "machine": machine,
        "versions": versions,
        "cases": [asdict(case) for case in cases],
        "probes": probes,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    console = Console()
    console.print(_figures(cases))
    console.print(_verdicts(probes))


def _figures(cases: list[Case]) -> Table:
    table = Table("decoder", "rows", "CPU s", "rows/CPU s", "MB/CPU s", "peak MB")
    for case in cases:
        table.add_row(
            case.case, f"{case.rows:,}", f"{case.seconds}", f"{case.rows_per_second:,}", f"{case.mb_per_second}",
            f"{case.peak_rss_mb}",
        )  # fmt: skip
    return table


def _verdicts(probes: dict[str, dict[str, str]]) -> Table:
    table = Table("probe", *probes)
    for probe in PROBES:
        table.add_row(probe, *(outcomes[probe] for outcomes in probes.values()))
    return table


if __name__ == "__main__":
    main()
