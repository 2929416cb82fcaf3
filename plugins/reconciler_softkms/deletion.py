"""Keys whose waiting time is over: their material is destroyed for real, and the key is no more (KM1)."""

from __future__ import annotations

import sqlite3
from typing import Final

from reconciler.access.caller import Caller
from reconciler.model.ports import Random
from reconciler_softkms import audit_log
from reconciler_softkms.rows import Names

_ITSELF: Final = "kms.amazonaws.com"


def destroy_due(connection: sqlite3.Connection, names: Names, random: Random, now: int) -> list[str]:
    """Destroy every key whose deletion date has passed, and answer their ids. They are remembered, so that a ciphertext
    of such a key is answered by what happened to the key and not by "damaged"."""
    due = [key_id for (key_id,) in connection.execute("SELECT key_id FROM keys WHERE deletion_at <= ?", (now,))]
    for key_id in due:
        for table in ("materials", "grants", "aliases", "keys"):
            connection.execute(f"DELETE FROM {table} WHERE key_id = ?", (key_id,))  # noqa: S608 - the four names above
        connection.execute("INSERT OR REPLACE INTO destroyed VALUES (?, ?)", (key_id, now))
        record = audit_log.row(
            now=now,
            name="DeleteKey",
            caller=Caller(principal=_ITSELF, account=names.account),
            key_arns=[names.key_arn(key_id)],
            parameters=None,
            ids=random.bytes(32),
            by_service_itself=True,
        )
        audit_log.append(connection, [record])
    return due


def when_destroyed(connection: sqlite3.Connection, key_id: str) -> int | None:
    """When that key's material was destroyed here, None if it never was."""
    found = connection.execute("SELECT destroyed_at FROM destroyed WHERE key_id = ?", (key_id,)).fetchone()
    return None if found is None else int(found[0])
