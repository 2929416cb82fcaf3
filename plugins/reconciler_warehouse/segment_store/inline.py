"""Small segments kept in the catalogue: written and removed by the transaction that writes and removes their rows.

The same bytes under the same kind of name as any other segment, so that rotation, migration, snapshots and copies treat
it like any other; what is saved is a file of its own and its two fsyncs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

from reconciler_warehouse.segment_store.protocol import SegmentHandle

INLINE_BYTES: Final = 64 << 10  # more than that belongs into a file: the catalogue is read whole by backups


class InMemory:
    """See ``SegmentHandle``: bytes that are there already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See ``SegmentHandle``."""
        part = self._content[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def size(self) -> int:
        """See ``SegmentHandle``."""
        return len(self._content)

    def close(self) -> None:
        """Nothing to give back."""


def put(catalogue: sqlite3.Connection, name: str, content: bytes) -> None:
    """Keep a new segment inline, in the caller's transaction. sqlite3.IntegrityError when the name is taken."""
    catalogue.execute("INSERT INTO inline (file, content) VALUES (?,?)", (name, content))


def found(catalogue: sqlite3.Connection, name: str) -> SegmentHandle | None:
    """The segment of that name, None when it is not inline."""
    row = catalogue.execute("SELECT content FROM inline WHERE file = ?", (name,)).fetchone()
    return None if row is None else InMemory(row[0])


def holds(catalogue: sqlite3.Connection, name: str) -> bool:
    """Whether the segment of that name is inline."""
    return catalogue.execute("SELECT 1 FROM inline WHERE file = ?", (name,)).fetchone() is not None


def names(catalogue: sqlite3.Connection) -> list[str]:
    """Of all that are inline, sorted."""
    return [name for (name,) in catalogue.execute("SELECT file FROM inline ORDER BY file")]


def remove(catalogue: sqlite3.Connection, gone: Collection[str]) -> None:
    """Remove, in the caller's transaction, those of ``gone`` that are inline."""
    catalogue.executemany("DELETE FROM inline WHERE file = ?", [(name,) for name in gone])
