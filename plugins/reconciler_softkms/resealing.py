"""Sealing a key store anew: as its manifest declares, or the same seal made anew, and with it the store key.

One transaction decides: before its commit everything is as it was, after it everything is under the new seal, and
whoever opens the store next finishes what is left, which is only to remove the old file. Killed anywhere, the same
command ends it. Other processes notice by ``generation`` (``Store``).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from reconciler.errors import DamagedStore, NotFoundException
from reconciler.host.exclusive import alone_in
from reconciler.host.sqlite import translated
from reconciler.providers.key_store import ResealedStore
from reconciler_softkms import audit_log
from reconciler_softkms.own_records import own_record
from reconciler_softkms.renewal import Renewal, renew_everything
from reconciler_softkms.rows import microseconds
from reconciler_softkms.schema import WHAT
from reconciler_softkms.sealing.row import Seal, SealRow, read_row, unwrap, wrap, write_row
from reconciler_softkms.sealing.seals import words

if TYPE_CHECKING:
    from reconciler_softkms.door import Door
    from reconciler_softkms.sealing.store_key import StoreKey

RESEALED: Final = "ResealKeyStore"


def reseal(door: Door, *, renew: bool, before: Seal | None) -> ResealedStore:
    """Seal the store as its manifest declares. ``renew``: also make the seal and the store key anew, and put all key
    material under it. ``before`` opens it where the manifest does not say how any more. NotFoundException when there is
    no sealed store; whatever the seals answer. Nothing is lost by any error, and by no death of the process."""
    store = door.store
    with store.lock, translated(store.path, WHAT):
        if not store.exists or read_row(store.writing()) is None:
            raise NotFoundException(
                f"There is no sealed key store at {store.path}",
                suggestion="It is sealed as its manifest says when its first key is made.",
            )
        with alone_in(store.folder):
            return _reseal(door, renew=renew, before=before)


def _reseal(door: Door, *, renew: bool, before: Seal | None) -> ResealedStore:
    store = door.store
    row = _row(store.writing())
    if row.retired is not None:
        store.settle_seal()  # left by one that died
    if not renew and before is None and store.seals.is_as_declared(row):
        store.seals.open(row).wipe()  # by its name it is; whether it opens is to be seen
        return ResealedStore(words(row), row.generation, changed=False, renewed=0)
    old = store.seals.open_as_found(row, other=before)
    try:
        new = old.following(store.random if renew else None)
        try:
            made = _wrapped(door, new, row)
            with store.transaction(fenced=False) as connection:
                if _row(connection).generation != row.generation:
                    raise DamagedStore("Another process sealed the key store in this moment; nothing was changed")
                count = _renewed(door, connection, old, new) if renew else 0
                write_row(connection, made)
                note(door, connection, RESEALED, {"seal": made.kind, "generation": made.generation, "renewed": count})
        finally:
            new.wipe()
    finally:
        old.wipe()
    store.settle_seal()
    store.seal_changed()
    store.forget_deleted()
    return ResealedStore(words(made), made.generation, changed=True, renewed=count)


def _wrapped(door: Door, new: StoreKey, row: SealRow) -> SealRow:
    """The row that is to count: what it wraps was unwrapped again, through the seal itself, before anything rests on it
    (I2)."""
    seals = door.store.seals
    wrapping = seals.declared.make(beside=True)
    with wrapping.key:
        made = wrap(wrapping, new, retired=row.seal_id, random=door.random)
    with seals.declared.wrapping_key(made) as again:
        read_back = unwrap(again, made)
    if read_back is None or not read_back.same_keys(new):
        raise DamagedStore("The new seal does not open what it has just sealed; nothing was changed")
    read_back.wipe()
    return made


def _renewed(door: Door, connection: sqlite3.Connection, old: StoreKey, new: StoreKey) -> int:
    return renew_everything(Renewal(connection, door.names, old.key, new.key, door.random))


def note(door: Door, connection: sqlite3.Connection, name: str, parameters: dict[str, Any]) -> None:
    """The record of what was done to the whole store, in the transaction that does it."""
    now = microseconds(door.clock.now())
    audit_log.append(connection, [own_record(door.names, door.random, now=now, name=name, parameters=parameters)])


def _row(connection: sqlite3.Connection) -> SealRow:
    row = read_row(connection)
    if row is None:
        raise DamagedStore("The key store has lost its seal")
    return row
