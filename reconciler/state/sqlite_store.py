"""``StateStore`` on SQLite: a row per resource, one transaction per finished step, whatever the state's size.

A commit that returned survives a power loss (WAL, synchronous=FULL). Every transaction that writes checks the fencing
token first, inside itself: a holder that slept through its lease cannot write behind the next one's back (I13).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler.errors import StalePlan
from reconciler.host.process import Process
from reconciler.host.sqlite import transaction, translated
from reconciler.model.address import Address
from reconciler.model.ports import Clock, Fence, Random
from reconciler.model.recorded import Intent, Recorded
from reconciler.state import journal, lock
from reconciler.state.rows import remove_row, unsettle_row, write_row
from reconciler.state.schema import WHAT, open_for_writing
from reconciler.state.sqlite_reader import SqliteReader
from reconciler.state.store import Holder

LEASE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.2


class SqliteState(SqliteReader):
    """The state at ``path``, made when there is none. The holder of its lock calls ``heartbeat`` at least every third
    of ``lease_seconds``. Threads may share it; calls take turns. DamagedStore, NewerFormat, HostError."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        random: Random,
        process: Process | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        super().__init__(open_for_writing(path, random), path)
        self._clock = clock
        self._process = process or Process.current()
        self._lease_seconds = lease_seconds
        self._token: int | None = None
        self._lineage = self.lineage

    def acquire(self, command: str, *, timeout: float) -> Holder:
        """See ``StateStore.acquire``. A store that holds the lock is answered as its holder.

        Waiting is counted in slept seconds, so a clock that jumps neither shortens nor prolongs it.
        """
        waited = 0.0
        while True:
            found = self._try_to_take(command)
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

    def heartbeat(self) -> None:
        """See ``StateStore.heartbeat``."""
        with self._committing() as (connection, _):
            lock.prolong(connection, self._now() + self._lease_seconds)

    def release(self) -> None:
        """See ``StateStore.release``."""
        if self._token is None:
            return
        with self._writing() as connection:
            lock.give_back(connection, self._token)
        self._token = None

    def begin(
        self, address: Address, *, provider: str, step: str, verb: str, facts: Mapping[str, Any], uid: str, token: str
    ) -> Intent:
        """See ``StateStore.begin``."""
        with self._committing() as (connection, fence):
            begun = journal.open_intent(connection, address, step)
            if begun is not None:
                return begun
            unsettle_row(connection, address)
            return journal.add(
                connection,
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

    def finish(self, intent: Intent, row: Recorded | None) -> int:
        """See ``StateStore.finish``."""
        with self._committing() as (connection, fence):
            ended = journal.closed(connection, intent)
            if ended is not None:
                _require(ended, "done", intent)
                return ended.serial
            serial = _next_serial(connection)
            if row is None:
                remove_row(connection, intent.address)
            else:
                write_row(connection, row, serial)
            journal.close(connection, intent, "done", reason=None, serial=serial, fence=fence, now=self._now())
            return serial

    def settle(self, rows: Iterable[Recorded], *, gone: Iterable[Address] = ()) -> int:
        """See ``StateStore.settle``."""
        written = list(rows)
        with self._committing() as (connection, _):
            removed = [remove_row(connection, address) for address in gone]
            if not written and not any(removed):
                return _serial(connection)
            serial = _next_serial(connection)
            for row in written:
                write_row(connection, row, serial)
            return serial

    def abandon(self, intent: Intent, reason: str) -> None:
        """See ``StateStore.abandon``."""
        with self._committing() as (connection, fence):
            ended = journal.closed(connection, intent)
            if ended is not None:
                _require(ended, "abandoned", intent)
                return
            journal.close(
                connection,
                intent,
                "abandoned",
                reason=reason,
                serial=_serial(connection),
                fence=fence,
                now=self._now(),
            )

    def mark_plan_used(self, plan_id: str) -> None:
        """See ``StateStore.mark_plan_used``."""
        with self._committing() as (connection, _):
            added = connection.execute("INSERT OR IGNORE INTO used_plan VALUES (?, ?)", (plan_id, self._now())).rowcount
        if not added:
            raise StalePlan(
                f"The plan {plan_id} was applied already; a saved plan is used once",
                suggestion="Plan again: reconciler plan --out FILE. If that apply was interrupted, reconciler apply "
                "takes it up.",
            )

    def _try_to_take(self, command: str) -> Holder:
        """The lock's holder after trying: this store (its token is then ours) or the one in the way."""
        with self._writing() as connection:
            found = lock.holder(connection)
            now = self._now()
            if found is not None and not lock.may_take_over(found, self._process, now):
                return found
            taken = lock.take(connection, self._process, command, now=now, lease_seconds=self._lease_seconds)
        self._token = taken.token
        return taken

    def _now(self) -> float:
        return self._clock.now().timestamp()

    @contextmanager
    def _committing(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """A transaction of the lock's holder: (connection, its fencing token)."""
        with self._writing() as connection:
            yield connection, lock.check_fence(connection, self._token, self._path)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._turn, translated(self._path, WHAT), transaction(self._connection):
            yield self._connection


def _serial(connection: sqlite3.Connection) -> int:
    (serial,) = connection.execute("SELECT serial FROM meta").fetchone()
    return int(serial)


def _next_serial(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE meta SET serial = serial + 1")
    return _serial(connection)


def _require(ended: journal.Closed, result: str, intent: Intent) -> None:
    if ended.result != result:
        raise ValueError(f"intent {intent.number} ({intent.step} of {intent.address}) is {ended.result}, not {result}")
