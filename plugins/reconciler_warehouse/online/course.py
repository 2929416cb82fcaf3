"""How far a change of encryption is, in a row of the catalogue that any process reads (``estimate``). Kept when it is
over: what was measured is what the next one is expected to take."""

from __future__ import annotations

import sqlite3
from datetime import datetime


def begin(catalogue: sqlite3.Connection, operation: str, cluster: str, at: datetime, left: tuple[int, int]) -> bool:
    """Note that the change is under way, with as many segments and bytes to be moved; whether that is news."""
    added = catalogue.execute(
        """INSERT OR IGNORE INTO change_progress (operation, cluster, begun_at, segments_done, bytes_done,
               segments_total, bytes_total, busy) VALUES (?,?,?,0,0,?,?,0)""",
        (operation, cluster, at.isoformat(), *left),
    )
    return added.rowcount == 1


def add(catalogue: sqlite3.Connection, operation: str, segments: int, size: int, busy: float) -> None:
    """In the commit that swaps them: so many segments of so many bytes, which kept one worker busy for ``busy``
    seconds, without those that it waited for its turn (``throttle``)."""
    catalogue.execute(
        """UPDATE change_progress SET segments_done = segments_done + ?, bytes_done = bytes_done + ?, busy = busy + ?
           WHERE operation = ?""",
        (segments, size, busy, operation),
    )


def done(catalogue: sqlite3.Connection, operation: str) -> tuple[int, int] | None:
    """How many bytes are, and of how many."""
    row = catalogue.execute(
        "SELECT bytes_done, max(bytes_done, bytes_total) FROM change_progress WHERE operation = ?", (operation,)
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))
