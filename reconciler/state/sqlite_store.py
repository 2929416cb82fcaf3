"""``StateStore`` on SQLite: a row per resource, one transaction per finished step, whatever the state's size.

A commit that returned survives a power loss (WAL, synchronous=FULL). Every transaction that writes checks the fencing
token first, inside itself: a holder that slept through its lease cannot write behind the next one's back (I13). What it
writes is proved as it is written (I9); see ``proofs`` and ``ledger``.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler.errors import HostError, NotAuthentic, StalePlan
from reconciler.host.process import Process
from reconciler.host.sqlite import transaction, translated, which_file
from reconciler.model.address import Address
from reconciler.model.ports import Clock, Fence, Mac, Random
from reconciler.model.recorded import Intent, Recorded
from reconciler.state import journal, lock, meta, moving, plans, resealing
from reconciler.state.ledger import Ledger
from reconciler.state.meta import Found
from reconciler.state.proofs import Proofs
from reconciler.state.rows import remove_row, unsettle_row, write_row
from reconciler.state.schema import WHAT, open_for_writing
from reconciler.state.sqlite_reader import SqliteReader
from reconciler.state.store import Holder, Position, What
from reconciler.state.together import Together
from reconciler.state.whereabouts import position

LEASE_SECONDS: Final = 60.0
JOURNAL_KEEPS: Final = 10_000
_POLL_SECONDS: Final = 0.2

_Writing = tuple[sqlite3.Connection, Ledger, int]


class SqliteState(SqliteReader):
    """The state at ``path``, made when there is none. The holder of its lock calls ``heartbeat`` at least every third
    of ``lease_seconds``. Of closed entries the journal keeps about the newest ``journal_keeps``. Threads may share it;
    calls take turns. ``in_doubt``: only to be sealed anew. OtherSeal, NotAuthentic, DamagedStore, NewerFormat,
    HostError."""

    def __init__(
        self,
        path: Path,
        *,
        seal: Mac,
        clock: Clock,
        random: Random,
        process: Process | None = None,
        lease_seconds: float = LEASE_SECONDS,
        journal_keeps: int = JOURNAL_KEEPS,
        in_doubt: bool = False,
    ) -> None:
        connection = open_for_writing(path, random, seal)
        try:
            with translated(path, WHAT):
                super().__init__(connection, path, seal, in_doubt=in_doubt)
        except BaseException:
            connection.close()
            raise
        self._file = which_file(path)
        self._clock = clock
        self._random = random
        self._process = process or Process.current()
        self._lease_seconds = lease_seconds
        self._journal_keeps = journal_keeps
        self._token: int | None = None
        self._together: Together[_Writing] = Together(self._turn, self._journalling)
        self._ledger: Ledger | None = None
        self._found = Position(0, 0, "")

    def acquire(self, command: str, *, timeout: float, over: int | None = None) -> Holder:
        """See ``StateStore.acquire``. A store that holds the lock is answered as its holder.

        Waiting is counted in slept seconds, so a clock that jumps neither shortens nor prolongs it.
        """
        waited = 0.0
        while True:
            found = self._try_to_take(command, over)
            if found.token == self._token:
                return found
            if waited >= timeout:
                raise lock.refusal(found, self._path, self._process, waited)
            pause = min(_POLL_SECONDS, timeout - waited)
            self._clock.sleep(pause)
            waited += pause

    @property
    def fence(self) -> Fence | None:
        """The lineage and the token of the lock that this store holds, None while it holds none."""
        return None if self._token is None else Fence(self._lineage, self._token)

    @property
    def found(self) -> Position:
        """See ``StateStore.found``."""
        return self._found

    def heartbeat(self) -> None:
        """See ``StateStore.heartbeat``."""
        with self._committing() as (connection, _, _):
            lock.prolong(connection, self._now() + self._lease_seconds)

    def release(self) -> None:
        """See ``StateStore.release``."""
        if self._token is None:
            return
        with self._writing() as (connection, _):
            lock.give_back(connection, self._token)
        self._token = None

    def begin(
        self, address: Address, *, provider: str, step: str, verb: str, facts: Mapping[str, Any], uid: str, token: str
    ) -> Intent:
        """See ``StateStore.begin``."""

        def write(given: _Writing) -> Intent:
            connection, ledger, fence = given
            begun = ledger.open.get((address, step))
            if begun is not None:
                return begun[0]
            unsettle_row(connection, ledger, address)
            return journal.begin(
                connection,
                ledger,
                address=address,
                uid=uid,
                provider=provider,
                step=step,
                verb=verb,
                token=token,
                facts=facts,
                fence=fence,
                now=self._now(),
            )

        begun: Intent = self._together.write(write)
        return begun

    def finish(self, intent: Intent, row: Recorded | None) -> int:
        """See ``StateStore.finish``."""

        def write(given: _Writing) -> int:
            connection, ledger, fence = given
            ended = _ended(connection, ledger, intent, What.DONE)
            if ended is not None:
                return ended.serial
            serial = ledger.next_serial()
            if row is None:
                remove_row(connection, ledger, intent.address)
            else:
                write_row(connection, ledger, row, serial)
            journal.close(connection, ledger, intent, What.DONE, reason="", fence=fence, now=self._now())
            return serial

        serial: int = self._together.write(write)
        return serial

    def settle(self, rows: Iterable[Recorded], *, gone: Iterable[Address] = (), why: str = "") -> int:
        """See ``StateStore.settle``."""
        written = list(rows)
        with self._journalling() if why else self._committing() as (connection, ledger, fence):
            removed = [address for address in gone if remove_row(connection, ledger, address)]
            if not written and not removed:
                return ledger.serial
            serial = ledger.next_serial()
            for row in written:
                write_row(connection, ledger, row, serial)
            changed = [("accept", row.address) for row in written] + [("forget", address) for address in removed]
            for verb, address in changed if why else ():
                told = {"text": why}
                journal.note(
                    connection, ledger, What.NOTED, told, fence=fence, now=self._now(), address=address, verb=verb
                )
            return serial

    def rename(self, source: Address, target: Address) -> Sequence[Address]:
        """See ``StateStore.rename``."""
        with self._journalling() as (connection, ledger, fence):
            followed = moving.rename(connection, ledger, source, target)
            told = {"text": f"it is {target} from here on"}
            journal.note(
                connection, ledger, What.NOTED, told, fence=fence, now=self._now(), address=source, verb="rename"
            )
            return followed

    def abandon(self, intent: Intent, reason: str) -> None:
        """See ``StateStore.abandon``."""
        with self._journalling() as (connection, ledger, fence):
            if _ended(connection, ledger, intent, What.ABANDONED) is None:
                journal.close(connection, ledger, intent, What.ABANDONED, reason=reason, fence=fence, now=self._now())

    def mark_plan_used(self, plan_id: str) -> None:
        """See ``StateStore.mark_plan_used``."""
        with self._committing() as (connection, ledger, _):
            is_new = plans.add(connection, ledger, plan_id, self._now())
        if not is_new:
            raise StalePlan(
                f"The plan {plan_id} was applied already; a saved plan is used once",
                suggestion="Plan again: reconciler plan --out FILE. If that apply was interrupted, reconciler apply "
                "takes it up.",
            )

    def reseal(self, rows: Iterable[Recorded], *, keeps_journal: bool, beyond: Position, why: str) -> Holder:
        """See ``StateStore.reseal``."""
        with self._transaction() as connection:
            found, now = meta.read_any(connection), self._now()
            self._refuse_living(found, now)
            if not found.meta.lineage:
                lineage = str(uuid.UUID(bytes=self._random.bytes(16), version=4))
                found = found._replace(meta=found.meta._replace(lineage=lineage))
            self._lineage, self._proofs = found.meta.lineage, Proofs(self._seal, found.meta.lineage)
            meta.make_room(connection, found.meta)
            last = max(found.token, beyond.token)
            taken = lock.take(
                connection, self._process, "state reseal", last=last, now=now, lease_seconds=self._lease_seconds
            )
            found = found._replace(meta=found.meta._replace(serial=max(found.meta.serial, beyond.serial)))
            ledger = resealing.write_anew(
                connection, self._seal, self._proofs, found, list(rows), journal_too=keeps_journal
            )
            journal.note(connection, ledger, What.NOTED, {"text": why}, fence=taken.token, now=now, verb="reseal")
            self._prove(connection, ledger)
        self._token = taken.token
        self._found = self.position()
        return taken

    def _refuse_living(self, found: Found, now: float) -> None:
        """LockHeld when the lock is certainly held. One that may be forged hinders nobody: its holder, if there is one,
        is stopped by the token."""
        try:
            meta.check(found, self._seal, self._proofs)
        except NotAuthentic:
            return
        holder = lock.holder(found.lease)
        if holder is None or holder.token == self._token or lock.may_take_over(holder, self._process, now):
            return
        raise lock.refusal(holder, self._path, self._process, 0.0)

    def _try_to_take(self, command: str, over: int | None) -> Holder:
        """The lock's holder after trying: this store (its token is then ours) or the one in the way."""
        with self._transaction() as connection:
            known = self._checked(connection)
            found = lock.holder(known.lease)
            now = self._now()
            if found is not None and found.token != over and not lock.may_take_over(found, self._process, now):
                return found
            ledger = self._current(connection, known)
            self._found = position(known, self._proofs)
            journal.compact(connection, ledger, keeps=self._journal_keeps)
            taken = lock.take(
                connection, self._process, command, last=known.token, now=now, lease_seconds=self._lease_seconds
            )
            if found is not None and found.token == over:
                told = {"text": f"taken from {lock.named(found)}, who held it under fencing token {over}"}
                journal.note(connection, ledger, What.NOTED, told, fence=taken.token, now=now, verb="break-lock")
            self._prove(connection, ledger)
        self._token = taken.token
        return taken

    def _now(self) -> float:
        return self._clock.now().timestamp()

    @contextmanager
    def _committing(self) -> Iterator[tuple[sqlite3.Connection, Ledger, int]]:
        """A transaction of the lock's holder: (connection, ledger, its fencing token)."""
        with self._writing() as (connection, ledger):
            yield connection, ledger, lock.check_fence(ledger.found.lease, self._token, self._path)

    @contextmanager
    def _journalling(self) -> Iterator[tuple[sqlite3.Connection, Ledger, int]]:
        """As ``_committing``; the run's first entry says who it is, and one that writes none leaves none."""
        with self._committing() as (connection, ledger, fence):
            holder = lock.holder(ledger.found.lease)
            if ledger.told_of != fence and holder is not None:
                told = {"text": lock.named(holder)}
                journal.note(connection, ledger, What.TAKEN, told, fence=fence, now=self._now())
                ledger.told_of = fence
            yield connection, ledger, fence

    @contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, Ledger]]:
        """A transaction that writes nothing unless what lies there is what was written, and proves what it writes."""
        with self._transaction() as connection:
            ledger = self._current(connection, self._checked(connection))
            yield connection, ledger
            self._prove(connection, ledger)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._turn, translated(self._path, WHAT), self._located():
            try:
                with transaction(self._connection):
                    self._refuse_replaced()
                    yield self._connection
            except BaseException:
                self._ledger = None  # it may be ahead of what lies there: read again before the next write
                raise

    def _refuse_replaced(self) -> None:
        """HostError when the file is no longer what its path names: SQLite would go on writing to what nobody ever
        finds again, beside a lock that nobody sees."""
        found = which_file(self._path)
        if found != self._file:
            what = "removed" if found is None else "replaced"
            raise HostError(
                f"The state at {self._path} was {what} while this run had it open",
                suggestion="Nothing more is written. Put that file back (of the newest copy there is), then run the "
                "command again: `reconciler state reseal` takes over what the providers have.",
            )

    def _checked(self, connection: sqlite3.Connection) -> Found:
        found = meta.read(connection)
        if self._ledger is None or found != self._ledger.found:
            meta.check(found, self._seal, self._proofs)
        return found

    def _current(self, connection: sqlite3.Connection, found: Found) -> Ledger:
        """The ledger of what lies there; read and proved unless it is what this store left."""
        if self._ledger is None or found != self._ledger.found:
            self._proved = None
            proved = self._all_proved(connection, found)
            self._ledger = Ledger(
                self._proofs, found, proved, self._open(connection, found), self._plans(connection, found)
            )
        return self._ledger

    def _prove(self, connection: sqlite3.Connection, ledger: Ledger) -> None:
        lease, made = meta.read_lease(connection), ledger.meta()
        if (made, lease) != ledger.found[:2]:
            ledger.found = meta.write(connection, made, lease, self._proofs)
        self._ledger = ledger
        self._proved = None

    @contextmanager
    def _moment(self) -> Iterator[Found]:
        """One moment, and its checked meta row. Others may have written since the last."""
        self._connection.execute("BEGIN")
        try:
            found = meta.read(self._connection)
            if self._ledger is not None and found == self._ledger.found:
                self._proved = self._ledger.rows
            else:
                meta.check(found, self._seal, self._proofs)
                self._proved = None
            yield found
        finally:
            self._connection.execute("COMMIT")


def _ended(connection: sqlite3.Connection, ledger: Ledger, intent: Intent, what: What) -> journal.Closed | None:
    """How the intent ended, None while it is open. ValueError when that was not ``what``."""
    known = ledger.open.get((intent.address, intent.step))
    if known is not None and known[0].number == intent.number:
        return None
    ended = journal.closed(connection, intent)
    if ended is None or ended.result != what:
        result = "not in the journal" if ended is None else ended.result
        raise ValueError(f"intent {intent.number} ({intent.step} of {intent.address}) is {result}, not {what}")
    return ended
