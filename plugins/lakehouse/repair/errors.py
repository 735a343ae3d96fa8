"""What may go wrong when something is put right."""

from __future__ import annotations

from lakehouse.errors import TerminalError, TransientError


class NoReasonError(TerminalError):
    """Nobody says why."""

    def __init__(self) -> None:
        super().__init__("There is no reason.", remedy="Say why: the ledger keeps it, for whoever reads it later.")


class NotOneNameError(TerminalError):
    """What is to be taken out is not named, or in several ways."""

    def __init__(self) -> None:
        super().__init__(
            "What is to be taken out has no name, or more than one.",
            remedy="Name it by a load, by a key, or by a range of offsets.",
        )


class NoOffsetsError(TerminalError):
    """What was typed names no offsets."""

    def __init__(self, *, asked: str) -> None:
        super().__init__(
            f"{asked!r} names no offsets.",
            remedy="Write topic/partition:first-next, as in pgr-events/0:1000-2000; next is the first that stays.",
        )
        self.asked = asked


class NoMomentError(TerminalError):
    """What was typed is no moment."""

    def __init__(self, *, asked: str) -> None:
        super().__init__(
            f"{asked!r} is no moment.",
            remedy="Write it like 2026-11-27 or 2026-11-27T09:30+05:30; without an offset it is UTC.",
        )
        self.asked = asked


class OffsetsStayOutError(TerminalError):
    """Offsets are to be loaded again."""

    def __init__(self, *, source: str) -> None:
        super().__init__(
            f"Offsets of {source} that are taken out cannot be loaded again.",
            remedy="Take them out without asking to load them again: that is for files and rows.",
        )
        self.source = source


class NothingToUnloadError(TerminalError):
    """Nothing that was loaded has this name."""

    def __init__(self, *, contract: str, asked: str) -> None:
        super().__init__(
            f"{contract} has loaded nothing that is {asked}.",
            remedy=f"Look with `lakehouse loads {contract}`, and name a load, a key or a range that it shows.",
        )
        self.contract = contract
        self.asked = asked


class LoadCutError(TerminalError):
    """A range of a partition begins or ends in the middle of a load, or is not loaded throughout."""

    def __init__(self, *, source: str, first: int, next_position: int, loaded: tuple[int, int] | None) -> None:
        has = "nothing of it is loaded" if loaded is None else f"the loads it meets are {loaded[0]}-{loaded[1]}"
        super().__init__(
            f"{source} {first}-{next_position} is no run of whole loads: {has}.",
            remedy="Loads are taken out whole. Give a range that begins and ends where loads do "
            "(`lakehouse loads` shows them).",
        )
        self.source = source
        self.loaded = loaded


class RangeNotEmptyError(TransientError):
    """Rows came into a range as fast as they were taken out."""

    def __init__(self, *, source: str, rows: int) -> None:
        super().__init__(
            f"{source} still has {rows} rows in the range that is taken out.",
            remedy="Run the same again: nothing new can be loaded there, and it goes on where this stopped.",
        )
        self.source = source
        self.rows = rows


class NotReplayableError(TerminalError):
    """The rejects of a source cannot be replayed, whatever their records are."""

    def __init__(self, *, contract: str, why: str, remedy: str) -> None:
        super().__init__(f"Rejects of {contract} cannot be replayed: {why}.", remedy=remedy)
        self.contract = contract


class ReplayIncompleteError(TerminalError):
    """Rows that were judged good are not in bronze."""

    def __init__(self, *, source: str, staged: int, there: int) -> None:
        super().__init__(
            f"Of {staged} replayed rows of {source}, bronze has {there}.",
            remedy="Nothing was recorded. Run `lakehouse certificate`; if it is clean, run the replay again.",
        )
        self.source = source


class SelectorError(TerminalError):
    """What was typed cannot name a person. The text itself is not told."""

    def __init__(self, *, why: str) -> None:
        super().__init__(
            f"What was given cannot name one person: {why}.",
            remedy="Give an id, a uuid, a mobile number or a mail address, as it stands in the records.",
        )


class ErasedRecordsError(TerminalError):
    """A source of which somebody's records were erased is to be loaded again."""

    def __init__(self, *, source: str, records: int) -> None:
        super().__init__(
            f"{records} records of {source} were erased, and loading it again would bring them back.",
            remedy="Take it out without loading it again; put a copy without these records under another key.",
        )
        self.source = source
        self.records = records
