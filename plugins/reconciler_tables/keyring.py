"""The key ring: each table's key, wrapped, with its grant and encryption context; a store apart from the rows.

A table key has one *live* wrap. A change of KMS key stages a second one beside it, proves that it opens, and takes it
in one commit; the old wrap stays as *retiring* until its grant is retired (I2, KS5). Nothing in here opens without the
key service.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler_tables.names import TableName

FORMAT: Final = 2
STAGED: Final = "staged"
LIVE: Final = "live"
RETIRING: Final = "retiring"

SCHEMA: Final = """
CREATE TABLE wrap (
    table_uid TEXT NOT NULL, generation INTEGER NOT NULL, stage TEXT NOT NULL,
    keyspace TEXT NOT NULL, name TEXT NOT NULL, table_key_id TEXT NOT NULL, key_arn TEXT NOT NULL,
    owned INTEGER NOT NULL, context TEXT NOT NULL, grant_asked INTEGER NOT NULL, grant_id TEXT, wrapped BLOB,
    PRIMARY KEY (table_uid, generation), CHECK (stage IN ('staged', 'live', 'retiring'))
) STRICT;
CREATE UNIQUE INDEX wrap_one_live ON wrap (table_uid) WHERE stage = 'live';
CREATE UNIQUE INDEX wrap_one_staged ON wrap (table_uid) WHERE stage = 'staged';
CREATE INDEX wrap_key ON wrap (key_arn);
CREATE INDEX wrap_name ON wrap (keyspace, name);
CREATE TABLE inner_key (
    table_uid TEXT NOT NULL, purpose TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (table_uid, purpose)
) STRICT;
"""

_WRAP: Final = (
    "table_uid, generation, stage, keyspace, name, table_key_id, key_arn, owned, context, grant_asked, grant_id, "
    "wrapped"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrap:
    """A table key under one KMS key. ``table_key_id`` names the key inside, which a change of KMS key keeps.

    ``grant_asked`` is durable before CreateGrant is called, ``grant_id`` after; ``wrapped`` None: not there yet.
    """

    table_uid: str
    generation: int
    stage: str
    name: TableName
    table_key_id: str
    key_arn: str
    owned: bool
    context: Mapping[str, str]
    grant_asked: bool = False
    grant_id: str | None = None
    wrapped: bytes | None = None

    @property
    def grant_name(self) -> str:
        """Makes CreateGrant idempotent: the same name again is the same grant."""
        return f"table-{self.table_uid}-{self.generation}"

    @property
    def customer_key(self) -> str | None:
        """The customer-managed key's ARN; None under the owned key."""
        return None if self.owned else self.key_arn


def wraps_of(connection: sqlite3.Connection, uid: str) -> list[Wrap]:
    """All wraps of a table, oldest first."""
    rows = connection.execute(f"SELECT {_WRAP} FROM wrap WHERE table_uid = ? ORDER BY generation", (uid,))  # noqa: S608  # a constant
    return [_wrap(row) for row in rows]


def all_wraps(connection: sqlite3.Connection, key_arn: str | None = None) -> list[Wrap]:
    """Every wrap, or those under one key."""
    condition, values = ("", ()) if key_arn is None else ("WHERE key_arn = ?", (key_arn,))
    return [_wrap(row) for row in connection.execute(f"SELECT {_WRAP} FROM wrap {condition}", values)]  # noqa: S608  # constants


def wraps_under(connection: sqlite3.Connection, key_arn: str) -> list[Wrap]:
    """Every wrap under that key."""
    rows = connection.execute(f"SELECT {_WRAP} FROM wrap WHERE key_arn = ?", (key_arn,))  # noqa: S608  # a constant
    return [_wrap(row) for row in rows]


def neighbours(connection: sqlite3.Connection, uid: str, limit: int) -> list[Wrap]:
    """A few wraps of other tables."""
    rows = connection.execute(f"SELECT {_WRAP} FROM wrap WHERE table_uid != ? LIMIT ?", (uid, limit))  # noqa: S608  # a constant
    return [_wrap(row) for row in rows]


