"""What the Regions of a multi-Region key share, carried from one store to another (``siblings`` says when).

Shared: id, material and its order, spec, usage, origin, rotation, which Region is primary, which have replicas.
Imported material is not carried: each Region has it imported, and accepts only what the primary was given.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from reconciler.providers.keys import KeyState
from reconciler_softkms import due, rows
from reconciler_softkms.deletion import destroy_due, record
from reconciler_softkms.rows import EXTERNAL, KeyRow, microseconds, microseconds_of_days

if TYPE_CHECKING:
    from reconciler_softkms.door import Door


def push(door: Door, row: KeyRow, other: Door) -> bool:
    """Bring ``other`` up to ``row``, in one transaction there; a replica that is being made is made. False when the
    replica is gone there, and is not to be made."""
    making = (
        door.store.writing()
        .execute("SELECT row FROM replicating WHERE key_id = ? AND region = ?", (row.key_id, other.names.region))
        .fetchone()
    )
    now = microseconds(door.clock.now())
    other.store.seal()
    with other.store.transaction() as connection:
        destroyed = destroy_due(connection, other.names, other.random, now)
        there = rows.key_by_id(connection, row.key_id)
        if there is None and making is None:
            return False
        if there is None:
            there = _make(connection, row, json.loads(making[0]), now)
            record(connection, other.names, other.random, now=now, name="CreateKey", key_id=row.key_id)
        _carry(door, row, other, connection)
        if there.shared_serial < row.shared_serial:  # else it knows this, or what came after it
            _share(connection, row)
            record(connection, other.names, other.random, now=now, name="SynchronizeMultiRegionKey", key_id=row.key_id)
    other.forget(destroyed)
    return True


def conclude(door: Door, row: KeyRow, gone: list[str]) -> bool:
    """Every Region has what ``row`` says; ``gone`` have no replica any more. True when nothing is left to settle."""
    now = microseconds(door.clock.now())
    with door.store.transaction() as connection:
        current = rows.key_by_id(connection, row.key_id)
        if current is None:
            return True
        if current.shared_serial != row.shared_serial:
            return False
        connection.execute("DELETE FROM replicating WHERE key_id = ?", (row.key_id,))
        becoming = connection.execute(
            "SELECT material_id, kind FROM materials WHERE key_id = ? AND kind IN (?, ?) ORDER BY created_at LIMIT 1",
            (row.key_id, *due.BECOMING.values()),
        ).fetchone()
        if becoming is not None:
            _become(connection, row, becoming, now)
        if row.primary_region in gone:  # deleted in the moment in which it was to become the primary
            connection.execute(
                "UPDATE keys SET primary_region = ?, shared_serial = shared_serial + 1 WHERE key_id = ?",
                (door.names.region, row.key_id),
            )
            return False
        if row.primary_region != door.names.region:
            gone = []  # the primary's to see to
        left = [region for region in rows.replica_regions(row) if region not in gone]
        if gone:
            connection.execute("UPDATE keys SET replicas = ? WHERE key_id = ?", (json.dumps(left), row.key_id))
        if becoming is not None or (gone and left):
            connection.execute("UPDATE keys SET shared_serial = shared_serial + 1 WHERE key_id = ?", (row.key_id,))
            return False
        _settled(connection, current, left, now)
    return True


def count_change(connection: sqlite3.Connection, row: KeyRow) -> None:
    """Count a change of what is shared, in the transaction that makes it."""
    connection.execute(
        "UPDATE keys SET shared_serial = shared_serial + 1, unsettled = 1 WHERE key_id = ?",
        (row.key_id,),
    )


def _settled(connection: sqlite3.Connection, row: KeyRow, left: list[str], now: int) -> None:
    state, deletion_at, unsettled = row.state, row.deletion_at, 0
    if state == KeyState.UPDATING:
        state = KeyState.ENABLED
    elif state == KeyState.PENDING_REPLICA_DELETION and left:
        unsettled = 1  # until the last replica is gone
    elif state == KeyState.PENDING_REPLICA_DELETION:
        state, deletion_at = KeyState.PENDING_DELETION, now + microseconds_of_days(row.waiting_days or 30)
    connection.execute(
        "UPDATE keys SET state = ?, deletion_at = ?, unsettled = ? WHERE key_id = ?",
        (state, deletion_at, unsettled, row.key_id),
    )


def _become(connection: sqlite3.Connection, row: KeyRow, becoming: tuple[str, str], now: int) -> None:
    material_id, kind = becoming
    kinds = {name: final for final, name in due.BECOMING.items()}
    connection.execute(
        "UPDATE materials SET kind = ? WHERE key_id = ? AND material_id = ?", (kinds[kind], row.key_id, material_id)
    )
    due.set_newest(connection, row, material_id, now)


def _make(connection: sqlite3.Connection, row: KeyRow, own: dict[str, str], now: int) -> KeyRow:
    """The row of a new replica: ``own`` is what it does not share. No key is older than the first record of its
    store."""
    state = KeyState.PENDING_IMPORT if row.origin == EXTERNAL else KeyState.ENABLED
    made = row._replace(
        description=own["description"],
        policy=own["policy"],
        tags=own["tags"],
        created_at=now,
        state=state.value,
        deletion_at=None,
        expires_at=None,
        waiting_days=None,
        unsettled=0,
    )
    rows.insert(connection, made, token=None)
    connection.execute("DELETE FROM destroyed WHERE key_id = ?", (row.key_id,))
    return made


def _carry(door: Door, row: KeyRow, other: Door, connection: sqlite3.Connection) -> None:
    """Bring material, sealed anew under the other store's seal."""
    source = door.store.writing()
    here = source.execute(
        "SELECT material_id, kind, created_at, description, proof IS NOT NULL FROM materials WHERE key_id = ?",
        (row.key_id,),
    ).fetchall()
    known = dict(connection.execute("SELECT material_id, kind FROM materials WHERE key_id = ?", (row.key_id,)))
    for material_id, kind, created_at, description, has_proof in here:
        if known.get(material_id) == kind:
            continue
        if material_id in known:
            connection.execute(
                "UPDATE materials SET kind = ? WHERE key_id = ? AND material_id = ?", (kind, row.key_id, material_id)
            )
            continue
        material = door.materials.opened(source, row.key_id, material_id)
        if material is None:
            continue
        other.materials.put(connection, row.key_id, material_id, material, kind=kind, now=created_at)
        if has_proof:
            other.materials.prove(connection, row.key_id, material_id, material)
            other.materials.drop(connection, row.key_id, [material_id])
        connection.execute(
            "UPDATE materials SET description = ? WHERE key_id = ? AND material_id = ?",
            (description, row.key_id, material_id),
        )


def _share(connection: sqlite3.Connection, row: KeyRow) -> None:
    """Let the other Region's row say what this one's does, of what is shared."""
    connection.execute(
        "UPDATE keys SET material_id = ?, rotated_at = ?, rotation_days = ?, rotation_at = ?, primary_region = ?,"
        " replicas = ?, shared_serial = ? WHERE key_id = ?",
        (
            *(row.material_id, row.rotated_at, row.rotation_days, row.rotation_at, row.primary_region),
            *(row.replicas, row.shared_serial, row.key_id),
        ),
    )
