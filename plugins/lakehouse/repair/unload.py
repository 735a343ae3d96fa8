"""Takes loads out of bronze again, safe beside loads of the same source. See docs/adr/0014.

    | step     | statement                              | if the process dies right after it                  |
    |----------|----------------------------------------|-----------------------------------------------------|
    | intend   | repair/merge_intent                    | no load may enter the range; run again to finish    |
    | delete   | repair/delete_rows                     | the same                                            |
    | fence    | repair/merge_fence                     | the same; two keys without values lie in the range  |
    | empty    | repair/delete_rows, delete_rejects     | the same                                            |
    | count    | repair/count_*                         | the same                                            |
    | register | repair/register_again (to load again)  | the same                                            |
    | end      | repair/merge_unload                    | done                                                |

What is taken out stays out under its source id for ever: no statement can load it again, however late it comes. A
source that is to be loaded again is registered under another id.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from lakehouse.engine import Engine, Outcome
from lakehouse.identity import new_attempt, source_id_again
from lakehouse.load.attempt import Partition
from lakehouse.load.ledger import Clock, Ledger, naive_utc, system_clock
from lakehouse.load.offset_range import OffsetRange
from lakehouse.load.pause import Pause, pause_for_others, through_conflicts
from lakehouse.repair.errors import LoadCutError, NothingToUnloadError, RangeNotEmptyError
from lakehouse.statements import render

_LOG = logging.getLogger(__name__)

#: Beyond every position: an object or a request is taken out as a whole, with what is still to be loaded of it.
WHOLE = 2**62
#: Losing this often in a row means that something else is wrong.
_TRIES = 10


class UnloadStep(StrEnum):
    """The steps of an unload, in their order."""

    INTEND = "intend"
    DELETE = "delete"
    FENCE = "fence"
    EMPTY = "empty"
    COUNT = "count"
    REGISTER = "register"
    END = "end"


@dataclass(frozen=True)
class UnloadRange:
    """A part of a source that is to be taken out: whole loads of a partition, or all of an object or a request.

    :param loads: how many ledger rows lie in it.
    :param records_read: by these loads.
    :param rows: in bronze now.
    :param rejects: judgements of bad records, kept now.
    :param is_begun: an unload of it was begun, or done.
    :param is_ended: an unload of it was done.
    """

    source_id: str
    source_kind: str
    source: str
    identity: str
    target: str
    contract: str
    first_position: int
    next_position: int
    loads: int
    records_read: int
    rows: int
    rejects: int
    touched: tuple[Partition, ...]
    is_begun: bool
    is_ended: bool

    @property
    def positions(self) -> str:
        """The range for people."""
        return "all" if self.next_position == WHOLE else f"{self.first_position}-{self.next_position}"

    @property
    def told(self) -> str:
        """What would be taken out, in one line for people."""
        whole = " (a file or a call is taken out as a whole)" if self.next_position == WHOLE else ""
        state = (
            "; it is out already"
            if self.is_ended
            else "; an unload of it is not finished"
            if self.is_begun
            else ""
        )
        return (
            f"{self.source}, {self.positions}{whole}: {self.loads} loads, {self.rows:,} rows in bronze, "
            f"{self.rejects:,} judgements of bad records{state}"
        )


@dataclass(frozen=True)
class UnloadReport:
    """What an unload came to.

    :param rows: that were deleted from bronze by this call.
    :param rejects: that were deleted by this call.
    :param reloads_as: the id under which the source may be loaded again.
    """

    range: UnloadRange
    rows: int
    rejects: int
    reloads_as: str | None


def _no_report(_step: UnloadStep) -> None:
    return None


def find_ranges(
    contract: str,
    *,
    target: str,
    engine: Engine,
    ledger: Ledger,
    load_id: str | None = None,
    source: str | None = None,
    offsets: OffsetRange | None = None,
) -> tuple[UnloadRange, ...]:
    """What somebody means who names a load, an object or request, or offsets of a partition.

    Of a topic that was created again, the newest incarnation; a load of an earlier one has its id. Of an object
    that was taken out and loaded again, what is there now; when all of it is out, what was taken out
    last; when an unload of it was begun and not ended, that alone.

    :param contract: the name of the source's contract.
    :param target: the table to look into where the ledger has nothing.
    :param source: as the ledger calls it, ``s3://bucket/key`` or ``rows://source/key``.
    :raises NothingToUnloadError: nothing that was loaded has this name.
    :raises LoadCutError: the offsets cut a load in two.
    """
    asked = offsets.source if offsets is not None else source
    found = engine.execute(
        render(
            "repair/find_sources.sql",
            ledger=ledger.tables.ledger,
            sources=ledger.tables.sources,
            contract=contract,
            load_id=load_id,
            source=asked,
        )
    ).rows
    if offsets is not None:
        # Each incarnation of a topic has these offsets; who names the topic means the one that is there now.
        found = found[-1:]
    live = [row for row in found if row[1] == "partition" or not row[7]]
    # An unload that died is finished first; what was loaded again since is not meant.
    live = [row for row in live if row[1] != "partition" and row[6]] or live
    ranges = [
        _range(row, contract=contract, target=target, engine=engine, ledger=ledger, offsets=offsets)
        for row in live or found[-1:]
    ]
    if not ranges:
        named = f"load {load_id}" if load_id is not None else str(asked)
        raise NothingToUnloadError(contract=contract, asked=named)
    return tuple(ranges)


def whole_object(
    source_id: str, *, source: str, identity: str, contract: str, target: str, engine: Engine, ledger: Ledger
) -> UnloadRange:
    """All of one version of an object, by its id.

    :param target: the table to look into where the ledger has nothing.
    """
    row = (source_id, "object", source, identity, None, None, None, None)
    return _range(row, contract=contract, target=target, engine=engine, ledger=ledger, offsets=None)


def _range(
    row: Sequence[Any],
    *,
    contract: str,
    target: str,
    engine: Engine,
    ledger: Ledger,
    offsets: OffsetRange | None,
) -> UnloadRange:
    source_id, source_kind, source, identity, load_first, load_next, _is_begun, _is_ended = row
    first, next_position = 0, WHOLE
    if source_kind == "partition":
        if offsets is not None:
            first, next_position = offsets.first, offsets.next_position
        else:
            first, next_position = load_first, load_next
    (of_ledger,) = engine.execute(
        render(
            "repair/unload_range.sql",
            ledger=ledger.tables.ledger,
            source_id=source_id,
            first=first,
            next=next_position,
        )
    ).records()
    loaded = (of_ledger["first_position"], of_ledger["next_position"])
    if source_kind == "partition" and (loaded != (first, next_position) or of_ledger["has_hole"]):
        raise LoadCutError(
            source=source,
            first=first,
            next_position=next_position,
            loaded=None if loaded[0] is None else loaded,
        )
    tables = of_ledger["targets"] or [target]
    pin = {"source_id": source_id, "first": first, "next": next_position}
    rows = engine.execute(render("repair/count_rows.sql", target=tables[0], **pin)).scalar
    rejects = engine.execute(render("repair/count_rejects.sql", rejects=ledger.tables.rejects, **pin)).scalar
    # Rows of an attempt that died are in no ledger row.
    there = engine.execute(render("repair/touched_rows.sql", target=tables[0], **pin)).rows if rows else ()
    return UnloadRange(
        source_id=source_id,
        source_kind=source_kind,
        source=source,
        identity=identity,
        target=tables[0],
        contract=of_ledger["contract"] or contract,
        first_position=first,
        next_position=next_position,
        loads=of_ledger["loads"],
        records_read=of_ledger["records_read"],
        rows=rows,
        rejects=rejects,
        touched=_partitions([*(of_ledger["touched"] or ()), *there]),
        is_begun=bool(of_ledger["is_begun"]),
        is_ended=bool(of_ledger["is_ended"]),
    )


class Unload:
    """Takes ranges out, each exactly once, however often it is called, and however it ended before.

    :param actor: who takes it out.
    :param reason: why, for whoever reads the ledger.
    :param on_step: is told of each step that ended.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        ledger: Ledger,
        actor: str,
        reason: str,
        clock: Clock = system_clock,
        pause: Pause = pause_for_others,
        on_step: Callable[[UnloadStep], None] = _no_report,
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._actor = actor
        self._reason = reason
        self._clock = clock
        self._pause = pause
        self._on_step = on_step

    def run(self, unload_range: UnloadRange, *, reload: bool = False) -> UnloadReport:
        """Take a range out.

        :param reload: register the source under another id, so that the next load takes it again; of objects and
            requests only.
        :raises RangeNotEmptyError: rows kept coming; running again goes on.
        :raises CommitConflictError: other writers kept committing first; running again goes on.
        """
        self._intend(unload_range)
        rows, rejects = self._empty(unload_range)
        again = self._register(unload_range) if reload else None
        self._end(unload_range)
        _LOG.info("%s %s is out: %s rows, %s rejects", unload_range.source, unload_range.positions, rows, rejects)
        return UnloadReport(range=unload_range, rows=rows, rejects=rejects, reloads_as=again)

    def _intend(self, unload_range: UnloadRange) -> None:
        """Step 1: from now on no load can record, or begin to merge, anything of the range.

        :raises LoadCutError: a load that lies partly in the range was recorded meanwhile.
        """
        outcome = self._execute(
            "repair/merge_intent.sql",
            ledger=self._ledger.tables.ledger,
            touched=_touched_json(unload_range.touched),
            source_kind=unload_range.source_kind,
            source=unload_range.source,
            identity=unload_range.identity,
            target=unload_range.target,
            contract=unload_range.contract,
            attempt=new_attempt(now=self._clock()),
            run=self._ledger.run,
            started_at=naive_utc(self._clock()),
            actor=self._actor,
            reason=self._reason,
            **_pin(unload_range),
        )
        if not outcome.updated:
            (of_ledger,) = self._engine.execute(
                render("repair/unload_range.sql", ledger=self._ledger.tables.ledger, **_pin(unload_range))
            ).records()
            if not of_ledger["is_begun"]:
                raise LoadCutError(
                    source=unload_range.source,
                    first=unload_range.first_position,
                    next_position=unload_range.next_position,
                    loaded=(of_ledger["first_position"], of_ledger["next_position"]),
                )
        self._on_step(UnloadStep.INTEND)

    def _empty(self, unload_range: UnloadRange) -> tuple[int, int]:
        """Steps 2 to 5: nothing is in the range, and nothing that was planned before can come into it."""
        rows = rejects = left = 0
        for _ in range(_TRIES):
            rows += self._delete_rows(unload_range).updated or 0
            self._on_step(UnloadStep.DELETE)
            if not self._fence(unload_range):
                # A merge that was planned before the intent came first: its rows stand where the fence was to be.
                continue
            self._on_step(UnloadStep.FENCE)
            emptied = self._delete_rows(unload_range)
            rows += max(0, (emptied.updated or 0) - len(_ends(unload_range)))
            rejects += (
                self._execute(
                    "repair/delete_rejects.sql", rejects=self._ledger.tables.rejects, **_pin(unload_range)
                ).updated
                or 0
            )
            self._on_step(UnloadStep.EMPTY)
            left = self._count(unload_range)
            if not left:
                self._on_step(UnloadStep.COUNT)
                return rows, rejects
        raise RangeNotEmptyError(source=unload_range.source, rows=left)

    def _delete_rows(self, unload_range: UnloadRange) -> Outcome:
        return self._execute("repair/delete_rows.sql", target=unload_range.target, **_pin(unload_range))

    def _fence(self, unload_range: UnloadRange) -> bool:
        """Step 3: make every merge conflict that was planned before the intent; False if rows came meanwhile."""
        ends = _ends(unload_range)
        outcome = self._execute(
            "repair/merge_fence.sql",
            target=unload_range.target,
            positions=json.dumps(ends),
            **_pin(unload_range),
        )
        return outcome.updated == len(ends)

    def _count(self, unload_range: UnloadRange) -> int:
        counted = self._engine.execute(
            render("repair/count_rows.sql", target=unload_range.target, **_pin(unload_range))
        )
        return int(counted.scalar)

    def _register(self, unload_range: UnloadRange) -> str:
        """Step 6: give the source another id, under which the next plan finds nothing loaded."""
        again = source_id_again(unload_range.source_id)
        self._execute(
            "repair/register_again.sql",
            sources=self._ledger.tables.sources,
            source_id=unload_range.source_id,
            new_source_id=again,
            registered_at=naive_utc(self._clock()),
        )
        self._on_step(UnloadStep.REGISTER)
        return again

    def _end(self, unload_range: UnloadRange) -> None:
        """Step 7: say that it is done; silver and gold follow this row.

        The deletes are not named in it: silver looks for itself which dates they took rows from, and among these
        may be dates of a load that was never recorded.
        """
        self._execute(
            "repair/merge_unload.sql",
            ledger=self._ledger.tables.ledger,
            run=self._ledger.run,
            finished_at=naive_utc(self._clock()),
            actor=self._actor,
            reason=self._reason,
            **_pin(unload_range),
        )
        self._on_step(UnloadStep.END)

    def _execute(self, template: str, **context: object) -> Outcome:
        """Execute a statement; where another writer committed first, again."""
        statement = render(template, **context)
        return through_conflicts(lambda: self._engine.execute(statement), pause=self._pause)


def _ends(unload_range: UnloadRange) -> list[int]:
    """The first and the last position of a range."""
    return sorted({unload_range.first_position, unload_range.next_position - 1})


def _pin(unload_range: UnloadRange) -> dict[str, object]:
    return {
        "source_id": unload_range.source_id,
        "first": unload_range.first_position,
        "next": unload_range.next_position,
    }


def _partitions(pairs: Iterable[Sequence[Any]]) -> tuple[Partition, ...]:
    found = {Partition(event_date=event_date, service=service) for event_date, service in pairs}
    return tuple(sorted(found, key=lambda partition: partition.order))


def _touched_json(touched: Iterable[Partition]) -> str:
    return json.dumps(
        [{"event_date": _iso(partition.event_date), "service": partition.service} for partition in touched],
        ensure_ascii=False,
    )


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