def add_wrap(connection: sqlite3.Connection, wrap: Wrap) -> None:
    """A new wrap."""
    connection.execute(
        f"INSERT INTO wrap ({_WRAP}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  # a constant
        (
            *(wrap.table_uid, wrap.generation, wrap.stage, wrap.name.keyspace, wrap.name.table, wrap.table_key_id),
            *(wrap.key_arn, int(wrap.owned), json.dumps(dict(wrap.context), sort_keys=True)),
            *(int(wrap.grant_asked), wrap.grant_id, wrap.wrapped),
        ),
    )


def note_progress(connection: sqlite3.Connection, wrap: Wrap) -> bool:
    """Store the wrap's grant and wrapped key; False when it is no longer there in that stage."""
    changed = connection.execute(
        "UPDATE wrap SET grant_asked = ?, grant_id = ?, wrapped = ? "
        "WHERE table_uid = ? AND generation = ? AND stage = ?",
        (int(wrap.grant_asked), wrap.grant_id, wrap.wrapped, wrap.table_uid, wrap.generation, wrap.stage),
    )
    return changed.rowcount == 1


def take_staged(connection: sqlite3.Connection, uid: str) -> bool:
    """Make the staged wrap the live one, in the caller's transaction; False when nothing is staged."""
    connection.execute("UPDATE wrap SET stage = 'retiring' WHERE table_uid = ? AND stage = 'live'", (uid,))
    taken = connection.execute("UPDATE wrap SET stage = 'live' WHERE table_uid = ? AND stage = 'staged'", (uid,))
    return taken.rowcount == 1


def give_up(connection: sqlite3.Connection, wrap: Wrap) -> bool:
    """Make a staged wrap a retiring one, which nobody can take any more; False when it is not staged now."""
    changed = connection.execute(
        "UPDATE wrap SET stage = 'retiring' WHERE table_uid = ? AND generation = ? AND stage = 'staged'",
        (wrap.table_uid, wrap.generation),
    )
    return changed.rowcount == 1


def remove_retiring(connection: sqlite3.Connection, wrap: Wrap) -> None:
    """Forget one wrap whose grant is retired. One that is staged or live is never forgotten on its own (I1)."""
    connection.execute(
        "DELETE FROM wrap WHERE table_uid = ? AND generation = ? AND stage = 'retiring'",
        (wrap.table_uid, wrap.generation),
    )


def remove_keys(connection: sqlite3.Connection, uid: str) -> None:
    """Forget all that opens a table."""
    connection.execute("DELETE FROM wrap WHERE table_uid = ?", (uid,))
    connection.execute("DELETE FROM inner_key WHERE table_uid = ?", (uid,))


def uids_of_name(connection: sqlite3.Connection, name: TableName) -> list[str]:
    """Uids under which a table of that name has keys, leftovers included."""
    rows = connection.execute(
        "SELECT DISTINCT table_uid FROM wrap WHERE keyspace = ? AND name = ?", (name.keyspace, name.table)
    )
    return [uid for (uid,) in rows]


def put_inner_key(connection: sqlite3.Connection, uid: str, purpose: str, sealed: bytes) -> None:
    """A key below the table key, sealed under it."""
    connection.execute("INSERT OR REPLACE INTO inner_key VALUES (?,?,?)", (uid, purpose, sealed))


def inner_keys_of(connection: sqlite3.Connection, uid: str) -> dict[str, bytes]:
    """The sealed keys below the table key, by purpose."""
    return dict(connection.execute("SELECT purpose, sealed FROM inner_key WHERE table_uid = ?", (uid,)).fetchall())


def _wrap(row: tuple[Any, ...]) -> Wrap:
    return Wrap(
        table_uid=row[0],
        generation=row[1],
        stage=row[2],
        name=TableName(row[3], row[4]),
        table_key_id=row[5],
        key_arn=row[6],
        owned=bool(row[7]),
        context=json.loads(row[8]),
        grant_asked=bool(row[9]),
        grant_id=row[10],
        wrapped=row[11],
    )
