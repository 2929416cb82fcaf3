"""How the state lies in its SQLite file, and how that file is opened.

``head`` keeps the few columns that every plan reads for all resources; ``resource`` the wide ones, so that 10,000
heads are read in one short scan. ``intent`` and ``outcome`` are the journal: rows are only ever added. ``pending`` is
its index of open intents. The nullable ``mac`` columns are where a later format keeps its chain of MACs (I9).
"""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path
from typing import Final

from reconciler.host.sqlite import connect, connect_read_only
from reconciler.model.ports import Random

WHAT: Final = "state"
FORMAT: Final = 1
APPLICATION_ID: Final = 0x52435354  # "RCST"

_SCHEMA: Final = """
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    lineage TEXT NOT NULL,
    serial INTEGER NOT NULL
);
CREATE TABLE head (
    address TEXT PRIMARY KEY,
    digest TEXT,
    identity TEXT,
    links TEXT NOT NULL,
    due_at REAL,
    settled INTEGER NOT NULL,
    standing TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE resource (
    address TEXT PRIMARY KEY REFERENCES head (address) ON DELETE CASCADE,
    uid TEXT NOT NULL,
    provider TEXT NOT NULL,
    attributes TEXT NOT NULL,
    spec TEXT,
    observed TEXT,
    protected INTEGER NOT NULL,
    refs TEXT NOT NULL,
    serial INTEGER NOT NULL,
    mac BLOB
);
CREATE TABLE intent (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL,
    uid TEXT NOT NULL,
    provider TEXT NOT NULL,
    step TEXT NOT NULL,
    verb TEXT NOT NULL,
    token TEXT NOT NULL,
    facts TEXT NOT NULL,
    fence INTEGER NOT NULL,
    at REAL NOT NULL,
    mac BLOB
);
CREATE TABLE outcome (
    number INTEGER PRIMARY KEY REFERENCES intent (number),
    result TEXT NOT NULL CHECK (result IN ('done', 'abandoned')),
    reason TEXT,
    serial INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    at REAL NOT NULL,
    mac BLOB
);
CREATE TABLE pending (
    address TEXT NOT NULL,
    step TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES intent (number),
    PRIMARY KEY (address, step)
) WITHOUT ROWID;
CREATE TABLE used_plan (
    plan_id TEXT PRIMARY KEY,
    at REAL NOT NULL
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
INSERT INTO meta VALUES (1, '{lineage}', 0)
"""


def open_for_writing(path: Path, random: Random) -> sqlite3.Connection:
    """The state at ``path``; made, with a lineage of its own, when there is none."""
    lineage = str(uuid.UUID(bytes=random.bytes(16), version=4))
    return connect(
        path,
        what=WHAT,
        schema=_SCHEMA.format(lineage=lineage),
        format_number=FORMAT,
        application_id=APPLICATION_ID,
    )


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """The state for reading only, None when there is none yet. Creates no state."""
    return connect_read_only(path, what=WHAT, schema=_SCHEMA, format_number=FORMAT, application_id=APPLICATION_ID)
