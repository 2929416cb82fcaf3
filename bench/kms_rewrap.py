"""Two ways to keep data keys that are put under a new key: the warehouse's key tables, and a database row for each."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.envelope.blocks import ENTRY_BYTES
from reconciler.envelope.data_key import DataKey
from reconciler.host.clock import SystemRandom
from reconciler_warehouse.blocks.key_tables import BLOCK_BYTES, KeyTable, SegmentId, open_table, seal_table

BLOCKS = 256  # of a segment of 256 MiB
_AAD = b"a row of its own"


def key_tables(folder: Path, count: int) -> float:
    """CPU seconds to re-seal the key tables of so many blocks under a new database key: each opened, sealed, opened
    again to prove it, and written in one durable transaction."""
    random = SystemRandom()
    with DataKey.generate(random) as before, DataKey.generate(random) as after, closing(_store(folder)) as store:
        segments = [SegmentId(origin="cluster", table="table", segment=f"{n:032x}") for n in range(-(-count // BLOCKS))]
        made = [seal_table(_table(), one, 1, dek="before", key=before, random=random) for one in segments]
        store.executemany("INSERT INTO kept VALUES (?, 'before', ?)", list(enumerate(made)))
        began = time.process_time()
        store.execute("BEGIN IMMEDIATE")
        written = []
        for number, body in store.execute("SELECT id, body FROM kept WHERE dek = 'before'"):
            table = open_table(body, segments[number], 1, dek="before", key=before)
            sealed = seal_table(table, segments[number], 2, dek="after", key=after, random=random)
            if open_table(sealed, segments[number], 2, dek="after", key=after).entries != table.entries:
                raise ValueError("it does not open as it was")
            written.append((sealed, number))
        store.executemany("UPDATE kept SET dek = 'after', body = ? WHERE id = ?", written)
        store.execute("COMMIT")
        return time.process_time() - began


def row_a_key(folder: Path, count: int) -> float:
    """CPU seconds to re-wrap so many keys that have a row each, in one durable transaction."""
    before, after = AESGCM(os.urandom(32)), AESGCM(os.urandom(32))
    with closing(_store(folder)) as store:
        nonces = [os.urandom(12) for _ in range(count)]
        rows = [(n, nonce + before.encrypt(nonce, os.urandom(32), _AAD)) for n, nonce in enumerate(nonces)]
        store.execute("BEGIN")
        store.executemany("INSERT INTO kept VALUES (?, 'before', ?)", rows)
        store.execute("COMMIT")
        began = time.process_time()
        store.execute("BEGIN IMMEDIATE")
        written = []
        for number, body in store.execute("SELECT id, body FROM kept WHERE dek = 'before'"):
            nonce = os.urandom(12)
            sealed = nonce + after.encrypt(nonce, before.decrypt(body[:12], body[12:], _AAD), _AAD)
            written.append((sealed, number))
        store.executemany("UPDATE kept SET dek = 'after', body = ? WHERE id = ?", written)
        store.execute("COMMIT")
        return time.process_time() - began


def _table() -> KeyTable:
    return KeyTable(
        sealed=True,
        size=BLOCKS * BLOCK_BYTES,
        block_bytes=BLOCK_BYTES,
        rows=1,
        schema=b"",
        zones={},
        entries=os.urandom(BLOCKS * ENTRY_BYTES),
    )


def _store(folder: Path) -> sqlite3.Connection:
    folder.mkdir()
    store = sqlite3.connect(folder / "kept.db", isolation_level=None)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=FULL")
    store.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, dek TEXT NOT NULL, body BLOB NOT NULL)")
    return store
