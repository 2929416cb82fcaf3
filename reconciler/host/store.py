"""One SQLite store of a provider: opened for writing by the first change, for reading by whoever looks."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.errors import ConflictException, DamagedStore, NewerFormat, OtherShape
from reconciler.host import sqlite
from reconciler.host.fencing import WhoWrites, check_fence, nobody, with_fence

_MOMENT_MILLISECONDS: Final = 100


class Store:
    """A file of metadata, safe to use from several threads: one at a time has it, so keep blocks short.

    Making one opens nothing. Reading never makes the file and works on a read-only home (DESIGN 4). ``who_writes`` is
    asked in every transaction: whoever was overtaken is refused (I13).
    """

    def __init__(
        self,
        path: Path,
        *,
        what: str,
        schema: str,
        format_number: int,
        application_id: int,
        who_writes: WhoWrites = nobody,
    ) -> None:
        self.path = path
        self._what = what
        self._schema = with_fence(schema)
        self._who_writes = who_writes
        self._format = format_number
        self._application_id = application_id
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None  # while it is kept open

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection | None]:
        """A connection to one consistent state, None when nothing was ever written here; inside a block of the same
        thread, the state that it sees. DamagedStore, NewerFormat, OtherShape,
        HostError."""
        with self._lock, sqlite.translated(self.path, self._what):
            opened = self._connection or self._reader
            if opened is not None:
                with one_state(opened):
                    yield opened
                return
            connection = self._connect_read_only()
            if connection is None:
                yield None
                return
            try:
                with one_state(connection):
                    yield connection
            finally:
                connection.close()

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """For many reads one after the other: a store that is only read is opened, and its tables are compared, once
        and not for each. No state is held between them. As of ``read``, DamagedStore, NewerFormat, OtherShape,
        HostError."""
        opened: sqlite3.Connection | None = None
        with self._lock, sqlite.translated(self.path, self._what):
            if self._connection is None and self._reader is None:
                self._reader = opened = self._connect_read_only()
        try:
            yield
        finally:
            if opened is not None:
                with self._lock:
                    self._reader = None
                    opened.close()

    def _connect_read_only(self) -> sqlite3.Connection | None:
        return sqlite.connect_read_only(
            self.path,
            what=self._what,
            schema=self._schema,
            format_number=self._format,
            application_id=self._application_id,
        )

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block has ended and undone when it raises; never inside another block.
        Makes the store when absent. LockHeld when this process was overtaken; DamagedStore, NewerFormat, OtherShape,
        HostError."""
        with self._lock, sqlite.translated(self.path, self._what):
            if self._connection is None:
                self._connection = sqlite.connect(
                    self.path,
                    what=self._what,
                    schema=self._schema,
                    format_number=self._format,
                    application_id=self._application_id,
                )
            if self._connection.in_transaction:
                raise RuntimeError(f"a transaction of the {self._what} is open already")
            with sqlite.transaction(self._connection):
                check_fence(self._connection, self._who_writes(), self.path, self._what)
                yield self._connection

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        with self._lock:
            if self._who_writes() is None or not self.path.exists():
                return
            with suppress(DamagedStore, NewerFormat, OtherShape), self.write():
                pass

    def forget_the_past(self) -> None:
        """Leave in the file nothing of what was overwritten or removed: the log is folded in and emptied (removed pages
        are zeroed as they go). ConflictException while somebody else reads an older state."""
        with self._lock, sqlite.translated(self.path, self._what):
            if self._connection is None:
                return
            # Most of it without keeping anybody waiting; the rest is tried for a moment only, for nobody writes then.
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._connection.execute(f"PRAGMA busy_timeout={_MOMENT_MILLISECONDS}")
            try:
                (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={sqlite.BUSY_MILLISECONDS}")
            if busy:
                raise ConflictException(
                    f"The {self._what} at {self.path} is being read, so its log cannot be emptied now",
                    suggestion="Run the command again when other commands have ended.",
                )

    def close(self) -> None:
        """Give the connection back; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


@contextmanager
def one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Several SELECTs inside see the same commit."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
