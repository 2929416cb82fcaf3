"""Proofs over what the state holds, under keys derived from the project seal and bound to the state's lineage (I9).

A row or a journal entry is proved by 32 bytes of HMAC-SHA256 over all its columns. The first half lies beside it in the
file as its tag. The second half is never written down: it goes into the sum of its set (all rows, open intents, used
plans), and the one row ``meta`` keeps a proof of each sum. So a row that was taken out, put in twice or put back as it
was shows without reading the journal, and a write costs the same however many rows there are. Since nobody who holds
old copies of the file ever sees a summand, no mixture of old and new rows can be made to fit.

``marshal`` (version 2) spells the columns: each value with its type and length, so no two rows are spelled alike; a
vector in ``tests/state`` freezes it. It costs an eighth of the HMAC, and a plan proves every row that it reads.
"""

from __future__ import annotations

import hmac
import marshal
from typing import Any, Final

from reconciler.model.ports import Mac

TAG_BYTES: Final = 16
_SPELLING: Final = 2
_MODULUS: Final = 1 << 128

Columns = tuple[Any, ...]


class Proofs:
    """The proofs of one state."""

    def __init__(self, seal: Mac, lineage: str) -> None:
        self._row = seal.derived(f"state {lineage} row")
        self._entry = seal.derived(f"state {lineage} journal")
        self._plan = seal.derived(f"state {lineage} used plan")
        self._sum = seal.derived(f"state {lineage} sum")
        self._meta = seal.derived(f"state {lineage} meta")
        self._head = seal.derived(f"state {lineage} head")

    def row(self, columns: Columns) -> bytes:
        """Of a resource's narrow columns, which hold the digest of the wide ones."""
        return self._row(marshal.dumps(columns, _SPELLING))

    def entry(self, before: bytes, columns: Columns) -> bytes:
        """Of a journal entry that follows the one whose tag is ``before``."""
        return self._entry(before + marshal.dumps(columns, _SPELLING))

    def plan(self, columns: Columns) -> bytes:
        """Of a saved plan's use."""
        return self._plan(marshal.dumps(columns, _SPELLING))

    def sum(self, name: str, total: int) -> bytes:
        """Of the sum of the set ``name``."""
        return self._sum(marshal.dumps((name, total), _SPELLING))[:TAG_BYTES]

    def meta(self, columns: Columns) -> bytes:
        """The tag of the row that stands for the whole state."""
        return self._meta(marshal.dumps(columns, _SPELLING))[:TAG_BYTES]

    def head(self, columns: Columns) -> str:
        """What a mark remembers of the whole state (hex)."""
        return self._head(marshal.dumps(columns, _SPELLING)).hex()


def tag(proof: bytes) -> bytes:
    """The half of a proof that is kept beside what it proves."""
    return proof[:TAG_BYTES]


def fits(proof: bytes, kept: object) -> bool:
    """Whether ``kept`` is the tag of ``proof``; compared in constant time (T15)."""
    return isinstance(kept, bytes) and hmac.compare_digest(proof[:TAG_BYTES], kept)


def summand(proof: bytes) -> int:
    """The half of a proof that is never written down."""
    return int.from_bytes(proof[TAG_BYTES:], "big")


def added(total: int, *, put: bytes | None = None, taken: bytes | None = None) -> int:
    """The sum with one proof more, one less, or one in the place of another."""
    change = (0 if put is None else summand(put)) - (0 if taken is None else summand(taken))
    return (total + change) % _MODULUS


def spelled(columns: Columns) -> bytes:
    """One spelling of these values, for a digest."""
    return marshal.dumps(columns, _SPELLING)
