"""The key store's file: opening it only as far as a request needs, its transactions, its seal (DESIGN 5).

One connection per provider, guarded by one lock; other processes have their own. A store that does not exist is not
made by reading, and a folder that cannot be written is read all the same (DESIGN 4).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import DamagedStore, NewerFormat, OtherShape
from reconciler.host import sqlite
from reconciler.host.fencing import WhoWrites, check_fence, nobody
from reconciler.model.ports import Fence, Fs, Random
from reconciler_softkms.schema import APPLICATION_ID, FORMAT, SCHEMA, WHAT
from reconciler_softkms.sealing.row import SealRow, read_row, wrap, write_row

if TYPE_CHECKING:
    from reconciler_softkms.sealing.seals import Seals
    from reconciler_softkms.sealing.store_key import StoreKey


class Store:
    """``keys.db`` in ``folder``, and ``seal.key`` where a file seals it. Opens nothing until asked. ``who_writes`` is
    asked in every transaction: whoever was overtaken is refused (I13). ``seals`` None: a file seals it."""

    def __init__(
        self, folder: Path, fs: Fs, random: Random, who_writes: WhoWrites = nobody, seals: Seals | None = None
    ) -> None:
        self.folder = folder
        self._seals = seals
        self._who_writes = who_writes
        self.fs = fs
        self.random = random
        self.path = folder / "keys.db"
        self.seal_path = folder / "seal.key"
        self.lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._is_writable = False
        self._durable = True
        self._seal: StoreKey | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a store; none is made by asking."""
        return self._connection is not None or self.fs.exists(self.path)

    def reading(self) -> sqlite3.Connection | None:
        """A connection to read with; None when there is no store yet. The caller holds ``lock``."""
        if self._connection is None and self.fs.exists(self.path):
            if os.access(self.path, os.W_OK) and os.access(self.folder, os.W_OK):
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
                if self._seal is not None:
                    self._stay_current(connection)
                yield connection

    def raise_fence(self, *, refused: bool = False) -> None:
        """See ``Fenced.raise_fence``. ``refused``: LockHeld, and whatever else keeps from it, is raised."""
        with self.lock:
            if self._who_writes() is None or not self.fs.exists(self.path):
                return
            if refused:
                with self.transaction(durable=False):
                    return
            with suppress(DamagedStore, NewerFormat, OtherShape), self.transaction(durable=False):
                pass

    @property
    def seals(self) -> Seals:
        """How the store is to be sealed, and is."""
        if self._seals is None:
            from reconciler_softkms.sealing.seal_file import SealFile
            from reconciler_softkms.sealing.seals import Seals

            self._seals = Seals(SealFile(self.fs, self.seal_path, self.random))
        return self._seals

    def seal(self) -> StoreKey:
        """The store key, opened by its seal. Made at first use of a store without keys, and then never again but by a
        re-seal. Kept open in memory: within a transaction it is the one that counts; a reader for whom something does
        not open asks ``seal_is_another``. Never to be kept by the caller beyond that."""
        if self._seal is not None:  # asked in every request
            return self._seal
        with self.lock:
            if self._seal is None:
                with sqlite.translated(self.path, WHAT):
                    reading = self.reading()
                    self._seal = None if reading is None else self._bound(reading)
            if self._seal is None:
                with self.transaction() as connection:
                    self._seal = self._bind(connection)
            return self._seal

    def seal_is_another(self) -> bool:
        """Whether the store was sealed anew since its key was opened here; then ``seal`` answers the new one."""
        with self.lock, sqlite.translated(self.path, WHAT):
            reading = self.reading()
            return reading is not None and self._seal is not None and self._stay_current(reading)

    def hand_over(self, opened: StoreKey) -> None:
        """The store key, by whoever opened it in another way (a backup's): it is this store's to wipe from here on."""
        with self.lock:
            self.seal_changed()
            self._seal = opened

    def seal_changed(self) -> None:
        """This process sealed the store anew: open it by the new seal from now on."""
        with self.lock:
            if self._seal is not None:
                self._seal.wipe()
                self._seal = None

    @property
    def is_sealed_open(self) -> bool:
        """Whether the seal key is in memory already."""
        return self._seal is not None

    @property
    def writer(self) -> Fence | None:
        """Under which lock this process writes, None under none."""
        return self._who_writes()

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
                self._seal.wipe()
                self._seal = None

    def _bound(self, connection: sqlite3.Connection) -> StoreKey | None:
        """The store key, None before there is one."""
        row = read_row(connection)
        while row is not None:
            try:
                opened = self.seals.open(row)
            except DamagedStore:
                # While another process seals the store anew, the file of the old seal goes from under this row.
                before, row = row, read_row(connection)
                if row is None or row.generation == before.generation:
                    raise
                continue
            if row.retired is not None and self._is_writable and not connection.in_transaction:
                self.settle_seal()
            return opened
        return None

    def _bind(self, connection: sqlite3.Connection) -> StoreKey:
        # Inside the write lock: of two processes that begin together, the second finds what the first has made.
        bound = self._bound(connection)
        if bound is not None:
            return bound
        from reconciler_softkms.sealing.store_key import StoreKey

        wrapping = self.seals.declared.make(beside=False)
        with wrapping.key:
            made = StoreKey.generate(self.random)
            write_row(connection, wrap(wrapping, made, retired=None, random=self.random))
        read_back = self.seals.open(_row(connection))
        if not read_back.same_keys(made):
            raise DamagedStore(f"The key store at {self.path} does not read back what it was sealed with")
        return read_back

    def _stay_current(self, connection: sqlite3.Connection) -> bool:
        """Drop the store key if it is another one by now; whether it is. Who needs it opens the new one: a process
        whose manifest names the seal before still records what it did, which rests on ``proofs`` alone."""
        found = connection.execute("SELECT generation FROM seal").fetchone()
        if self._seal is None or found is None or found[0] == self._seal.generation:
            return False
        self.seal_changed()
        return True

    def settle_seal(self) -> None:
        """Finish what a change of seal leaves to do once it is committed: the files of the seal before go."""
        with self.transaction(durable=False, fenced=False) as connection:
            row = read_row(connection)
            if row is not None and row.retired is not None:
                self.seals.file.settle(row)
                connection.execute("UPDATE seal SET retired = NULL")

    def _refuse_to_replace(self) -> None:
        # The store is always made before its seal key: a seal key alone means that the store was lost.
        if self.fs.exists(self.seal_path) and not self.fs.exists(self.path):
            raise DamagedStore(
                f"The key store at {self.path} is missing, but its seal key is there",
                suggestion="Put back the key store from a backup; or, to begin anew, move the seal key away.",
            )


def _row(connection: sqlite3.Connection) -> SealRow:
    row = read_row(connection)
    if row is None:
        raise DamagedStore("The key store lost its seal in the moment in which it was written")
    return row
