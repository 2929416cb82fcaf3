"""What time destroys: keys whose waiting time is over, imported material that has expired, old wrapping keys (KM1)."""

from __future__ import annotations

import sqlite3
from typing import Final

from reconciler.model.ports import Random
from reconciler_softkms import audit_log
from reconciler_softkms.own_records import own_record
from reconciler_softkms.rows import Names

_HOLDS_KEYS: Final = ("materials", "grants", "aliases", "wrapping_keys", "replicating", "keys")


def destroy_due(connection: sqlite3.Connection, names: Names, random: Random, now: int) -> list[str]:
    """Destroy every key whose deletion date has passed, and every material that has expired; the ids of the keys
    concerned. Keys are remembered, so that a ciphertext of such a key is answered by what happened to the key and not
    by "damaged"."""
    due = [key_id for (key_id,) in connection.execute("SELECT key_id FROM keys WHERE deletion_at <= ?", (now,))]
    for key_id in due:
        connection.execute(
            "INSERT OR REPLACE INTO destroyed SELECT key_id, ?, nullif(primary_region, ?) FROM keys WHERE key_id = ?",
            (now, names.region, key_id),
        )
        for table in _HOLDS_KEYS:
            connection.execute(f"DELETE FROM {table} WHERE key_id = ?", (key_id,))  # noqa: S608 - the names above
        record(connection, names, random, now=now, name="DeleteKey", key_id=key_id)
    expired = [key_id for (key_id,) in connection.execute("SELECT key_id FROM keys WHERE expires_at <= ?", (now,))]
    for key_id in expired:
        _expire(connection, key_id, now)
        record(connection, names, random, now=now, name="DeleteExpiredKeyMaterial", key_id=key_id)
    connection.execute("DELETE FROM wrapping_keys WHERE valid_to <= ?", (now,))
    return due + expired


def when_destroyed(connection: sqlite3.Connection, key_id: str) -> int | None:
    """When that key's material was destroyed here, None if it never was."""
    found = connection.execute("SELECT destroyed_at FROM destroyed WHERE key_id = ?", (key_id,)).fetchone()
    return None if found is None else int(found[0])


def record(connection: sqlite3.Connection, names: Names, random: Random, *, now: int, name: str, key_id: str) -> None:
    """Leave a record of what the service did to a key by itself."""
    audit_log.append(connection, [own_record(names, random, now=now, name=name, key_arns=[names.key_arn(key_id)])])


def next_expiry(connection: sqlite3.Connection, key_id: str) -> int | None:
    """When the first of the key's materials that are in use expires."""
    (first,) = connection.execute(
        "SELECT min(expires_at) FROM materials WHERE key_id = ? AND kind != 'PENDING_ROTATION'", (key_id,)
    ).fetchone()
    return None if first is None else int(first)


def _expire(connection: sqlite3.Connection, key_id: str, now: int) -> None:
    connection.execute(
        "UPDATE materials SET sealed = NULL, expires_at = NULL WHERE key_id = ? AND expires_at <= ?", (key_id, now)
    )
    connection.execute(
        "UPDATE keys SET expires_at = ?, state = CASE WHEN state IN ('Enabled', 'Disabled') THEN 'PendingImport'"
        " ELSE state END WHERE key_id = ?",
        (next_expiry(connection, key_id), key_id),
    )
