"""How a request's record comes into the audit table: at once with a change, else in batches (KM9, AU4).

A request that changes nothing is answered once its record is in this process's spool (``host.spool``), which outlives
the process however it ends; a batch of them is then moved into the chain in one durable transaction, with the next
change, after ``_MOST`` or ``_OLDEST``, before the log is read, and at the end. Whoever reads the log or opens a spool
takes over what dead processes left. A transaction for each record was measured at more than twice the cost (README,
decision log); a loss of power takes at most the last batch of what changed nothing.
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from reconciler.envelope.mac import HmacSha256
from reconciler.errors import HostError, LockHeld
from reconciler.model.ports import Random
from reconciler_softkms import audit_log
from reconciler_softkms.audit_chain import Chain
from reconciler_softkms.audit_log import Row, Said
from reconciler_softkms.remembered import Remembered
from reconciler_softkms.rows import Names
from reconciler_softkms.store import Store

if TYPE_CHECKING:
    from reconciler.host.spool import Spool, Spooled, Tag

_MOST: Final = 512  # records, between two moves
_OLDEST: Final = 1_000_000  # microseconds
_MOST_LOOKED: Final = 1024
_PURPOSE: Final = "softkms audit spool"
_SPELLING: Final = 2  # of marshal; a record is read only after its tag was found right
TAG_BYTES: Final = 16
_WHAT: Final = "audit log"
_DISCARDED: Final = "DiscardAuditRecords"


class Trail:
    """The records of one process. All calls are under the store's lock."""

    def __init__(self, store: Store, names: Names, random: Random, remembered: Remembered) -> None:
        self._store = store
        self._names = names
        self._random = random
        self._remembered = remembered
        self._chain = Chain(store, names, random)
        self._pending: list[tuple[int, Row]] = []  # in the spool, each with its number there
        self._spooled: dict[Said, int] = {}  # what records in the spool say, and the number of the first that does
        self._looked: list[Row] = []  # not even there: nobody has opened the seal yet, or it may not be written to
        self._spool: Spool | None = None

    @property
    def chain(self) -> Chain:
        """The chain that the records go into."""
        return self._chain

    def keep(self, rows: Sequence[Row]) -> None:
        """Records of a request that changed nothing, with the seal open: when this returns it may be answered.
        HostError when they cannot be kept: then it must not be."""
        if not rows:
            return
        spool = self._spool or self._opened()
        pending = self._pending
        for row in rows:
            time, request_id, event_id, said = row
            first = self._spooled.get(said)  # to name it is a sixth of the bytes to tag and to write
            number = spool.append(marshal.dumps((time, request_id, event_id, first or said), _SPELLING))
            if first is None:
                self._spooled[said] = number
            pending.append((number, row))
        if len(pending) >= _MOST or rows[-1][0] - pending[0][1][0] > _OLDEST:
            with suppress(HostError, LockHeld):  # they are kept, and move another time
                self.move()

    def keep_looked(self, rows: Sequence[Row], *, may_write: bool) -> None:
        """Records of a request that only looked: kept where that is possible, which keeps nobody from looking."""
        if may_write and self._store.is_sealed_open:
            with suppress(HostError):
                self.keep(rows)
                return
        self._looked += rows
        if len(self._looked) >= _MOST_LOOKED:
            self.move_if_possible()

    def write(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Everything kept so far, and then these, in the caller's transaction. ``moved`` when it is through."""
        pending = self._not_moved(connection)
        together = [*self._looked, *pending, *rows]
        if self._store.is_sealed_open:
            self._chain.append(connection, together)
        elif together:
            audit_log.append(connection, together)

    def moved(self) -> None:
        """What ``write`` wrote is durable."""
        self._looked.clear()
        if self._pending and self._spool is not None:
            self._pending.clear()
            self._spooled.clear()
            self._spool.clear()

    def move(self, rows: Sequence[Row] = ()) -> None:
        """Write everything kept, and these rows, in a transaction of its own."""
        with self._store.transaction() as connection:
            before = connection.total_changes
            self.write(connection, rows)
            changes = connection.total_changes - before
        self._remembered.overlook(changes)
        self.moved()

    def move_if_possible(self) -> None:
        """A store that cannot be written, or not by this process any more, keeps nobody from looking."""
        if self._store.is_writable and (self._looked or self._pending):
            with suppress(HostError, LockHeld):
                self.move()
        self._looked.clear()

    def take_over(self) -> None:
        """Move what every spool in the folder holds, also those of living processes, and remove those of dead ones.
        The seal is open."""
        from reconciler.host.spool import read_spool, remove_orphan, spools

        folder = self._store.path.parent
        mine = None if self._spool is None else self._spool.name
        others = [name for name in spools(folder) if name != mine]
        if others:
            with self._store.transaction() as connection:
                for name in others:
                    self._take(connection, name, read_spool(folder, name, self._tag))
            gone = [name for name in others if remove_orphan(folder, name)]
            self._forget(gone)

    def close(self) -> None:
        """Write what is left. What cannot be written now stays in the spool, and is taken over by another process."""
        self.move_if_possible()
        if self._spool is not None:
            self._spool.close(keep=bool(self._pending))
            if not self._pending:
                self._forget([self._spool.name])
            self._spool = None

    def _not_moved(self, connection: sqlite3.Connection) -> list[Row]:
        """What is pending and was not taken over by a reader of the log meanwhile; noted as moved."""
        if not self._pending or self._spool is None:
            return []
        done = _moved_of(connection, self._spool.name)
        _note_moved(connection, self._spool.name, self._pending[-1][0])
        return [row for number, row in self._pending if number > done]

    def _take(self, connection: sqlite3.Connection, name: str, found: Spooled) -> None:
        from reconciler.host.spool import is_orphan

        done = _moved_of(connection, name)
        rows, wrong_bytes = _rows_of(found, done)
        if found.records:
            _note_moved(connection, name, max(done, found.records[-1][0]))
        if wrong_bytes and is_orphan(self._store.path.parent, name):
            rows.append(self._discarded(name, wrong_bytes, rows[-1][0] if rows else 0))
        self._chain.append(connection, rows)

    def _forget(self, names: Sequence[str]) -> None:
        """Those spools are removed: nobody moves their records twice."""
        with suppress(HostError, LockHeld), self._store.transaction(durable=False) as connection:
            connection.executemany("DELETE FROM audit_spools WHERE name = ?", [(name,) for name in names])

    def _discarded(self, name: str, wrong_bytes: int, now: int) -> Row:
        from reconciler_softkms.own_records import own_record

        parameters = {"spool": name, "bytes": wrong_bytes}
        return own_record(self._names, self._random, now=now, name=_DISCARDED, parameters=parameters)

    def _opened(self) -> Spool:
        from reconciler.host.spool import Spool

        with suppress(HostError, LockHeld):
            self.take_over()  # of those who died
        self._spool = Spool(self._store.path.parent, self._random.bytes(audit_log.ID_BYTES), self._tag, _WHAT)
        return self._spool

    @cached_property
    def _tag(self) -> Tag:
        key = HmacSha256(self._store.seal().proofs).tag("derived key", _PURPOSE.encode())
        keyed = blake2b(key=key, digest_size=TAG_BYTES)

        def tag(message: bytes) -> bytes:
            hashed = keyed.copy()  # the key is hashed once
            hashed.update(message)
            return hashed.digest()

        return tag


def _rows_of(found: Spooled, done: int) -> tuple[list[Row], int]:
    """The rows past number ``done`` that ``keep`` wrote, and how many bytes say nothing. The record whose words another
    borrows is in the spool for as long as that is, or somebody took it out."""
    rows, words, wrong_bytes = [], dict[int, Said](), found.wrong_bytes
    for number, body in found.records:
        time, request_id, event_id, said = marshal.loads(body)  # noqa: S302 - tagged by us
        if isinstance(said, int):
            said = words.get(said)
        else:
            words[number] = said
        if said is None:
            wrong_bytes += len(body)
        elif number > done:
            rows.append((time, request_id, event_id, said))
    return rows, wrong_bytes


def _moved_of(connection: sqlite3.Connection, name: str) -> int:
    found = connection.execute("SELECT moved FROM audit_spools WHERE name = ?", (name,)).fetchone()
    return found[0] if found else 0


def _note_moved(connection: sqlite3.Connection, name: str, number: int) -> None:
    connection.execute("INSERT OR REPLACE INTO audit_spools (name, moved) VALUES (?, ?)", (name, number))
