"""What names a person, as the statements and searches of an erasure look for it.

The value itself goes nowhere: statements get a digest of it under a key that is drawn for one erasure and
forgotten after it, and look at every text of its length that stands by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from lakehouse.repair.errors import SelectorError

#: Shorter texts name more than one person.
SHORTEST = 6
LONGEST = 200
_USABLE = re.compile(r"[0-9a-z](?:[ !#-\[\]-~]*[0-9a-z])?")


@dataclass(frozen=True)
class Selector:
    """A text that only one person's records have: a complaint's id, a user's uuid, a mobile number, an address.

    It is found in any text, in whatever field, where neither a letter nor a digit stands before or behind it; case
    does not matter.

    :raises SelectorError: it is too short, or cannot be looked for.
    """

    value: str = field(repr=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.value.strip().lower())
        if not SHORTEST <= len(self.value) <= LONGEST:
            raise SelectorError(why=f"it has {len(self.value)} characters, and not {SHORTEST} to {LONGEST}")
        if not _USABLE.fullmatch(self.value):
            raise SelectorError(
                why="it does not begin and end with a letter or digit, or has a quote, a backslash or a character "
                "beyond ASCII, which JSON may write in several ways"
            )

    @property
    def bound(self) -> dict[str, str]:
        """What statements bind: where candidates stand, the key, and the digest."""
        length = len(self.value)
        return {
            "pattern": f"(?s)(?<![0-9a-z])(?=(.{{{length}}})(?![0-9a-z]))",
            "key": self._key.hex(),
            "digest": hmac.new(self._key, self.value.encode(), hashlib.sha256).hexdigest(),
        }

    @property
    def text_pattern(self) -> str:
        """The same as a pattern of RE2, for texts that are searched in this process."""
        return f"(?is)(^|[^0-9a-z]){re.escape(self.value)}($|[^0-9a-z])"
