"""The state for those who only read: one consistent moment of it, whoever applies meanwhile."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from reconciler.errors import DamagedStore, NotAuthentic, OtherSeal
from reconciler.host.sqlite import translated
from reconciler.model.address import Address
from reconciler.model.ports import Mac
from reconciler.model.recorded import Intent, Recorded
from reconciler.state import journal, lock, meta, plans, rows
from reconciler.state.doubt import RESEAL, not_authentic
from reconciler.state.ledger import total
from reconciler.state.meta import Found
from reconciler.state.proofs import Proofs
from reconciler.state.schema import WHAT, open_for_reading
from reconciler.state.store import Checked, Entry, Head, Holder, Position, StateReader
from reconciler.state.whereabouts import position

R = TypeVar("R")


def open_reader(path: Path, seal: Mac | None) -> StateReader:
    """The state at ``path`` as it is now; an empty one (lineage "", serial 0) when there is none. Takes no lock and
    makes no state, so it works on a home that cannot be written. OtherSeal, NotAuthentic, DamagedStore, NewerFormat,
    HostError."""
    connection = open_for_reading(path)
    if connection is None:
        return EmptyState()
    try:
        if seal is None:
            raise lost_seal(path)
        with translated(path, WHAT):
            # The snapshot begins at the first read; serial and rows of one plan are then those of one moment.
            connection.execute("BEGIN")
            return SqliteReader(connection, path, seal)
    except BaseException:
        connection.close()
        raise


class SqliteReader:
    """``StateReader`` over a connection that stays at one moment. Safe to share between threads; calls take turns.
    ``in_doubt``: opened to be sealed anew, so nothing is checked before the first read."""

    def __init__(self, connection: sqlite3.Connection, path: Path, seal: Mac, *, in_doubt: bool = False) -> None:
        self._connection = connection
        self._path = path
        self._seal = seal
        self._turn = threading.RLock()
        with self._located():
            found = meta.read_any(connection) if in_doubt else meta.read(connection)
            self._proofs = Proofs(seal, found.meta.lineage)
            if not in_doubt:
                meta.check(found, seal, self._proofs)
        self._lineage = found.meta.lineage
        self._proved: dict[Address, bytes] | None = None
        self._read_heads: tuple[Found, dict[Address, Head]] | None = None

    @property
    def lineage(self) -> str:
        """See ``StateReader.lineage``."""
        return self._lineage

    @property
    def serial(self) -> int:
        """See ``StateReader.serial``."""
        return self._read(lambda connection, found: found.meta.serial)

    def heads(self) -> dict[Address, Head]:
        """See ``StateReader.heads``."""
        return self._read(self._heads)

    def get(self, address: Address) -> Recorded | None:
        """See ``StateReader.get``."""

        def read(connection: sqlite3.Connection, found: Found) -> Recorded | None:
            known = self._all_proved(connection, found).get(address)
            one = rows.read_one(connection, self._proofs, address)
            if (None if one is None else one[1]) != known:
                raise not_authentic(f"the row of {address} was changed, or an older one was put back", address=address)
            return None if one is None else one[0]

        return self._read(read)

    def all(self) -> list[Recorded]:
        """See ``StateReader.all``."""

        def read(connection: sqlite3.Connection, found: Found) -> list[Recorded]:
            both = list(rows.read_all(connection, self._proofs))
            self._check_rows({row.address: proof for row, proof in both}, found)
            return [row for row, _ in both]

        return self._read(read)

    def open_intents(self) -> Sequence[Intent]:
        """See ``StateReader.open_intents``."""
        return self._read(lambda connection, found: [intent for intent, _ in self._open(connection, found).values()])

    def plan_was_used(self, plan_id: str) -> bool:
        """See ``StateReader.plan_was_used``."""
        return self._read(lambda connection, found: plan_id in self._plans(connection, found))

    def position(self) -> Position:
        """See ``StateReader.position``."""
        return self._read(lambda connection, found: position(found, self._proofs))

    def history(self, address: Address | None = None) -> Sequence[Entry]:
        """See ``StateReader.history``."""
        return self._read(lambda connection, found: journal.entries(connection, address))

    def check(self) -> Checked:
        """See ``StateReader.check``."""

        def read(connection: sqlite3.Connection, found: Found) -> Checked:
            both = list(rows.read_all(connection, self._proofs))
            self._check_rows({row.address: proof for row, proof in both}, found)
            if rows.count_unattached(connection):
                raise not_authentic("it holds parts of a row that it never recorded")
            entries = sum(1 for _ in journal.chain(connection, self._proofs, found.meta))
            self._open(connection, found)
            return Checked(len(both), entries, len(self._plans(connection, found)))

        return self._read(read)

    def lock_holder(self) -> Holder | None:
        """See ``StateReader.lock_holder``."""
        return self._read(lambda connection, found: lock.holder(found.lease))

    def close(self) -> None:
        """See ``StateReader.close``."""
        with self._turn:
            self._connection.close()

    def _heads(self, connection: sqlite3.Connection, found: Found) -> dict[Address, Head]:
        if self._proved is None or self._read_heads is None or self._read_heads[0] != found:
            heads, proved = rows.read_heads(connection, self._proofs)
            self._check_rows(proved, found)
            self._proved, self._read_heads = proved, (found, heads)
        return dict(self._read_heads[1])

    def _all_proved(self, connection: sqlite3.Connection, found: Found) -> dict[Address, bytes]:
        """The proofs of all rows, of which none is missing."""
        if self._proved is None:
            self._heads(connection, found)
        return self._proved or {}

    def _check_rows(self, proved: dict[Address, bytes], found: Found) -> None:
        if self._proofs.sum(meta.ROWS, total(proved.values())) != found.meta.rows:
            raise not_authentic("a row was taken out of it, or an older one was put back")

    def _open(self, connection: sqlite3.Connection, found: Found) -> dict[tuple[str, str], tuple[Intent, bytes]]:
        journal.check_end(connection, found.meta)
        both = journal.read_open(connection, self._proofs, found.meta)
        if self._proofs.sum(meta.OPEN, total(proof for _, proof in both.values())) != found.meta.open:
            raise not_authentic("what it says of steps that were begun and not finished was changed")
        return both

    def _plans(self, connection: sqlite3.Connection, found: Found) -> dict[str, bytes]:
        used = plans.read(connection, self._proofs)
        if self._proofs.sum(meta.PLANS, total(used.values())) != found.meta.plans:
            raise not_authentic("what it says of saved plans that were used was changed")
        return used

    def _read(self, read: Callable[[sqlite3.Connection, Found], R]) -> R:
        with self._turn, translated(self._path, WHAT), self._located(), self._moment() as found:
            return read(self._connection, found)

    @contextmanager
    def _moment(self) -> Iterator[Found]:
        """One moment, and its checked meta row."""
        found = meta.read(self._connection)
        meta.check(found, self._seal, self._proofs)
        yield found

    @contextmanager
    def _located(self) -> Iterator[None]:
        try:
            yield
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

    def position(self) -> Position:
        """The first."""
        return Position(0, 0, "")

    def history(self, address: Address | None = None) -> Sequence[Entry]:
        """None."""
        return []

    def check(self) -> Checked:
        """There is nothing to prove."""
        return Checked(0, 0, 0)

    def lock_holder(self) -> Holder | None:
        """Nobody."""
        return None

    def close(self) -> None:
        """Nothing to give back."""


def lost_seal(path: Path) -> NotAuthentic:
    """A state without a seal in its home."""
    return OtherSeal(
        f"The state at {path} is there, but the home has no project seal to check it with",
        detail="Nothing of it is obeyed: it cannot be told from a forged one. Nor is a new seal made for it unasked.",
        suggestion="If this is not the home that the state was made with (RECONCILER_HOME, --home, another user), name "
        f"that one: its keys are there. Else put the seal back from a backup. If it is lost: {RESEAL}",
        file=str(path),
    )
