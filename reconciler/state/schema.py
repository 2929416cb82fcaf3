"""How the state lies in its SQLite file, and how that file is opened.

``head`` keeps the few columns that every plan reads for all resources, and the digest of the wide ones in ``resource``,
so that 10,000 heads are read and proved in one short scan. ``journal`` is a chain: rows are only added at its end, and
taken away at its start when they are closed and old. ``pending`` is its index of open intents. ``meta`` stands for the
whole: its tag covers the lease, the proofs of what the tables hold, and both ends of the journal (I9).
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path
from typing import Final

from reconciler.host.sqlite import connect, connect_read_only
from reconciler.model.ports import Mac, Random
from reconciler.state import meta

WHAT: Final = "state"
FORMAT: Final = 1
APPLICATION_ID: Final = 0x52435354  # "RCST"

_SCHEMA: Final = """
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    lineage TEXT NOT NULL,
    serial INTEGER NOT NULL,
    seal TEXT NOT NULL,
    rows BLOB NOT NULL,
    open BLOB NOT NULL,
    plans BLOB NOT NULL,
    dropped INTEGER NOT NULL,
    dropped_tag BLOB NOT NULL,
    last INTEGER NOT NULL,
    last_tag BLOB NOT NULL,
    tag BLOB NOT NULL
);
CREATE TABLE head (
    address TEXT PRIMARY KEY,
    digest TEXT,
    identity TEXT,
    links TEXT NOT NULL,
    due_at REAL,
    settled INTEGER NOT NULL,
    standing TEXT NOT NULL,
    serial INTEGER NOT NULL,
    wide BLOB NOT NULL,
    tag BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE resource (
    address TEXT PRIMARY KEY REFERENCES head (address) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    provider TEXT NOT NULL,
    attributes TEXT NOT NULL,
    spec TEXT,
    observed TEXT,
    protected INTEGER NOT NULL,
    refs TEXT NOT NULL
);
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('taken', 'begun', 'done', 'abandoned', 'noted')),
    address TEXT NOT NULL,
    step TEXT NOT NULL,
    verb TEXT NOT NULL,
    body TEXT NOT NULL,
    serial INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    at REAL NOT NULL,
    tag BLOB NOT NULL
);
CREATE TABLE pending (
    address TEXT NOT NULL,
    step TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (address, step)
) WITHOUT ROWID;
CREATE TABLE used_plan (
    plan_id TEXT PRIMARY KEY,
    at REAL NOT NULL,
    tag BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE lease (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    held INTEGER NOT NULL,
    token INTEGER NOT NULL,
    who TEXT NOT NULL,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    command TEXT NOT NULL,
    since REAL NOT NULL,
    expires REAL NOT NULL
);
INSERT INTO lease VALUES (1, 0, 0, '', '', '', 0, 0, '', 0, 0);
"""


def open_for_writing(path: Path, random: Random, seal: Mac) -> sqlite3.Connection:
    """The state at ``path``; made, with a lineage of its own, when there is none."""
    lineage = str(uuid.UUID(bytes=random.bytes(16), version=4))
    return connect(
        path,
        what=WHAT,
        schema=_SCHEMA + meta.first_row(seal, lineage),
        format_number=FORMAT,
        application_id=APPLICATION_ID,
    )


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """The state for reading only, None when there is none yet. Creates no state."""
    return connect_read_only(path, what=WHAT, schema=_SCHEMA, format_number=FORMAT, application_id=APPLICATION_ID)
