"""The tables of one HSM provider: what it configured, what it made in which token, and what happened (HS5, HS7).

Times are whole microseconds since 1970 in UTC; ids are hex; ``pin_from``, ``suites`` and ``tags`` are JSON. No key and
no PIN is here: ``sealed_key`` is a client certificate's private key under the seal (``seal``), a ``canary`` what the
token made of a known text (``canary``).

Whatever is to be made in a token stands here first, under its id, with ``ready`` 0; ``ready`` 1 says that it is there
and was proved. A row with ``going`` 1 is being removed. ``key.switching`` is what a key's label is being changed to,
``seen`` what it last said.
``key_store`` has what was wrapped for the key stores of others (``keys.sealing``); ``place`` is theirs, below the home.
``lost`` is the fault that a partition was last seen with, NULL while it answers. ``event`` is a chain (``events``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconciler.host.fencing import WhoWrites, nobody
from reconciler.host.store import Store

FORMAT: Final = 1
APPLICATION_ID: Final = 0x524B4801  # "RKH", 1
WHAT: Final = "HSM store"

SCHEMA: Final = """
CREATE TABLE seal (only INTEGER PRIMARY KEY CHECK (only = 1), seal_id BLOB NOT NULL) STRICT;
CREATE TABLE client_certificate (
    name TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE, common_name TEXT NOT NULL, pem TEXT NOT NULL,
    fingerprint TEXT NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, sealed_key BLOB NOT NULL
) STRICT;
CREATE TABLE partition (
    uid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    ready INTEGER NOT NULL, going INTEGER NOT NULL DEFAULT 0, pin_from TEXT NOT NULL, token_label TEXT, slot INTEGER,
    address TEXT, server_certificate TEXT, client_certificate TEXT REFERENCES client_certificate(name),
    module TEXT, allow_unenforced INTEGER NOT NULL, verify TEXT NOT NULL, suites TEXT NOT NULL DEFAULT '[]',
    enforced INTEGER NOT NULL DEFAULT 0, serial TEXT NOT NULL DEFAULT '', canary BLOB, lost TEXT
) STRICT;
CREATE INDEX partition_certificate ON partition (client_certificate) WHERE client_certificate IS NOT NULL;
CREATE TABLE cluster_key (
    partition TEXT NOT NULL REFERENCES partition(uid), key_id TEXT NOT NULL, suite TEXT NOT NULL,
    created_at INTEGER NOT NULL, ready INTEGER NOT NULL, going INTEGER NOT NULL DEFAULT 0, retired_at INTEGER,
    canary BLOB, PRIMARY KEY (partition, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX cluster_key_id ON cluster_key (key_id);
CREATE TABLE key (
    key_id TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE, partition TEXT NOT NULL REFERENCES partition(uid),
    description TEXT NOT NULL, tags TEXT NOT NULL, created_at INTEGER NOT NULL, ready INTEGER NOT NULL, switching TEXT,
    newest INTEGER NOT NULL, rotation_days INTEGER, rotation_at INTEGER, deletion_at INTEGER, destroyed_at INTEGER,
    seen TEXT NOT NULL DEFAULT 'enabled'
) STRICT;
CREATE INDEX key_partition ON key (partition);
CREATE INDEX key_due ON key (deletion_at) WHERE deletion_at IS NOT NULL AND destroyed_at IS NULL;
CREATE TABLE key_version (
    key_id TEXT NOT NULL REFERENCES key(key_id), number INTEGER NOT NULL, object_id TEXT NOT NULL UNIQUE,
    suite TEXT NOT NULL, created_at INTEGER NOT NULL, token TEXT, ready INTEGER NOT NULL, canary BLOB,
    going INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (key_id, number), UNIQUE (key_id, token)
) STRICT, WITHOUT ROWID;
CREATE TABLE key_store (
    wrapped BLOB PRIMARY KEY, key_id TEXT NOT NULL REFERENCES key(key_id), place TEXT NOT NULL
) STRICT;
CREATE INDEX key_store_key ON key_store (key_id);
CREATE TABLE event (
    serial INTEGER PRIMARY KEY, time INTEGER NOT NULL, said TEXT NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE TABLE event_head (
    only INTEGER PRIMARY KEY CHECK (only = 1), serial INTEGER NOT NULL, hash BLOB NOT NULL, mac BLOB NOT NULL
) STRICT;
"""


def store(folder: Path, who_writes: WhoWrites = nobody) -> Store:
    """The store in a provider's folder."""
    return Store(
        folder / "hsm.db",
        what=WHAT,
        schema=SCHEMA,
        format_number=FORMAT,
        application_id=APPLICATION_ID,
        who_writes=who_writes,
    )
