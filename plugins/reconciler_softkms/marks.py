"""How far the state of each lineage is known to have come, kept beside the keys (I16). ``KeepsMarks``.

Whoever can write to the store cannot make up a mark: each carries a MAC under ``StoreKey.proofs``. Asked by the tool
itself, on no principal's behalf, so there is no decision at the door; breaking glass leaves an audit record.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore
from reconciler.host.sqlite import translated
from reconciler.providers.marks import Mark
from reconciler_softkms.door import Door
from reconciler_softkms.own_records import own_record
from reconciler_softkms.rows import microseconds
from reconciler_softkms.schema import WHAT

_PURPOSE: Final = "softkms mark"


def mark(door: Door, lineage: str) -> Mark | None:
    """The mark of that lineage, None when there is none. Makes no store. DamagedStore."""
    with door.store.lock, translated(door.store.path, WHAT):
        connection = door.store.reading()
        return None if connection is None else _kept(door, connection, lineage)


def raise_mark(door: Door, lineage: str, raised: Mark) -> None:
    """Remember the mark, durably, unless a higher one is kept."""
    with door.store.lock:
        door.store.seal()  # opened in a transaction of its own
        with door.store.transaction() as connection:
            kept = _kept(door, connection, lineage)
            if kept is None or (kept.token, kept.serial) <= (raised.token, raised.serial):
                _write(door, connection, lineage, raised)


def reset_mark(door: Door, lineage: str, put: Mark) -> None:
    """Remember the mark whatever stood there, even what was made up, and whoever writes; with an audit record."""
    with door.store.lock:
        door.store.seal()
        with door.store.transaction(fenced=False) as connection:
            _write(door, connection, lineage, put)
            record = own_record(
                door.names,
                door.random,
                now=microseconds(door.clock.now()),
                name="ResetStateMark",
                parameters={"lineage": lineage, "token": put.token, "serial": put.serial},
            )
            door.trail.write(connection, [record])
        door.trail.moved()


def _kept(door: Door, connection: sqlite3.Connection, lineage: str) -> Mark | None:
    row = connection.execute("SELECT token, serial, head, mac FROM mark WHERE lineage = ?", (lineage,)).fetchone()
    if row is None:
        return None
    found = Mark(token=row[0], serial=row[1], head=row[2])
    if not HmacSha256(door.store.seal().proofs).verify(_PURPOSE, _message(door, lineage, found), row[3]):
        raise DamagedStore(
            f"The mark of state {lineage} in the key store at {door.store.path} is not what was written",
            suggestion="It was changed outside. Put back the key store from a backup; or, if the state is known to be "
            "the newest, have the mark made anew: reconciler state reseal",
        )
    return found


def _write(door: Door, connection: sqlite3.Connection, lineage: str, put: Mark) -> None:
    tag = HmacSha256(door.store.seal().proofs).tag(_PURPOSE, _message(door, lineage, put))
    connection.execute(
        "INSERT OR REPLACE INTO mark (lineage, token, serial, head, mac) VALUES (?, ?, ?, ?, ?)",
        (lineage, put.token, put.serial, put.head, tag),
    )


def _message(door: Door, lineage: str, one: Mark) -> bytes:
    return encode("mark", 1, door.names.account, door.names.region, lineage, one.token, one.serial, one.head)
