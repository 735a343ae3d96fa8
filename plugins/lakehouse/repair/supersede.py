"""Takes older versions of objects out of bronze, where a contract says ``overwrite: supersede``: docs/adr/0020.

The newer version is loaded first, to its end; then the older one is taken out (:mod:`lakehouse.repair.unload`) and
registered under another id, so that its bytes are loaded if they are put once more. Whoever dies in between leaves
both in bronze, or an unload that is not finished: the next call finds either in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lakehouse.contracts.files_contract import FilesContract, Overwrite
from lakehouse.engine import Engine
from lakehouse.load.ledger import Clock, Ledger, system_clock
from lakehouse.load.pause import Pause, pause_for_others
from lakehouse.repair.unload import Unload, UnloadReport, UnloadStep, whole_object
from lakehouse.statements import render

#: In the ledger, by which what one call began is found by the next.
ACTOR = "contract"
REASON = "the contract says overwrite: supersede"
#: Taking one out is some ten statements.
MOST_VERSIONS = 100


def _no_report(_step: UnloadStep) -> None:
    return None


@dataclass(frozen=True)
class SupersedeReport:
    """What became of older versions.

    :param unloads: of those that this call took out; of a dry run, none.
    :param found: that are to be taken out, by name.
    """

    found: tuple[str, ...]
    unloads: tuple[UnloadReport, ...] = ()

    @property
    def left(self) -> int:
        """Beyond what one call takes on."""
        return len(self.found) - len(self.unloads)


def supersede(
    contract: FilesContract,
    *,
    engine: Engine,
    ledger: Ledger,
    clock: Clock = system_clock,
    pause: Pause = pause_for_others,
    most: int = MOST_VERSIONS,
    dry_run: bool = False,
    on_step: Callable[[UnloadStep], None] = _no_report,
) -> SupersedeReport:
    """Take out what a newer version of the same object stands in bronze for; nothing where the contract adds.

    :param most: versions that one call takes out.
    :param dry_run: only find them.
    :param on_step: is told of each step of an unload that ended.
    :raises RangeNotEmptyError: rows kept coming; running again goes on.
    :raises CommitConflictError: other writers kept committing first; running again goes on.
    """
    if contract.overwrite is not Overwrite.SUPERSEDE:
        return SupersedeReport(found=())
    rows = engine.execute(
        render(
            "repair/superseded_sources.sql",
            sources=ledger.tables.sources,
            ledger=ledger.tables.ledger,
            contract=contract.name,
            actor=ACTOR,
            reason=REASON,
        )
    ).rows
    found = tuple(source for _, source, _ in rows)
    if dry_run:
        return SupersedeReport(found=found)
    unload = Unload(
        engine=engine, ledger=ledger, actor=ACTOR, reason=REASON, clock=clock, pause=pause, on_step=on_step
    )
    unloads = []
    for source_id, source, identity in rows[:most]:
        older = whole_object(
            source_id,
            source=source,
            identity=identity,
            contract=contract.name,
            target=contract.target,
            engine=engine,
            ledger=ledger,
        )
        unloads.append(unload.run(older, reload=True))
    return SupersedeReport(found=found, unloads=tuple(unloads))
