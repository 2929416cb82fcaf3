"""Everything that is under the store key, put under another one: what a re-seal with a new store key carries out.

Whoever puts something under ``StoreKey.key`` has a function in ``RENEWED``. What has none is found before the old key
is forgotten, by its commitment, in whichever table it stands: then nothing is committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.envelope import seal
from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler.model.ports import Random
from reconciler_softkms.materials import material_aad, wrapping_aad
from reconciler_softkms.rows import Names


@dataclass(frozen=True, slots=True)
class Renewal:
    """One renewal, inside the transaction of ``connection``."""

    connection: sqlite3.Connection
    names: Names
    old: DataKey
    new: DataKey
    random: Random

    def under_new(self, sealed: bytes, aad: bytes, what: str) -> bytes:
        """The same content under the new key, opened again before it counts (I2). DamagedStore names ``what``."""
        try:
            with seal.open_key(self.old, sealed, aad) as content:
                renewed = seal.seal_key(self.new, content, aad, self.random)
                with seal.open_key(self.new, renewed, aad) as read_back:
                    if read_back != content:
                        raise DamagedStore(f"{what} does not read back as it was sealed anew; nothing was changed")
                return renewed
        except InvalidCiphertextException:
            raise DamagedStore(
                f"{what} is damaged: it does not open under the store key",
                suggestion="Nothing was sealed anew. Put back the key store from a backup, or destroy that key first.",
            ) from None


def _materials(renewal: Renewal) -> int:
    found = renewal.connection.execute(
        "SELECT key_id, material_id, sealed FROM materials WHERE sealed IS NOT NULL"
    ).fetchall()
    for key_id, material_id, sealed in found:
        aad = material_aad(renewal.names, key_id, material_id)
        renewed = renewal.under_new(sealed, aad, f"The material of key {key_id}")
        renewal.connection.execute(
            "UPDATE materials SET sealed = ? WHERE key_id = ? AND material_id = ?", (renewed, key_id, material_id)
        )
    return len(found)


def _wrapping_keys(renewal: Renewal) -> int:
    found = renewal.connection.execute("SELECT wrapping_id, key_id, sealed FROM wrapping_keys").fetchall()
    for wrapping_id, key_id, sealed in found:
        aad = wrapping_aad(renewal.names, key_id, wrapping_id)
        renewed = renewal.under_new(sealed, aad, f"What is to open material for key {key_id}")
        renewal.connection.execute("UPDATE wrapping_keys SET sealed = ? WHERE wrapping_id = ?", (renewed, wrapping_id))
    return 0  # of no key yet


RENEWED: Final[Sequence[Callable[[Renewal], int]]] = (_materials, _wrapping_keys)


def renew_everything(renewal: Renewal) -> int:
    """Put all of it under the new key; how many things. DamagedStore when one does not open, or would be left."""
    count = sum(renew(renewal) for renew in RENEWED)
    left = under_key(renewal.connection, renewal.old)
    if left:
        raise DamagedStore(
            f"The key store holds what no re-seal knows of, in {', '.join(left)}: it would be lost with the old key",
            suggestion="Nothing was changed. This is a mistake in this version of reconciler: please report it.",
        )
    return count


def under_key(connection: sqlite3.Connection, key: DataKey) -> list[str]:
    """The columns (``table.column``) in which something stands that ``key`` sealed."""
    found = []
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for _, column, kind, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
            if kind == "BLOB" and _holds(connection, table, column, key):
                found.append(f"{table}.{column}")
    return found


def _holds(connection: sqlite3.Connection, table: str, column: str, key: DataKey) -> bool:
    rows = connection.execute(
        f'SELECT "{column}" FROM "{table}" WHERE length("{column}") >= ?',  # noqa: S608 - names of our own schema
        (seal.OVERHEAD,),
    )
    return any(seal.is_sealed_under(key, sealed) for (sealed,) in rows)
