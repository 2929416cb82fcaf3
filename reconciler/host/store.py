"""One SQLite store of a provider: opened for writing by the first change, for reading by whoever looks."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.host import sqlite


class Store:
    """A file of metadata, safe to use from several threads: one at a time has it, so keep blocks short.

    Making one opens nothing. Reading never makes the file and works on a read-only home (DESIGN 4).
    """

    def __init__(self, path: Path, *, what: str, schema: str, format_number: int, application_id: int) -> None:
        self.path = path
        self._what = what
        self._schema = schema
        self._format = format_number
        self._application_id = application_id
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection | None]:
        """A connection to one consistent state, None when nothing was ever written here. DamagedStore, NewerFormat,
        HostError."""
        with self._lock, sqlite.translated(self.path, self._what):
            if self._connection is not None:
                with _one_state(self._connection):
                    yield self._connection
                return
            connection = sqlite.connect_read_only(
                self.path, what=self._what, format_number=self._format, application_id=self._application_id
            )
            if connection is None:
                yield None
                return
            try:
                with _one_state(connection):
                    yield connection
            finally:
                connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block has ended and undone when it raises. Makes the store when absent.
        DamagedStore, NewerFormat, HostError."""
        with self._lock, sqlite.translated(self.path, self._what):
            if self._connection is None:
                self._connection = sqlite.connect(
                    self.path,
                    what=self._what,
                    schema=self._schema,
                    format_number=self._format,
                    application_id=self._application_id,
                )
            with sqlite.transaction(self._connection):
                yield self._connection

    def close(self) -> None:
        """Give the connection back; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


@contextmanager
def _one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Several SELECTs inside see the same commit."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
