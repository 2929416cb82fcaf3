"""Automatic rotation: a key whose period is over gets new material at the first request that uses or changes it (KM10).

Looking makes nothing, so a plan does not rotate. A multi-Region key is rotated in its primary's Region; with replicas,
the new material is used only once it is in every Region (``siblings``).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from reconciler.providers.keys import KeyState
from reconciler_softkms import rows
from reconciler_softkms.deletion import next_expiry, record
from reconciler_softkms.rows import KeyRow, microseconds_of_days

if TYPE_CHECKING:
    from reconciler_softkms.door import Door

AUTOMATIC: Final = "AUTOMATIC"
ON_DEMAND: Final = "ON_DEMAND"
BECOMING: Final = {AUTOMATIC: "BECOMING_AUTOMATIC", ON_DEMAND: "BECOMING_ON_DEMAND"}
"""What new material of a key with replicas is called until it is everywhere."""


def is_due(row: KeyRow, region: str, now: int) -> bool:
    """Whether the key is to be rotated now, here."""
    return (
        row.rotation_at is not None
        and row.rotation_at <= now
        and row.state == KeyState.ENABLED
        and row.primary_region in (None, region)
    )


def rotate_due(door: Door, connection: sqlite3.Connection, row: KeyRow, now: int) -> KeyRow:
    """Rotate a key that is due, unless another process was faster; the key as it now stands. In a transaction of its
    own when the connection is in none."""
    if connection.in_transaction:
        return _rotate(door, connection, row, now)
    door.store.seal()
    with door.store.transaction() as opened:
        return _rotate(door, opened, row, now)


def make_newest(
    door: Door, connection: sqlite3.Connection, row: KeyRow, *, kind: str, now: int, token: str | None
) -> str:
    """New material for the key and its id: the newest at once, or for a key with replicas as soon as all have it."""
    if row.replicas != "[]":
        # Counted as a change: whoever settles another one meanwhile carries this, too, before it is used.
        count = "UPDATE keys SET unsettled = 1, shared_serial = shared_serial + 1 WHERE key_id = ?"
        connection.execute(count, (row.key_id,))
        return (_becoming(connection, row.key_id) if token is None else None) or door.materials.add(
            connection, row.key_id, row.key_spec, kind=BECOMING[kind], now=now, token=token
        )
    material_id = door.materials.add(connection, row.key_id, row.key_spec, kind=kind, now=now, token=token)
    set_newest(connection, row, material_id, now)
    return material_id


def set_newest(connection: sqlite3.Connection, row: KeyRow, material_id: str, now: int) -> None:
    """Seal under that material from now on."""
    connection.execute(
        "UPDATE keys SET material_id = ?, rotated_at = ? WHERE key_id = ?", (material_id, now, row.key_id)
    )


def begin_period(connection: sqlite3.Connection, row: KeyRow, now: int) -> None:
    """Count the key's own period from now on."""
    if row.rotation_days is not None:
        connection.execute(
            "UPDATE keys SET rotation_at = ? WHERE key_id = ?",
            (now + microseconds_of_days(row.rotation_days), row.key_id),
        )


def expire_first(connection: sqlite3.Connection, key_id: str) -> None:
    """Note when the first of the key's materials in use expires."""
    connection.execute("UPDATE keys SET expires_at = ? WHERE key_id = ?", (next_expiry(connection, key_id), key_id))


def _rotate(door: Door, connection: sqlite3.Connection, found: KeyRow, now: int) -> KeyRow:
    row = rows.key_by_id(connection, found.key_id) or found
    if not is_due(row, door.names.region, now):
        return row
    make_newest(door, connection, row, kind=AUTOMATIC, now=now, token=None)
    begin_period(connection, row, now)
    record(connection, door.names, door.random, now=now, name="RotateKey", key_id=row.key_id)
    return rows.key_by_id(connection, row.key_id) or row


def _becoming(connection: sqlite3.Connection, key_id: str) -> str | None:
    found = connection.execute(
        "SELECT material_id FROM materials WHERE key_id = ? AND kind IN (?, ?)", (key_id, *BECOMING.values())
    ).fetchone()
    return None if found is None else str(found[0])
