"""The key store's file: opening it only as far as a request needs, its transactions, its seal (DESIGN 5).

One connection per provider, guarded by one lock; other processes have their own. A store that does not exist is not
made by reading, and a folder that cannot be written is read all the same (DESIGN 4).
"""

from __future__ import annotations

import hmac
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.errors import DamagedStore, NewerFormat, OtherShape
from reconciler.host import sqlite
from reconciler.host.fencing import WhoWrites, check_fence, nobody
from reconciler.model.ports import Fs, Random
from reconciler_softkms import seal_key
from reconciler_softkms.schema import APPLICATION_ID, FORMAT, SCHEMA, WHAT


class Store:
    """``keys.db`` and ``seal.key`` in ``folder``. Opens nothing until asked. ``who_writes`` is asked in every
    transaction: whoever was overtaken is refused (I13)."""

    def __init__(self, folder: Path, fs: Fs, random: Random, who_writes: WhoWrites = nobody) -> None:
        self._folder = folder
        self._who_writes = who_writes
        self._fs = fs
        self._random = random
        self.path = folder / "keys.db"
        self.seal_path = folder / "seal.key"
        self.lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._is_writable = False
        self._durable = True
        self._seal: seal_key.SealKey | None = None

    def reading(self) -> sqlite3.Connection | None:
        """A connection to read with; None when there is no store yet. The caller holds ``lock``."""
        if self._connection is None and self._fs.exists(self.path):
            if os.access(self.path, os.W_OK) and os.access(self._folder, os.W_OK):
                return self.writing()
            self._connection = sqlite.connect_read_only(
                self.path, what=WHAT, schema=SCHEMA, format_number=FORMAT, application_id=APPLICATION_ID
            )
        return self._connection

    def writing(self) -> sqlite3.Connection:
        """A connection to write with; makes the store when there is none. The caller holds ``lock``."""
        if self._connection is not None and not self._is_writable:
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._refuse_to_replace()
            self._connection = sqlite.connect(
                self.path, what=WHAT, schema=SCHEMA, format_number=FORMAT, application_id=APPLICATION_ID
            )
            self._is_writable = self._durable = True
        return self._connection

    @property
    def is_writable(self) -> bool:
        """Whether what ``reading`` answered can also be written to."""
        return self._is_writable

    @contextmanager
    def transaction(self, *, durable: bool = True, fenced: bool = True) -> Iterator[sqlite3.Connection]:
        """All or nothing. ``durable`` survives a power loss (I2); without, only the process's death, which suffices
        for the record of a request that changed nothing. LockHeld when this process was overtaken, unless it is not to
        be ``fenced`` (breaking glass)."""
        with self.lock, sqlite.translated(self.path, WHAT):
            connection = self.writing()
            if durable is not self._durable:
                connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            with sqlite.transaction(connection):
                if fenced:
                    check_fence(connection, self._who_writes(), self.path, WHAT)
                yield connection

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        with self.lock:
            if self._who_writes() is None or not self._fs.exists(self.path):
                return
            with suppress(DamagedStore, NewerFormat, OtherShape), self.transaction(durable=False):
                pass

    def seal(self) -> seal_key.SealKey:
        """The seal key, checked against the store. Made at first use of a store without keys, and then never again."""
        with self.lock:
            if self._seal is None:
                with sqlite.translated(self.path, WHAT):
                    reading = self.reading()
                    self._seal = None if reading is None else self._bound(reading)
            if self._seal is None:
                with self.transaction() as connection:
                    self._seal = self._bind(connection)
            return self._seal

    def forget_deleted(self) -> None:
        """After key material was deleted: carry it out of the log as well (``secure_delete`` overwrites the pages)."""
        with self.lock, sqlite.translated(self.path, WHAT):
            self.writing().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Give back the connection and wipe the seal key."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._seal is not None:
                self._seal.key.wipe()
                self._seal = None

    def _bound(self, connection: sqlite3.Connection) -> seal_key.SealKey | None:
        """The seal key that the store was made with, None before there is one."""
        bound = connection.execute("SELECT seal_id, proof FROM seal").fetchone()
        if bound is None:
            return None
        found = seal_key.read(self._fs, self.seal_path)
        if found.seal_id != bound[0] or not hmac.compare_digest(found.proof, bound[1]):
            raise DamagedStore(
                f"The seal key at {self.seal_path} belongs to another key store",
                suggestion="Put back the seal key that was made with this store. Neither file was touched.",
            )
        return found

    def _bind(self, connection: sqlite3.Connection) -> seal_key.SealKey:
        # Inside the write lock: of two processes that begin together, the second finds what the first has made.
        bound = self._bound(connection)
        if bound is not None:
            return bound
        if self._fs.exists(self.seal_path):
            found = seal_key.read(self._fs, self.seal_path)  # left by a process that died before it bound the store
        else:
            seal_key.sweep(self._fs, self.seal_path)
            found = seal_key.make(self._fs, self.seal_path, self._random)
        connection.execute("INSERT INTO seal VALUES (1, ?, ?)", (found.seal_id, found.proof))
        return found

    def _refuse_to_replace(self) -> None:
        # The store is always made before its seal key: a seal key alone means that the store was lost.
        if self._fs.exists(self.seal_path) and not self._fs.exists(self.path):
            raise DamagedStore(
                f"The key store at {self.path} is missing, but its seal key is there",
                suggestion="Put back the key store from a backup; or, to begin anew, move the seal key away.",
            )
