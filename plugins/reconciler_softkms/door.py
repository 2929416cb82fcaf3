"""The one door: every request passes here, is decided, carried out and recorded (DESIGN 5, KM9).

An operation opens one of three: ``change`` (a durable transaction that holds the operation and its record), ``use``
(work with key material; recorded before it is answered), ``look`` (describing and listing; recorded where the store can
be written to). A refusal is recorded under its public error name and raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from reconciler.access.caller import Caller
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.principals import account_of, means
from reconciler.errors import (
    DamagedStore,
    DryRunOperationException,
    HostError,
    KMSInvalidStateException,
    LockHeld,
    NewerFormat,
    NotFoundException,
    OtherShape,
    ServiceError,
)
from reconciler.host.sqlite import translated
from reconciler.model.ports import Clock, Random
from reconciler_softkms import audit_log, deletion
from reconciler_softkms.request import Request
from reconciler_softkms.rows import Names
from reconciler_softkms.schema import WHAT
from reconciler_softkms.siblings import Siblings
from reconciler_softkms.store import Store

if TYPE_CHECKING:
    from reconciler_softkms.materials import Materials

_MOST_LOOKED: Final = 1024
_OF_ANOTHER_STORE: Final = (HostError, DamagedStore, NewerFormat, OtherShape)
_ADMINISTRATORS: Final[Mapping[str, Any]] = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "administrator of the account", "Effect": "Allow", "Action": "*", "Resource": "*"}],
}
_ADMINISTRATOR = parse_policy(_ADMINISTRATORS, identity=True)


class Door:
    """What every operation is handed: the store behind the door, time, randomness, names and the caller's rights."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random: Random,
        names: Names,
        administrators: tuple[str, ...],
        siblings: Siblings,
    ) -> None:
        self.store = store
        self.clock = clock
        self.random = random
        self.names = names
        self.siblings = siblings
        self._administrators = administrators
        self._looked: list[audit_log.Row] = []
        self._tells_gone = True  # at the first change, for whoever died before

    @cached_property
    def materials(self) -> Materials:
        """The key material of the store. Imported with its first use: a command that only looks does without."""
        from reconciler_softkms.materials import Materials

        return Materials(self.store, self.names, self.random)

    def close(self) -> None:
        """Write what is left to record, wipe what is open in memory, give back the store."""
        with self.store.lock:
            self.write_looked()
            if "materials" in self.__dict__:
                self.materials.close()
            self.store.close()
        self.siblings.close()

    def identity_policies(self, caller: Caller) -> tuple[Policy, ...]:
        """The policies that the account gives ``caller`` (an administrator's, or none)."""
        return (_ADMINISTRATOR,) if self._is_administrator(caller.principal) else ()

    def identity_documents(self, principal: str) -> tuple[Mapping[str, Any], ...]:
        """The same policies as documents."""
        return (_ADMINISTRATORS,) if self._is_administrator(principal) else ()

    def _is_administrator(self, principal: str) -> bool:
        return any(means(name, principal) for name in self._administrators)

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
                    audit_log.append(connection, [*self._looked, *request.audit_rows(None)])
            except ServiceError as error:
                self._record(request.audit_rows(error))
                self._settle(request)
                raise
            self._looked.clear()
            self.forget(destroyed)
            self._settle(request)

    @contextmanager
    def use(
        self, caller: Caller, name: str, parameters: Mapping[str, Any], *, is_first_half: bool = False
    ) -> Iterator[Request]:
        """A request that uses key material. It is not answered unless its record is written. ``is_first_half``: it is
        only decided whether to go on, and unless it is refused here, the other half leaves the record."""
        request = self._request(caller, name, parameters)
        with self.store.lock:
            try:
                with translated(self.store.path, WHAT):
                    request.connection_if_any = self.store.writing()
                    yield request
                    _end_dry_run(caller)
            except ServiceError as error:
                self._record(request.audit_rows(error))
                if isinstance(error, NotFoundException):
                    self._destroy_due(request.now)
                raise
            if not is_first_half:
                self._record(request.audit_rows(None))

    @contextmanager
    def look(self, caller: Caller, name: str, parameters: Mapping[str, Any] | None) -> Iterator[Request]:
        """A request that only reads. ``request.connection_if_any`` is None when there is no store yet, and none is
        made. Where the store cannot be written, the reading goes on without a record; else the record is written
        with the next that must be, after ``_MOST_LOOKED``, or at the end."""
        request = self._request(caller, name, parameters)
        request.only_looks = True
        with self.store.lock:
            try:
                with translated(self.store.path, WHAT):
                    request.connection_if_any = self.store.reading()
                    yield request
            except ServiceError as error:
                self._looked += request.audit_rows(error)
                self.write_looked()
                raise
            self._looked += request.audit_rows(None)
            if len(self._looked) >= _MOST_LOOKED:
                self.write_looked()

    def _destroy_due(self, now: int) -> None:
        """Somebody asked for a key that is no more: it may be one whose material is still to be destroyed."""
        with self.store.transaction() as connection:
            destroyed = deletion.destroy_due(connection, self.names, self.random, now)
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

    def _settle(self, request: Request) -> None:
        """Let other Regions know what became of the keys concerned. A Region whose store is in trouble keeps nobody from
        using the key here; whoever changes what is shared hears of it (``request.shares``)."""
        for key_id in request.unsettled:
            with suppress(*(() if request.shares else _OF_ANOTHER_STORE)):
                self.siblings.settle(self, key_id)

    def write_looked(self) -> None:
        """Write the records of what was only looked at. A store that cannot be written, or not by this process any
        more, keeps nobody from looking."""
        with self.store.lock:
            if self._looked and self.store.is_writable:
                with suppress(HostError, LockHeld):
                    self._record([])
            self._looked.clear()

    def _record(self, rows: Sequence[audit_log.Row]) -> None:
        """Write records on their own: nothing was changed, so nothing is lost with the last ones in a power loss."""
        with self.store.transaction(durable=False) as connection:
            audit_log.append(connection, [*self._looked, *rows])
        self._looked.clear()

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


def _end_dry_run(caller: Caller) -> None:
    """Right before the request would take effect: of a trial, nothing stays but its record."""
    if caller.dry_run:
        raise DryRunOperationException("The request would have succeeded, but the DryRun option is set.")
