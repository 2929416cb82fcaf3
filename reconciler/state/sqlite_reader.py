"""The state for those who only read: one consistent moment of it, whoever applies meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import DamagedStore
from reconciler.host.sqlite import translated
from reconciler.model.address import Address
from reconciler.model.recorded import Intent, Recorded
from reconciler.state import journal, lock, rows
from reconciler.state.schema import WHAT, open_for_reading
from reconciler.state.store import Head, Holder, StateReader


def open_reader(path: Path) -> StateReader:
    """The state at ``path`` as it is now; an empty one (lineage "", serial 0) when there is none. Takes no lock and
    makes no state, so it works on a home that cannot be written. DamagedStore, NewerFormat, HostError."""
    connection = open_for_reading(path)
    if connection is None:
        return EmptyState()
    with translated(path, WHAT):
        try:
            # The snapshot begins at the first read; serial and rows of one plan are then those of one moment.
            connection.execute("BEGIN")
            connection.execute("SELECT serial FROM meta").fetchone()
        except BaseException:
            connection.close()
            raise
    return SqliteReader(connection, path)


class SqliteReader:
    """``StateReader`` over an open connection. Safe to share between threads; calls take turns."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._turn = threading.RLock()

    @property
    def lineage(self) -> str:
        """See ``StateReader.lineage``."""
        with self._reading() as connection:
            (lineage,) = connection.execute("SELECT lineage FROM meta").fetchone()
            return str(lineage)

    @property
    def serial(self) -> int:
        """See ``StateReader.serial``."""
        with self._reading() as connection:
            (serial,) = connection.execute("SELECT serial FROM meta").fetchone()
            return int(serial)

    def heads(self) -> dict[Address, Head]:
        """See ``StateReader.heads``."""
        with self._reading() as connection:
            return rows.read_heads(connection)

    def get(self, address: Address) -> Recorded | None:
        """See ``StateReader.get``."""
        with self._reading() as connection:
            return rows.read_one(connection, address)

    def all(self) -> list[Recorded]:
        """See ``StateReader.all``."""
        with self._reading() as connection:
            return list(rows.read_all(connection))

    def open_intents(self) -> Sequence[Intent]:
        """See ``StateReader.open_intents``."""
        with self._reading() as connection:
            return journal.open_intents(connection)

    def plan_was_used(self, plan_id: str) -> bool:
        """See ``StateReader.plan_was_used``."""
        with self._reading() as connection:
            found = connection.execute("SELECT 1 FROM used_plan WHERE plan_id = ?", (plan_id,)).fetchone()
            return found is not None

    def lock_holder(self) -> Holder | None:
        """See ``StateReader.lock_holder``."""
        with self._reading() as connection:
            return lock.holder(connection)

    def close(self) -> None:
        """See ``StateReader.close``."""
        with self._turn:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._turn, translated(self._path, WHAT):
            try:
                yield self._connection
            except DamagedStore as error:  # a row knows which one it is, not where
                error.file = error.file or str(self._path)
                raise


class EmptyState:
    """``StateReader`` of a state that was never made."""

    lineage = ""
    serial = 0

    def heads(self) -> dict[Address, Head]:
        """None."""
        return {}

    def get(self, address: Address) -> Recorded | None:
        """None."""
        return None

    def all(self) -> list[Recorded]:
        """None."""
        return []

    def open_intents(self) -> Sequence[Intent]:
        """None."""
        return []

    def plan_was_used(self, plan_id: str) -> bool:
        """No."""
        return False

    def lock_holder(self) -> Holder | None:
        """Nobody."""
        return None

    def close(self) -> None:
        """Nothing to give back."""
