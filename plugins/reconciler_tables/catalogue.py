"""The catalogue: keyspaces, tables, and their sealed rows. What carries data is ciphertext; names are not secret.

A table's row is made (CREATING) before anything is asked of the key service and goes before its keys go. A uid in
``dropped`` left with its rows, so whatever the key ring still has of it is a leftover that opens nothing; a table that
is merely absent (a catalogue that was lost, or put back from an older copy) is no reason to drop a key (I3).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reconciler_tables.names import TableName

FORMAT: Final = 2
ACTIVE: Final = "ACTIVE"
CREATING: Final = "CREATING"
UPDATING: Final = "UPDATING"
DELETING: Final = "DELETING"

SCHEMA: Final = """
CREATE TABLE keyspace (
    name TEXT PRIMARY KEY, replication TEXT NOT NULL, token TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL
) STRICT;
CREATE TABLE wide_table (
    uid TEXT PRIMARY KEY, keyspace TEXT NOT NULL REFERENCES keyspace (name), name TEXT NOT NULL, status TEXT NOT NULL,
    schema TEXT NOT NULL, key_arn TEXT, token TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, UNIQUE (keyspace, name)
) STRICT;
CREATE TABLE dropped (uid TEXT PRIMARY KEY) STRICT;
CREATE TABLE partition_head (
    table_uid TEXT NOT NULL, partition BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (table_uid, partition)
) STRICT;
CREATE TABLE sealed_row (
    table_uid TEXT NOT NULL, partition BLOB NOT NULL, row BLOB NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (table_uid, partition, row)
) STRICT;
"""

_TABLE: Final = "uid, keyspace, name, status, schema, key_arn, token, created_at, rows, bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRecord:
    """A table as the catalogue knows it. ``schema`` is JSON (``table_schema``); ``key_arn`` is what its creation asked
    for: the key ring knows what it has now."""

    uid: str
    name: TableName
    status: str
    schema: str
    key_arn: str | None
    token: str
    created_at: datetime
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyspaceRecord:
    """A keyspace as the catalogue knows it."""

    name: str
    replication: str
    token: str


def keyspace_named(connection: sqlite3.Connection, name: str) -> KeyspaceRecord | None:
    """The keyspace of that name."""
    row = connection.execute("SELECT name, replication, token FROM keyspace WHERE name = ?", (name,)).fetchone()
    return None if row is None else KeyspaceRecord(name=row[0], replication=row[1], token=row[2])


def all_keyspaces(connection: sqlite3.Connection, names: Collection[str] | None = None) -> list[KeyspaceRecord]:
    """Every keyspace, or those of these names, ordered by name."""
    if names is not None:
        found = (keyspace_named(connection, name) for name in sorted(set(names)))
        return [record for record in found if record is not None]
    rows = connection.execute("SELECT name, replication, token FROM keyspace ORDER BY name")
    return [KeyspaceRecord(name=row[0], replication=row[1], token=row[2]) for row in rows]


def add_keyspace(connection: sqlite3.Connection, record: KeyspaceRecord, created_at: str) -> None:
    """A new keyspace."""
    connection.execute(
        "INSERT INTO keyspace (name, replication, token, created_at) VALUES (?,?,?,?)",
        (record.name, record.replication, record.token, created_at),
    )


def tables_of_keyspace(connection: sqlite3.Connection, keyspace: str) -> list[TableRecord]:
    """The keyspace's tables in whatever status, ordered by name."""
    rows = connection.execute(
        f"SELECT {_TABLE} FROM wide_table WHERE keyspace = ? ORDER BY name",  # noqa: S608  # a constant
        (keyspace,),
    )
    return [_record(row) for row in rows]


def remove_keyspace(connection: sqlite3.Connection, name: str) -> None:
    """The keyspace, which must have no tables."""
    connection.execute("DELETE FROM keyspace WHERE name = ?", (name,))


def table_named(connection: sqlite3.Connection, name: TableName) -> TableRecord | None:
    """The table of that name, in whatever status."""
    return _one(connection, "keyspace = ? AND name = ?", (name.keyspace, name.table))


def table_of_token(connection: sqlite3.Connection, token: str) -> TableRecord | None:
    """The table that a creation with that token made or is making."""
    return _one(connection, "token = ?", (token,))


def table_of_uid(connection: sqlite3.Connection, uid: str) -> TableRecord | None:
    """The table of that uid, in whatever status."""
    return _one(connection, "uid = ?", (uid,))


def all_tables(connection: sqlite3.Connection, names: Collection[tuple[str, str]] | None = None) -> list[TableRecord]:
    """Every table in whatever status, or those of these names, ordered by keyspace and name."""
    if names is not None:
        found = (table_named(connection, TableName(*name)) for name in sorted(set(names)))
        return [record for record in found if record is not None]
    rows = connection.execute(f"SELECT {_TABLE} FROM wide_table ORDER BY keyspace, name")  # noqa: S608  # a constant
    return [_record(row) for row in rows]


def add_table(connection: sqlite3.Connection, record: TableRecord) -> None:
    """A new table."""
    connection.execute(
        f"INSERT INTO wide_table ({_TABLE}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  # a constant
        (
            *(record.uid, record.name.keyspace, record.name.table, record.status, record.schema, record.key_arn),
            *(record.token, record.created_at.isoformat(), record.rows, record.bytes),
        ),
    )


def set_status(connection: sqlite3.Connection, uid: str, status: str, *, was: str) -> bool:
    """Give the table another status; False when it no longer had ``was``."""
    changed = connection.execute(
        "UPDATE wide_table SET status = ? WHERE uid = ? AND status = ?", (status, uid, was)
    ).rowcount
    return changed == 1


def was_dropped(connection: sqlite3.Connection, uid: str) -> bool:
    """Whether a table of that uid was here and was removed."""
    return connection.execute("SELECT 1 FROM dropped WHERE uid = ?", (uid,)).fetchone() is not None


def dropped_tables(connection: sqlite3.Connection) -> set[str]:
    """Uids of all tables that were here and were removed."""
    return {uid for (uid,) in connection.execute("SELECT uid FROM dropped")}


def remove_table(connection: sqlite3.Connection, uid: str) -> None:
    """The table and all its rows."""
    connection.execute("INSERT OR IGNORE INTO dropped VALUES (?)", (uid,))
    for place in ("sealed_row", "partition_head"):
        connection.execute(f"DELETE FROM {place} WHERE table_uid = ?", (uid,))  # noqa: S608  # two constants
    connection.execute("DELETE FROM wide_table WHERE uid = ?", (uid,))


def _one(connection: sqlite3.Connection, condition: str, values: tuple[str, ...]) -> TableRecord | None:
    row = connection.execute(f"SELECT {_TABLE} FROM wide_table WHERE {condition}", values).fetchone()  # noqa: S608  # constants
    return None if row is None else _record(row)


def _record(row: tuple[Any, ...]) -> TableRecord:
    return TableRecord(
        uid=row[0],
        name=TableName(row[1], row[2]),
        status=row[3],
        schema=row[4],
        key_arn=row[5],
        token=row[6],
        created_at=datetime.fromisoformat(row[7]),
        rows=row[8],
        bytes=row[9],
    )
