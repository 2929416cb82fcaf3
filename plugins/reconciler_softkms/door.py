"""The one door: every request passes here, is decided, carried out and recorded (DESIGN 5, KM9).

An operation opens one of three: ``change`` (a durable transaction that holds the operation and its record), ``use``
(work with key material; recorded before it is answered), ``look`` (describing and listing; recorded where the store can
be written to). A refusal is recorded under its public error name and raised. ``audit_trail`` says how records are kept,
``remembered`` what need not be read anew for each request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from reconciler.access.caller import Caller
from reconciler.access.policy import Policy
from reconciler.access.principals import account_of
from reconciler.errors import (
    DamagedStore,
    DryRunOperationException,
    HostError,
    KMSInvalidStateException,
    NewerFormat,
    NotFoundException,
    OtherShape,
    ServiceError,
)
from reconciler.host.sqlite import translated
from reconciler.model.ports import Clock, Random
from reconciler_softkms import deletion
from reconciler_softkms.audit_trail import Trail
from reconciler_softkms.identities import Identities
from reconciler_softkms.remembered import Remembered
from reconciler_softkms.request import Request
from reconciler_softkms.rows import Names
from reconciler_softkms.schema import WHAT
from reconciler_softkms.siblings import Siblings
from reconciler_softkms.store import Store

if TYPE_CHECKING:
    from types import TracebackType

    from reconciler_softkms import audit_log
    from reconciler_softkms.materials import Materials

_OF_ANOTHER_STORE: Final = (HostError, DamagedStore, NewerFormat, OtherShape)


class Door:
    """What every operation is handed: the store behind the door, time, randomness, names and the caller's rights."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random: Random,
        names: Names,
        *,
        identities: Identities,
        siblings: Siblings,
    ) -> None:
        self.store = store
        self.clock = clock
        self.random = random
        self.names = names
        self.identities = identities
        self.siblings = siblings
        self.remembered = Remembered()
        self.trail = Trail(store, names, random, self.remembered)
        self._tells_gone = True  # at the first change, for whoever died before

    @cached_property
    def materials(self) -> Materials:
        """The key material of the store. Imported with its first use: a command that only looks does without."""
        from reconciler_softkms.materials import Materials

        return Materials(self.store, self.names, self.random)

    def close(self) -> None:
        """Write what is left to record, wipe what is open in memory, give back the store."""
        with self.store.lock:
            self.trail.close()
            self.forget_materials()
            self.store.close()
        self.siblings.close()

    def forget_materials(self) -> None:
        """Wipe what is open in memory."""
        if self._has_materials:
            self.materials.close()

    @property
    def _has_materials(self) -> bool:
        """Whether they were ever asked for: only then is there anything to doubt or to wipe."""
        return "materials" in self.__dict__

    def identity_policies(self, caller: Caller) -> tuple[Policy, ...]:
        """The policies that its account gives ``caller``."""
        return self.identities.policies(caller.principal)

    @contextmanager
    def change(self, caller: Caller, name: str, parameters: Mapping[str, Any]) -> Iterator[Request]:
        """A request that changes the store: the change and its record are durable together, or neither is."""
        request = self._request(caller, name, parameters)
        with self.store.lock:
            try:
                if caller.grant_tokens:
                    self.store.seal()  # they are checked under it, and it is opened in a transaction of its own
                with self.store.transaction() as connection:
                    request.connection_if_any = connection
                    destroyed = deletion.destroy_due(connection, self.names, self.random, request.now)
                    yield request
                    _end_dry_run(caller)
                    self.trail.write(connection, request.audit_rows(None))
            except ServiceError as error:
                self.trail.move(request.audit_rows(error))
                self.settle(request)
                raise
            self.trail.moved()
            self.forget(destroyed)
            self.settle(request)

    def use(self, caller: Caller, name: str, parameters: Mapping[str, Any], *, is_first_half: bool = False) -> Use:
        """A request that uses key material. It is not answered unless its record is kept. ``is_first_half``: it is
        only decided whether to go on, and unless it is refused here, the other half leaves the record."""
        return Use(self, self._request(caller, name, parameters), is_first_half=is_first_half)

    @contextmanager
    def look(self, caller: Caller, name: str, parameters: Mapping[str, Any] | None) -> Iterator[Request]:
        """A request that only reads. ``request.connection_if_any`` is None when there is no store yet, and none is
        made. Where the store cannot be written, the reading goes on without a record."""
        request = self._request(caller, name, parameters)
        request.only_looks = True
        with self.store.lock:
            try:
                with translated(self.store.path, WHAT):
                    request.connection_if_any = self.store.reading()
                    yield request
            except ServiceError as error:
                self._keep_looked(request.audit_rows(error))
                self.trail.move_if_possible()
                raise
            self._keep_looked(request.audit_rows(None))

    def check_writer(self, connection: sqlite3.Connection) -> None:
        """LockHeld unless this process may write (I13); asked of the store only when that may have changed."""
        writer = self.store.writer
        if writer is not None and writer != self.remembered.fence:
            self.store.raise_fence(refused=True)
            self.refresh(connection)
            self.remembered.fence = writer

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Know nothing any more that may have changed. Not within a transaction."""
        if self.remembered.refresh(connection) and self._has_materials:
            self.materials.doubt()

    def _keep_looked(self, rows: Sequence[audit_log.Row]) -> None:
        if self.store.exists:
            may_write = self.store.is_writable and self.store.writer in (None, self.remembered.fence)
            self.trail.keep_looked(rows, may_write=may_write)

    def destroy_due(self, now: int) -> None:
        """Somebody asked for a key that is no more, or has no material any more: it may still be to be destroyed."""
        with self.store.transaction() as connection:
            destroyed = deletion.destroy_due(connection, self.names, self.random, now)
            self.trail.write(connection, [])
        self.trail.moved()
        self.forget(destroyed)

    def forget(self, key_ids: Sequence[str]) -> None:
        """Destroyed material goes from memory and from the store's log as well; primaries hear of their replicas."""
        if key_ids:
            self.store.forget_deleted()
            self.materials.forget(key_ids)
            self._tells_gone = True
        if self._tells_gone:
            self._tells_gone = False
            with suppress(*_OF_ANOTHER_STORE):
                self.siblings.tell_gone(self)

    def settle(self, request: Request) -> None:
        """Let other Regions know what became of the keys concerned. A Region whose store is in trouble keeps nobody
        from using the key here; whoever changes what is shared hears of it (``request.shares``)."""
        for key_id in request.unsettled:
            with suppress(*(() if request.shares else _OF_ANOTHER_STORE)):
                self.siblings.settle(self, key_id)

    def _request(self, caller: Caller, name: str, parameters: Mapping[str, Any] | None) -> Request:
        # A principal belongs to the account that its ARN names, whatever account the call claims (KM7).
        account = account_of(caller.principal)
        return Request(
            door=self,
            caller=caller if account in (None, caller.account) else replace(caller, account=account),
            name=name,
            time=self.clock.now(),
            parameters=None if parameters is None else dict(parameters),
        )


