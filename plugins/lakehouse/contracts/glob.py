"""Globs over object keys: ``*`` and ``?`` stay within one ``/`` segment, ``**`` crosses segments.

So ``staging/pgr_*.csv`` does not take ``staging/pgr_old/2024.csv`` by accident. Every other character stands for
itself. Whether two globs can match one key is decided exactly, not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_WILDCARDS = re.compile(r"\*\*|\*|\?")
_EXPRESSIONS = {"**": "(?s:.)*", "*": "[^/]*", "?": "[^/]"}
_REPEATING = frozenset({"*", "**"})


@dataclass(frozen=True)
class Glob:
    """A pattern over keys."""

    pattern: str

    @property
    def literal_prefix(self) -> str:
        """What every matching key begins with: the prefix to list."""
        return _WILDCARDS.split(self.pattern, maxsplit=1)[0]

    def matches(self, key: str) -> bool:
        return self._expression.fullmatch(key) is not None

    def overlaps(self, other: Glob) -> bool:
        """Whether some key matches both: a walk over the pairs of places in the two patterns."""
        mine, theirs = self._tokens, other._tokens
        seen: set[tuple[int, int]] = set()
        pending = [(0, 0)]
        while pending:
            place = pending.pop()
            if place in seen:
                continue
            seen.add(place)
            if place == (len(mine), len(theirs)):
                return True
            pending.extend(_steps(mine, theirs, *place))
        return False

    @cached_property
    def _tokens(self) -> tuple[str, ...]:
        tokens: list[str] = []
        end = 0
        for wildcard in _WILDCARDS.finditer(self.pattern):
            tokens += [*self.pattern[end : wildcard.start()], wildcard.group()]
            end = wildcard.end()
        return (*tokens, *self.pattern[end:])

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile("".join(_EXPRESSIONS.get(token) or re.escape(token) for token in self._tokens))


def _steps(mine: tuple[str, ...], theirs: tuple[str, ...], at: int, other_at: int) -> list[tuple[int, int]]:
    """The places reached from here by ending a repetition, or by one character that both patterns take."""
    token = mine[at] if at < len(mine) else None
    other = theirs[other_at] if other_at < len(theirs) else None
    steps = []
    if token in _REPEATING:
        steps.append((at + 1, other_at))
    if other in _REPEATING:
        steps.append((at, other_at + 1))
    if token is not None and other is not None and _share_a_character(token, other):
        steps.append((at + (token not in _REPEATING), other_at + (other not in _REPEATING)))
    return steps


def _share_a_character(first: str, second: str) -> bool:
    if first in _EXPRESSIONS and second in _EXPRESSIONS:
        return True
    if first in _EXPRESSIONS:
        return first == "**" or second != "/"
    if second in _EXPRESSIONS:
        return second == "**" or first != "/"
    return first == second
