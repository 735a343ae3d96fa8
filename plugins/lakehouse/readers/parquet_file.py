"""The rows of a Parquet file, a batch at a time, in bounded memory.

What a Parquet file holds is said at its end, and a stream cannot be read from there: the file is copied to a
temporary one first. That takes as much room as the file has uncompressed, in the directory that ``TMPDIR`` names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lakehouse.readers.arrow_json import is_text
from lakehouse.readers.errors import DamagedFileError
from lakehouse.readers.record_batches import BATCH_BYTES
from lakehouse.readers.source_text import decompressed
from lakehouse.readers.temporary_copy import temporary_copy

if TYPE_CHECKING:
    Array = pa.Array[Any]


#: Read of each column at a time, instead of all that a row group has of it.
_BUFFER_BYTES = 1 << 20
#: Read at a time where texts may share their beginnings: the size of a row group does not tell their length then.
_ROWS_NOT_NUMBERED = 4_096


class _CannotBeNumberedError(Exception):
    """A batch cannot be read with its texts numbered, perhaps because it is damaged.

    Texts may also be encoded (DELTA_BYTE_ARRAY and the like) so that Arrow reads them, but not numbered. What says
    so beforehand, the metadata of a column, ends the process when it is damaged.
    """


@contextlib.contextmanager
def open_parquet(stream: BinaryIO) -> Iterator[ParquetFile | None]:
    """A copy of the file in a stream, compressed as a whole or not; ``None`` if it has not one byte.

    :raises DamagedFileError: the stream is cut short, or what it holds is no Parquet file.
    :raises TemporarySpaceError: there is no room for the copy.
    """
    with temporary_copy(decompressed(stream)) as copy:
        yield ParquetFile(copy) if copy.tell() else None


class ParquetFile:
    """A Parquet file that can be read from any place. Any method may find out that it is damaged.

    :ivar types: of the columns, as messages name them.
    :raises DamagedFileError: by each method.
    """

    def __init__(self, file: IO[bytes]) -> None:
        with _damage():
            schema = _opened(file).schema_arrow
            self.types = [str(field.type) for field in schema]
            # Repeated texts stay numbered until it is known how many rows fit in memory.
            self._numbered = [field.name for field in schema if is_text(field.type)]
            self._copy = file
            self._file = _opened(file, numbered=self._numbered)

    @property
    def names(self) -> Sequence[str]:
        return self._file.schema_arrow.names

    def batches(self, *, start: int, batch_records: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The rows from position ``start`` on, in batches of at most about :data:`BATCH_BYTES`, not empty.

        Each comes with the position of its first row.
        """
        while True:
            try:
                for first, batch in self._batches_since(start, batch_records=batch_records):
                    yield first, batch
                    start = first + batch.num_rows
            except _CannotBeNumberedError:
                with _damage():
                    self._numbered = []
                    self._file = _opened(self._copy)
            else:
                return

    def _batches_since(self, start: int, *, batch_records: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        groups, position = self._row_groups_since(start)
        for batch in self._read(groups, batch_records=batch_records):
            passed = max(0, start - position)
            for first, part in _parts(batch.slice(passed)):
                yield position + passed + first, part
            position += batch.num_rows
        rows = self._file.metadata.num_rows
        if position != rows:
            raise DamagedFileError(problem=f"it has {position} rows where its footer says {rows}")

    def _row_groups_since(self, start: int) -> tuple[list[int], int]:
        """The row groups that have rows from ``start`` on, and the position of their first row."""
        with _damage():
            metadata = self._file.metadata
            counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        ends = list(accumulate(counts))
        groups = [group for group, end in enumerate(ends) if end > start]
        passed = len(ends) - len(groups)
        return groups, ends[passed - 1] if passed else 0

    def _read(self, groups: list[int], *, batch_records: int) -> Iterator[pa.RecordBatch]:
        with _damage():
            metadata = self._file.metadata
            sizes = [metadata.row_group(group) for group in groups]
            largest_row = max((size.total_byte_size // max(1, size.num_rows) for size in sizes), default=0)
            most = batch_records if self._numbered else min(batch_records, _ROWS_NOT_NUMBERED)
            rows = max(1, min(most, BATCH_BYTES // max(1, largest_row)))
            batches = self._file.iter_batches(batch_size=rows, row_groups=groups)
        while True:
            with _damage():
                try:
                    batch = next(batches, None)
                except (OSError, pa.ArrowException) as error:
                    if not self._numbered or (isinstance(error, OSError) and error.errno is not None):
                        raise
                    raise _CannotBeNumberedError from error
            if batch is None:
                return
            for column in batch.columns:
                _check_numbers(column)
            yield batch


def _opened(file: IO[bytes], *, numbered: list[str] | None = None) -> pq.ParquetFile:
    return pq.ParquetFile(
        file,
        read_dictionary=numbered,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
        # As nanoseconds, which is what else these come as, times after 2262 turn into others without a word.
        coerce_int96_timestamp_unit="us",
    )


def _check_numbers(array: Array) -> None:
    """Arrow takes the numbers of numbered values as they stand in a page, whether there are such values or not.

    :raises DamagedFileError: there are not.
    """
    if isinstance(array, pa.DictionaryArray):
        lowest, highest = pc.min(array.indices).as_py(), pc.max(array.indices).as_py()
        if lowest is not None and not 0 <= lowest <= highest < len(array.dictionary):
            raise DamagedFileError(problem=f"a page has value number {highest} of {len(array.dictionary)}")
    elif isinstance(array, pa.StructArray):
        for place in range(array.type.num_fields):
            _check_numbers(array.field(place))
    elif isinstance(array, pa.MapArray):
        _check_numbers(array.keys)
        _check_numbers(array.items)
    elif isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        _check_numbers(array.values)


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """What is raised on reading a damaged file, by its one name."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            # Not the file, but the disk that the copy lies on.
            raise
        raise DamagedFileError(problem=f"it cannot be read as Parquet ({error})") from error


def _parts(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """A batch in parts whose texts fit in memory written out, each with the index of its first row."""
    ends = np.cumsum(_text_bytes(batch))
    first = 0
    while first < batch.num_rows:
        held = ends[first - 1] if first else 0
        next_first = max(first + 1, int(np.searchsorted(ends, held + BATCH_BYTES, side="right")))
        yield first, batch.slice(first, next_first - first)
        first = next_first


def _text_bytes(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """How many bytes the numbered texts of each row have."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray) and is_text(column.type.value_type):
            lengths: Array = pc.binary_length(cast("pa.BinaryArray", column.dictionary.cast(pa.binary())))
            sizes += lengths.take(column.indices).fill_null(0).to_numpy(zero_copy_only=False)
    return sizes
