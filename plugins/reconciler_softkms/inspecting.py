"""A key store looked at as a whole: what it is, and whether everything in it is what was written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import DamagedStore
from reconciler.host.sqlite import translated
from reconciler.host.store import one_state
from reconciler.model.ports import Fs
from reconciler.providers.data import ANY_KEY, KeyUse
from reconciler.providers.key_store import StoreCheck, StoreDescription
from reconciler_softkms import audit_reading, marks
from reconciler_softkms.schema import WHAT
from reconciler_softkms.sealing.key_seal import KIND as KEY
from reconciler_softkms.sealing.key_seal import arn_of
from reconciler_softkms.sealing.row import read_row
from reconciler_softkms.sealing.seals import words

if TYPE_CHECKING:
    from reconciler_softkms.door import Door
    from reconciler_softkms.sealing.seals import Seals

# One statement: another process may be moving records from the one table to the other.
_POSITION: Final = "SELECT (SELECT coalesce(max(serial), 0) FROM audit) + (SELECT count(*) FROM audit_coming)"


def describe(connection: sqlite3.Connection, path: Path, fs: Fs, seals: Seals) -> StoreDescription:
    """What the store says of itself; no key is opened."""
    row = read_row(connection)
    return StoreDescription(
        path=path,
        seal=None if row is None else words(row),
        is_as_declared=row is None or seals.is_as_declared(row),
        generation=0 if row is None else row.generation,
        keys=_count(connection, "keys"),
        materials=_count(connection, "materials"),
        position=position(connection),
        size=fs.size(path),
    )


def key_uses(door: Door, name: str, key_arn: str | None) -> list[KeyUse]:
    """The key that seals this store, if one does: without it no key of the store can be opened. ``name`` is the
    Provider's."""
    with door.store.lock, translated(door.store.path, WHAT):
        connection = door.store.reading()
        row = None if connection is None else read_row(connection)
        if row is None or row.kind != KEY:
            return []
        used = arn_of(row) or ANY_KEY
        if key_arn not in (None, used) and used != ANY_KEY:
            return []
        place = door.names.prefix + "key-store"
        return [KeyUse(key_arn=used, what="key-store", name=name, arn=place, bytes=door.store.fs.size(door.store.path))]


def position(connection: sqlite3.Connection) -> int:
    """How far the store has come: every request that it records makes it higher."""
    (found,) = connection.execute(_POSITION).fetchone()
    return int(found)


def check(door: Door) -> StoreCheck:
    """Open all that is sealed, prove all that is proved; what is wrong stands in ``problems``. What keeps the store
    from being opened at all is raised."""
    store, problems = door.store, list[str]()
    with store.lock, translated(store.path, WHAT):
        connection = store.reading()
        if connection is None:
            return StoreCheck(opened=0, marks=0, audit_records=0)
        problems += [f"SQLite: {said}" for (said,) in connection.execute("PRAGMA integrity_check") if said != "ok"]
        if read_row(connection) is None:
            return StoreCheck(opened=0, marks=0, audit_records=0, problems=problems)
        audit = audit_reading.check(door)  # which opens the seal
        with one_state(connection):
            opened, proved, found = _prove(door, connection)
        problems += found
        if audit.broken is not None:
            problems.append(f"The audit log from record {audit.broken.serial} on: {audit.broken.why}")
    return StoreCheck(opened=opened, marks=proved, audit_records=audit.records, problems=tuple(problems))


def _prove(door: Door, connection: sqlite3.Connection) -> tuple[int, int, list[str]]:
    """How many materials open, how many marks are what was written, and what is wrong."""
    problems, opened, proved = list[str](), 0, 0
    for key_id, material_id in connection.execute(
        "SELECT key_id, material_id FROM materials WHERE sealed IS NOT NULL"
    ).fetchall():
        try:
            door.materials.prove_open(connection, key_id, material_id)
            opened += 1
        except DamagedStore as error:
            problems.append(error.summary)
    for (lineage,) in connection.execute("SELECT lineage FROM mark").fetchall():
        try:
            marks.mark(door, lineage)
            proved += 1
        except DamagedStore as error:
            problems.append(error.summary)
    problems += [
        f"Key {key_id} has no material that it could be used with"
        for (key_id,) in connection.execute(
            "SELECT key_id FROM keys WHERE NOT EXISTS (SELECT 1 FROM materials WHERE materials.key_id = keys.key_id"
            " AND materials.material_id = keys.material_id) AND origin = 'AWS_KMS'"
        )
    ]
    return opened, proved, problems


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names of our own schema
    return int(count)