class Use:
    """``Door.use``, opened. A context manager of its own: most requests pass here, and a generator costs more."""

    __slots__ = ("_door", "_is_first_half", "_request")

    def __init__(self, door: Door, request: Request, *, is_first_half: bool) -> None:
        self._door = door
        self._request = request
        self._is_first_half = is_first_half

    def __enter__(self) -> Request:
        door, request, store = self._door, self._request, self._door.store
        store.lock.acquire()
        try:
            store.seal()
            request.connection_if_any = connection = store.writing()
            try:
                door.refresh(connection)
            except sqlite3.Error as error:
                _raise_translated(error, store)
            door.check_writer(connection)
            request.remembered = door.remembered
        except BaseException:
            store.lock.release()
            raise
        return request

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        door, request = self._door, self._request
        try:
            if error is None and not request.caller.dry_run:
                if not self._is_first_half:
                    door.trail.keep(request.audit_rows(None))
                if request.unsettled:
                    door.settle(request)
                return
            if error is None:
                error = _dry_run_is_over()
                door.trail.keep(request.audit_rows(error))
                raise error
            if isinstance(error, ServiceError):
                door.trail.keep(request.audit_rows(error))
                if isinstance(error, (NotFoundException, KMSInvalidStateException)):
                    door.destroy_due(request.now)
                door.settle(request)
            elif isinstance(error, (sqlite3.Error, OSError, UnicodeDecodeError)):
                _raise_translated(error, door.store)
        finally:
            door.store.lock.release()


def _raise_translated(error: BaseException, store: Store) -> None:
    with translated(store.path, WHAT):
        raise error


def _end_dry_run(caller: Caller) -> None:
    """Right before the request would take effect: of a trial, nothing stays but its record."""
    if caller.dry_run:
        raise _dry_run_is_over()


def _dry_run_is_over() -> DryRunOperationException:
    return DryRunOperationException("The request would have succeeded, but the DryRun option is set.")
