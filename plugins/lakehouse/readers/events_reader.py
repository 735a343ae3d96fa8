"""Records that stand for several events each.

Of n kinds of event, the one in place k of record number r has position r * n + k. So a position is known from the
source and the number of kinds alone, whatever the record holds. Where a record has no such event, there is neither
row nor reject at its position. A record all of whose events would be refused for the same cause is one reject, at
the position of its first event: it cannot be told how many it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from lakehouse.readers.judged_batch import JudgedBatch, Reject
from lakehouse.readers.row_judge import POSITION
from lakehouse.readers.temporary_copy import readings, temporary_copy

if TYPE_CHECKING:
    from lakehouse.readers.reader import Reader


class EventsReader:
    """Reads a file once for each kind of event, side by side.

    :param readers: one for each kind, in order, which cut a file into the same batches.
    """

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[JudgedBatch]:
        """The file's events from position ``start`` on, judged.

        :raises DamagedFileError: the file cannot be read to its end.
        :raises SchemaMismatchError: its columns are not those the contract wants.
        :raises TemporarySpaceError: there is no room for the copy that it is read from.
        """
        kinds = len(self._readers)
        with temporary_copy(stream) as copy:
            streams = readings(copy, kinds)
            batches = (
                reader.read(own_stream, start=start // kinds)
                for reader, own_stream in zip(self._readers, streams, strict=True)
            )
            for of_kinds in zip(*batches, strict=True):
                yield _since(start, _merged(of_kinds))

    def close(self) -> None:
        for reader in self._readers:
            reader.close()


def _merged(batches: Sequence[JudgedBatch]) -> JudgedBatch:
    """What the kinds of events made of the same records."""
    kinds = len(batches)
    rows = pa.concat_tables([_placed(batch.rows, kind, kinds) for kind, batch in enumerate(batches)])
    unknown = batches[0].unknown_columns
    for batch in batches[1:]:
        # A field that one event takes is not unknown.
        unknown = {name: count for name, count in unknown.items() if name in batch.unknown_columns}
    return JudgedBatch(
        rows.sort_by(POSITION),
        _rejects([{reject.position: reject for reject in batch.rejects} for batch in batches]),
        batches[0].first_position * kinds,
        batches[0].next_position * kinds,
        unknown,
    )


def _placed(rows: pa.Table, kind: int, kinds: int) -> pa.Table:
    positions = rows.column(POSITION).to_numpy() * kinds + kind
    return rows.set_column(0, POSITION, pa.array(positions, pa.int64()))


def _rejects(by_kind: Sequence[Mapping[int, Reject]]) -> tuple[Reject, ...]:
    kinds = len(by_kind)
    rejects = []
    for record in sorted(set().union(*by_kind)):
        found = {kind: rejects_of[record] for kind, rejects_of in enumerate(by_kind) if record in rejects_of}
        if len(found) == kinds and len(set(found.values())) == 1:
            found = {0: found[0]}
        rejects += [replace(reject, position=record * kinds + kind) for kind, reject in found.items()]
    return tuple(rejects)


def _since(start: int, batch: JudgedBatch) -> JudgedBatch:
    """A batch without what lies before a position."""
    if start <= batch.first_position:
        return batch
    return replace(
        batch,
        rows=batch.rows.filter(pa.array(batch.rows.column(POSITION).to_numpy() >= start)),
        rejects=tuple(reject for reject in batch.rejects if reject.position >= start),
        first_position=start,
    )
