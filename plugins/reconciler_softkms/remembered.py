"""What requests read of the store, remembered for exactly as long as nobody has changed it.

Each request asks SQLite whether another connection has committed since (``data_version``, one short read), and whether
this one has changed anything (``total_changes``). So a key that anybody disables, a grant that anybody revokes, is seen
by the next request, and what did not change is not read, parsed and decided again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from reconciler.access.condition_keys import OF_PARAMETERS
from reconciler.access.decision import Decision
from reconciler.access.policy import Policy
from reconciler.model.ports import Fence
from reconciler_softkms.audit_log import Said
from reconciler_softkms.rows import KeyRow

_MOST: Final = 16_384  # keys, decisions
_NOT_ASKED: Final = OF_PARAMETERS | {"aws:currenttime", "aws:epochtime"}


@dataclass(slots=True)
class Decided:
    """A decision, and how the record of its request tells it. ``said`` is all that the record of a request says for
    which nothing else was decided, once there was one."""

    decision: Decision
    told: str
    said: Said | None = None


class Remembered:
    """Key rows by id, and decisions by everything that they depend on."""

    __slots__ = ("_changes", "_connection", "_cursor", "_decisions", "_rows", "_version", "fence")

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None  # kept: a new one would cost a third of the question
        self._version = self._changes = 0
        self._rows: dict[str, KeyRow] = {}
        self._decisions: dict[Hashable, tuple[Any, Decided]] = {}
        self.fence: Fence | None = None

    def refresh(self, connection: sqlite3.Connection) -> bool:
        """Forget what may have changed since the last request, and say whether anything may. Not within a
        transaction."""
        if connection is not self._connection or self._cursor is None:
            self._connection, self._cursor, self._version = connection, connection.cursor(), -1
        (version,) = self._cursor.execute("PRAGMA data_version").fetchone()
        changes = connection.total_changes
        if version == self._version and changes == self._changes:
            return False
        self._rows.clear()
        self._decisions.clear()
        self.fence = None
        self._version, self._changes = version, changes
        return True

    def overlook(self, changes: int) -> None:
        """So many changes of this process were of nothing that is remembered here: audit records."""
        self._changes += changes

    def row(self, key_id: str, read: Callable[[sqlite3.Connection, str], KeyRow | None]) -> KeyRow | None:
        """The key's row as it is now. Only after ``refresh``."""
        found = self._rows.get(key_id)
        if found is None:
            assert self._connection is not None  # noqa: S101 - narrows the type; ``refresh`` was called
            found = read(self._connection, key_id)
            if found is not None:
                _make_room(self._rows)
                self._rows[key_id] = found
        return found

    def decided(self, question: Hashable, identity: object) -> Decided | None:
        """What was decided on that question for these identity policies."""
        found = self._decisions.get(question)
        return found[1] if found is not None and found[0] is identity else None

    def keep(self, question: Hashable, identity: object, decided: Decided) -> None:
        """Remember a decision that nothing else has a part in."""
        _make_room(self._decisions)
        self._decisions[question] = (identity, decided)


def _make_room(known: dict[Any, Any]) -> None:
    """Forget the older half of what is full: to forget all would make every key cost as if it had never been used."""
    if len(known) >= _MOST:
        for oldest in list(islice(known, _MOST // 2)):
            del known[oldest]


def is_timeless(policy: Policy) -> bool:
    """Whether the policy decides the same for the same question: it asks for no clock and for none of the request's
    parameters, which a question does not hold, neither in a condition nor by a variable."""
    return policy.condition_keys.isdisjoint(_NOT_ASKED)
