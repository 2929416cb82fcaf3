"""Who may still write to a provider's store: each remembers the highest fencing token of each lineage (I13).

Whoever holds the state's lock writes under its token. A process that was held up while somebody else took the lock over
comes back with a lower one, and is refused here, in the same transaction as its write would be, however long it slept
(C6, C8). Who holds no lock (a statement, a client of ``serve``) writes under none, and is never refused.

Remembering needs no fsync: a power loss that took a token with it took whoever had a lower one, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reconciler.errors import LockHeld
from reconciler.model.ports import Fence

WhoWrites = Callable[[], Fence | None]

_TABLE: Final = "CREATE TABLE fence (lineage TEXT PRIMARY KEY, token INTEGER NOT NULL) STRICT, WITHOUT ROWID"


def nobody() -> Fence | None:
    """Of a process that holds no lock."""
    return None


def with_fence(schema: str) -> str:
    """The schema of a store that keeps fencing tokens."""
    return f"{schema.rstrip().rstrip(';')};\n{_TABLE};\n"


def check_fence(connection: sqlite3.Connection, fence: Fence | None, path: Path, what: str) -> None:
    """Inside a write transaction, before its first write: LockHeld when a higher token of that lineage wrote here. A
    higher one than ever before is remembered with the transaction."""
    if fence is None:
        return
    found = connection.execute("SELECT token FROM fence WHERE lineage = ?", (fence.lineage,)).fetchone()
    if found is not None and found[0] == fence.token:
        return
    if found is not None and found[0] > fence.token:
        raise LockHeld(
            f"The {what} at {path} is written to under fencing token {found[0]} now; ours is {fence.token}",
            detail="The lock was taken over or broken while this run was held up. Nothing was written after that; what "
            "this run began stands in the journal.",
            suggestion="Run the command again when the other has finished; it takes up what was left. If nobody took "
            "the lock over, the state is an older copy that was put back.",
        )
    connection.execute(
        "INSERT INTO fence VALUES (?, ?) ON CONFLICT (lineage) DO UPDATE SET token = excluded.token", fence
    )
