"""Records as the rows of a Parquet file, typed as an exporter from a database types them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from feed.defects import Defect
from feed.options import Compression
from feed.records import COLUMNS, record_of
from feed.timestamps import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from feed.cases import Event

Row: TypeAlias = list[Any]

ROW_GROUP_ROWS = 50_000
"""Rows that are kept in memory: about 50 MB of them."""

_TYPES = {"event_date": pa.date32(), "event_time": pa.timestamp("us", tz="UTC")}
SCHEMA = pa.schema([pa.field(name, _TYPES.get(name, pa.string())) for name in COLUMNS])
_STORED_AS: dict[pa.DataType, pa.DataType] = {
    pa.date32(): pa.int32(),
    pa.timestamp("us", tz="UTC"): pa.int64(),
    pa.string(): pa.binary(),
}

# What hardly repeats is not worth a dictionary.
_REPEATED = [name for name in COLUMNS if name not in {"event_time", "entity_id", "attributes_json", "raw_payload"}]
_CODECS: dict[Compression, Literal["none", "gzip", "zstd"]] = {
    Compression.NONE: "none",
    Compression.GZIP: "gzip",
    Compression.ZSTD: "zstd",
}

_EVENT_TIME = COLUMNS.index("event_time")
_TENANT_ID = COLUMNS.index("tenant_id")
_SERVICE = COLUMNS.index("service")
_ATTRIBUTES = COLUMNS.index("attributes_json")
_ACTOR_ID = COLUMNS.index("actor_id")


class ParquetFile:
    """The sink of one open file: `event_date` is a date, `event_time` an instant, everything else text."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._rows: list[Row] = []

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The ways a typed row can be damaged: fewer than a line of text, for a schema stands before it."""
        return tuple(_DAMAGE)

    def write(self, event: Event) -> None:
        """Append the event's row."""
        self._append(_row_of(event))

    def write_damaged(self, event: Event, defect: Defect) -> None:
        """Append a damaged copy of the event's row."""
        row = _row_of(event)
        _DAMAGE[defect](row)
        self._append(row)

    def _append(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == ROW_GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows at hand as one row group."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            # By way of bytes: text that is not UTF-8 goes into files too.
            arrays = [
                pa.array(values, _STORED_AS[field.type]).view(field.type)
                for values, field in zip(columns, SCHEMA, strict=True)
            ]
            self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA), row_group_size=ROW_GROUP_ROWS)
            self._rows = []


@contextmanager
def new_parquet_file(stream: IO[bytes], *, compression: Compression) -> Iterator[ParquetFile]:
    """Give the sink of a new file that is written to the stream, which stays open."""
    writer = pq.ParquetWriter(
        stream,
        SCHEMA,
        compression=_CODECS[compression],
        use_dictionary=_REPEATED,  # type: ignore[arg-type]  # its types do not know that columns can be named
        write_page_checksum=True,
    )
    with writer:
        sink = ParquetFile(writer)
        yield sink
        sink.flush()


def _row_of(event: Event) -> Row:
    row: Row = list(msgspec.structs.astuple(record_of(event, event_time="")))
    row[0] = event.time_ms // DAY_MS
    row[_EVENT_TIME] = event.time_ms * 1_000
    row[_ATTRIBUTES] = bytes(row[_ATTRIBUTES])
    return row


def _not_utf8(row: Row) -> None:
    row[_SERVICE] = b"P\xe9R"


def _tenant_null(row: Row) -> None:
    row[_TENANT_ID] = None


def _far_year(row: Row) -> None:
    row[_EVENT_TIME] *= 1_000


def _nul(row: Row) -> None:
    row[_ACTOR_ID] += "\x00"


_DAMAGE: dict[Defect, Callable[[Row], None]] = {
    Defect.NOT_UTF8: _not_utf8,
    Defect.TENANT_NULL: _tenant_null,
    Defect.FAR_YEAR: _far_year,
    Defect.NUL: _nul,
}
