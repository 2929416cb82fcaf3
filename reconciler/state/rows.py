"""A resource's row, to and from SQLite. Inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.errors import DamagedStore
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded, Standing
from reconciler.state.store import Head

_WIDE = (
    "SELECT h.address, r.uid, r.provider, r.attributes, r.spec, h.digest, r.observed, h.links, h.due_at, h.settled,"
    " r.protected, h.standing, r.refs, r.serial FROM head h JOIN resource r ON r.address = h.address"
)


def read_heads(connection: sqlite3.Connection) -> dict[Address, Head]:
    """All heads, ordered by address."""
    heads = {}
    rows = connection.execute("SELECT address, digest, identity, links, due_at, settled, standing FROM head")
    for text, digest, identity, links, due_at, settled, standing in rows:
        address = Address(text)
        heads[address] = Head(address, digest, identity, links, due_at, settled == 1, standing)
    return heads


def read_one(connection: sqlite3.Connection, address: Address) -> Recorded | None:
    """The row of ``address``."""
    row = connection.execute(_WIDE + " WHERE h.address = ?", (address,)).fetchone()
    return None if row is None else _recorded(row)


def read_all(connection: sqlite3.Connection) -> Iterator[Recorded]:
    """All rows, ordered by address."""
    return (_recorded(row) for row in connection.execute(_WIDE + " ORDER BY h.address"))


def write_row(connection: sqlite3.Connection, row: Recorded, serial: int) -> None:
    """Put ``row`` under its address, whatever was there, as of ``serial``."""
    connection.execute(
        "INSERT INTO head VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET digest = excluded.digest,"
        " identity = excluded.identity, links = excluded.links, due_at = excluded.due_at, settled = excluded.settled,"
        " standing = excluded.standing",
        (row.address, row.digest, row.identity, row.links, row.due_at, int(row.settled), str(row.standing)),
    )
    connection.execute(
        "INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            row.address,
            row.uid,
            row.provider,
            to_json(row.attributes),
            row.spec,
            row.observed,
            int(row.protected),
            json.dumps(row.references),
            serial,
        ),
    )


def unsettle_row(connection: sqlite3.Connection, address: Address) -> None:
    """Mark the row, if there is one, as having a change under way."""
    connection.execute("UPDATE head SET settled = 0 WHERE address = ?", (address,))


def remove_row(connection: sqlite3.Connection, address: Address) -> bool:
    """Remove the row; whether there was one."""
    return connection.execute("DELETE FROM head WHERE address = ?", (address,)).rowcount > 0


def to_json(value: Mapping[str, Any]) -> str:
    """One spelling for one value, so that equal rows are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def from_json(text: str, where: str) -> dict[str, Any]:
    """The object; DamagedStore names ``where`` when it is not one (I21)."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _damaged(where)
    return value


def _recorded(row: tuple[Any, ...]) -> Recorded:
    (address, uid, provider, attributes, spec, digest, observed, links, due_at, settled, protected, standing, refs) = (
        row[:-1]
    )
    try:
        references = tuple(Address(text) for text in json.loads(refs))
        standing = Standing(standing)
    except (TypeError, ValueError, RecursionError):
        raise _damaged(f"row of {address}") from None
    return Recorded(
        address=Address(address),
        uid=uid,
        provider=provider,
        attributes=from_json(attributes, f"row of {address}"),
        spec=spec,
        digest=digest,
        observed=observed,
        links=links,
        due_at=due_at,
        settled=settled == 1,
        protected=protected == 1,
        standing=standing,
        references=references,
        serial=row[-1],
    )


def _damaged(where: str) -> DamagedStore:
    return DamagedStore(
        f"The state is damaged: the {where} is not what was written",
        suggestion="It is left as it is. Put back a copy from a backup, then run the command again.",
    )
