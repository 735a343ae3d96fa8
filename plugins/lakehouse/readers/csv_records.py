"""Cuts the text of a CSV file into records, exactly, in bounded memory.

A field that begins with a quote ends with one, and holds it doubled; line ends and delimiters inside are its text.
A quote anywhere else breaks the record, which then ends with its line. Lines end with LF, CRLF or CR.
A quote that nobody closes runs on through the records below it: see :func:`is_run_on`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lakehouse.contracts.files_contract import CsvDialect
from lakehouse.contracts.reason import Reason, Refusal
from lakehouse.readers.record_batches import BrokenRecord, OversizedRecord, PassingRecord, Record
from lakehouse.readers.source_text import SourceText

_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
_STRAY_QUOTE = Refusal(Reason.WRONG_TYPE, "a quote stands where no field begins or ends")
_ENDLESS_QUOTE = Refusal(Reason.WRONG_TYPE, "a quoted field has no end: it runs to the end of the file")


#: Lines of one broken record: more is no text that somebody wrote with a quote out of place.
_MOST_LINES_OF_BROKEN = 100


def is_run_on(record: BrokenRecord | OversizedRecord) -> bool:
    """Whether a broken record is many: nobody knows how many a quote that was not closed has run through.

    As one reject among thousands of rows they would be within any budget.
    """
    most = 0 if record.refusal == _ENDLESS_QUOTE else _MOST_LINES_OF_BROKEN
    return record.refusal is not None and record.line_breaks > most


def split_records(text: SourceText, *, dialect: CsvDialect, limit: int) -> Iterator[list[Record]]:
    """The records below the skipped lines, header included, without their line ends, some at a time.

    :param limit: a record of more bytes is not held.
    """
    return _Splitter(text, dialect, limit).runs()


class _Splitter:
    """Holds the text from the first record on that has not ended."""

    def __init__(self, text: SourceText, dialect: CsvDialect, limit: int) -> None:
        quote, delimiter = dialect.quote.encode(), dialect.delimiter.encode()
        self._text = text
        self._limit = limit
        self._skip_lines = dialect.skip_lines
        self._quote = quote
        self._delimiter = delimiter
        names = {b"Q": re.escape(quote), b"D": re.escape(delimiter)}
        quoted = rb"Q[^Q]*+(?:QQ[^Q]*+)*+Q"
        # Well-formed: what is unquoted, and quoted fields between two delimiters or ends of the record.
        body = rb"(?:[^Q\r\n]++|(?<![^D\r\n])" + quoted + rb"(?=[D\r\n]|\Z))*+"
        self._quoted, self._body, self._record = (
            re.compile(re.sub(rb"[QD]", lambda name: names[name.group()], expression))
            # A CR at the end of the text may be half of a line end.
            for expression in (quoted, body, rb"(" + body + rb")(?:\r\n|\n|\r(?=[^\n]))")
        )
        #: A character of no meaning in the dialect.
        self._filler = bytes(sorted(set(b"xyz") - {*quote, *delimiter})[:1])
        self._held = b""
        self._at_end = False
        self._passing: PassingRecord | None = None
        #: While a record over the limit passes by, what is held begins with a stand-in for what has passed.
        self._stand_in = b""

    def runs(self) -> Iterator[list[Record]]:
        for _ in range(self._skip_lines):
            self._skip_line()
        while True:
            if run := self._ended_records():
                yield run
            if self._at_end:
                return
            self._read_on()

    def _read_on(self) -> None:
        """At least double what is held, so that a long record is looked through a few times only."""
        pieces = [self._held]
        wanted = len(self._held) + 1
        while wanted > 0 and not self._at_end:
            pieces.append(piece := self._text.read())
            wanted -= len(piece)
            self._at_end = not piece
        self._held = b"".join(pieces)
        if self._at_end and self._held:
            # The last line end may be missing. Where it is not, this makes a blank line, which is padding.
            self._held += b"\n"

    def _skip_line(self) -> None:
        while (end := _LINE_END.search(self._held)) is None and not self._at_end:
            self._held = self._held[-1:] if self._held.endswith(b"\r") else b""
            self._read_on()
        self._held = self._held[end.end() :] if end else b""

    def _ended_records(self) -> list[Record]:
        held, start = self._held, 0
        records: list[Record] = []
        match_record = self._record.match
        while True:
            record: bytes | BrokenRecord
            if (match := match_record(held, start)) is not None:
                record, end = match[1], match.end()
            elif (broken := self._broken_record(held, start)) is not None:
                record, end = broken
            else:
                break
            if self._passing is not None or len(record) > self._limit:
                records.append(self._passed(record))
            else:
                records.append(record)
            start = end
        self._held = held[start:]
        # One byte more may be the CR of the line's end.
        if len(self._held) > self._limit + 1:
            self._let_pass()
        return records

    def _broken_record(self, held: bytes, start: int) -> tuple[BrokenRecord, int] | None:
        """The record that is not well-formed at a place, and where the next begins; ``None`` if it goes on."""
        stop = self._well_formed_until(held, start)
        if held[stop : stop + 1] != self._quote:
            return None
        begins_field = self._begins_field(held, start, stop)
        quoted = self._quoted.match(held, stop) if begins_field else None
        if begins_field and quoted is None:
            return (BrokenRecord(held[start:-1], _ENDLESS_QUOTE), len(held)) if self._at_end else None
        end = _LINE_END.search(held, quoted.end() if quoted else stop)
        return None if end is None else (BrokenRecord(held[start : end.start()], _STRAY_QUOTE), end.end())

    def _well_formed_until(self, held: bytes, start: int) -> int:
        match = self._body.match(held, start)
        return start if match is None else match.end()

    def _begins_field(self, held: bytes, start: int, place: int) -> bool:
        return place == start or held[place - 1 : place] == self._delimiter

    def _passed(self, record: bytes | BrokenRecord) -> OversizedRecord:
        """The record over the limit that has ended."""
        passing = self._passing or PassingRecord(self._text.original)
        refusal = None
        if isinstance(record, BrokenRecord):
            refusal, record = record.refusal, record.record
        passing.pass_by(record[len(self._stand_in) :])
        self._passing, self._stand_in = None, b""
        return passing.ended(refusal)

    def _let_pass(self) -> None:
        """Keep of the record that is over the limit only what tells how to go on."""
        held = self._held.removesuffix(b"\r")
        if self._passing is None:
            self._passing = PassingRecord(self._text.original)
        self._passing.pass_by(held[len(self._stand_in) :])
        self._stand_in = self._standing_for(held)
        self._held = self._stand_in + self._held[len(held) :]

    def _standing_for(self, held: bytes) -> bytes:
        """The shortest text after which a record goes on as it does after this one."""
        stop = self._well_formed_until(held, 0)
        if stop < len(held):
            is_open = self._begins_field(held, 0, stop) and self._quoted.match(held, stop) is None
            return self._quote if is_open else self._filler + self._quote
        if held.endswith(self._quote):
            return 2 * self._quote
        return self._delimiter if held.endswith(self._delimiter) else self._filler
