"""A resource's row, to and from SQLite, proved each time it is read (I9). Inside the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from hashlib import sha256
from hmac import compare_digest as is_same
from typing import Any, Final

from reconciler.errors import DamagedStore
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded, Standing
from reconciler.state.doubt import not_authentic
from reconciler.state.ledger import Ledger
from reconciler.state.proofs import TAG_BYTES, Proofs, fits, spelled, tag
from reconciler.state.store import Head

_NARROW: Final = "h.address, h.digest, h.identity, h.links, h.due_at, h.settled, h.standing, h.serial, h.wide, h.tag"
_WIDE: Final = "r.uid, r.provider, r.attributes, r.spec, r.observed, r.protected, r.refs"
_HEADS: Final = f"SELECT {_NARROW} FROM head h"  # noqa: S608  # constants
_ROWS: Final = f"SELECT {_NARROW}, {_WIDE} FROM head h LEFT JOIN resource r ON r.address = h.address"  # noqa: S608
_WIDTH: Final = 10
# Not "OR REPLACE": that would delete the head first, and the wide row with it.
_PUT_HEAD: Final = (
    "INSERT INTO head VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET"
    " digest = excluded.digest, identity = excluded.identity, links = excluded.links, due_at = excluded.due_at,"
    " settled = excluded.settled, standing = excluded.standing, serial = excluded.serial, wide = excluded.wide,"
    " tag = excluded.tag"
)


def read_heads(connection: sqlite3.Connection, proofs: Proofs) -> tuple[dict[Address, Head], dict[Address, bytes]]:
    """All heads, ordered by address, and their proofs. NotAuthentic names the first that is not what was written."""
    heads: dict[Address, Head] = {}
    proved: dict[Address, bytes] = {}
    prove = proofs.row
    for row in connection.execute(_HEADS):
        text, digest, identity, links, due_at, settled, standing, _, _, kept = row
        proof = prove(row[:-1])
        if type(kept) is not bytes or not is_same(proof[:TAG_BYTES], kept):  # `fits`, without a call for each row
            raise _doubted(text)
        address = Address(text)
        proved[address] = proof
        heads[address] = Head(address, digest, identity, links, due_at, settled == 1, standing)
    return heads, proved


def read_one(connection: sqlite3.Connection, proofs: Proofs, address: Address) -> tuple[Recorded, bytes] | None:
    """The row of ``address``, and its proof. NotAuthentic."""
    row = connection.execute(_ROWS + " WHERE h.address = ?", (address,)).fetchone()
    return None if row is None else _proved(row, proofs)


def read_all(connection: sqlite3.Connection, proofs: Proofs) -> Iterator[tuple[Recorded, bytes]]:
    """All rows, ordered by address, with their proofs. NotAuthentic."""
    return (_proved(row, proofs) for row in connection.execute(_ROWS + " ORDER BY h.address"))


def read_unproved(connection: sqlite3.Connection, proofs: Proofs) -> Iterator[tuple[str, Recorded | None]]:
    """All rows by address, None for those that are not what was written (``state reseal``)."""
    for row in connection.execute(_ROWS + " ORDER BY h.address"):
        try:
            yield str(row[0]), _proved(row, proofs)[0]
        except DamagedStore:
            yield str(row[0]), None


def read_claimed(connection: sqlite3.Connection, address: str) -> Recorded | None:
    """What lies there under ``address``, proved by nothing; None when it is no row at all."""
    row = connection.execute(_ROWS + " WHERE h.address = ?", (address,)).fetchone()
    try:
        return None if row is None else _recorded(row)
    except DamagedStore:
        return None


def count_unattached(connection: sqlite3.Connection) -> int:
    """How many wide rows lie there that belong to no head: none, in what we wrote."""
    (wide, narrow) = connection.execute(
        "SELECT (SELECT count(*) FROM resource), (SELECT count(*) FROM head)"
    ).fetchone()
    return int(wide) - int(narrow)


def write_row(connection: sqlite3.Connection, ledger: Ledger, row: Recorded, serial: int) -> None:
    """Put ``row`` under its address, whatever was there, as of ``serial``."""
    address = str(row.address)
    wide = (
        row.uid,
        row.provider,
        to_json(row.attributes),
        row.spec,
        row.observed,
        int(row.protected),
        json.dumps(row.references),
    )
    narrow = (
        address,
        row.digest,
        row.identity,
        row.links,
        None if row.due_at is None else float(row.due_at),
        int(row.settled),
        str(row.standing.value),
        serial,
        _digest(wide),
    )
    proof = ledger.proofs.row(narrow)
    connection.execute(_PUT_HEAD, (*narrow, tag(proof)))
    connection.execute("INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (address, *wide))
    ledger.put_row(row.address, proof)


def unsettle_row(connection: sqlite3.Connection, ledger: Ledger, address: Address) -> None:
    """Mark the row, if there is one, as having a change under way. NotAuthentic."""
    known = ledger.rows.get(address)
    if known is None:
        return
    row = connection.execute(_HEADS + " WHERE h.address = ?", (address,)).fetchone()
    if row is None or ledger.proofs.row(row[:-1]) != known:
        raise _doubted(address)
    if row[5] == 0:
        return
    proof = ledger.proofs.row((*row[:5], 0, *row[6:-1]))
    connection.execute("UPDATE head SET settled = 0, tag = ? WHERE address = ?", (tag(proof), address))
    ledger.put_row(address, proof)


def remove_row(connection: sqlite3.Connection, ledger: Ledger, address: Address) -> bool:
    """Remove the row; whether there was one."""
    if address not in ledger.rows:
        return False
    connection.execute("DELETE FROM head WHERE address = ?", (address,))
    ledger.take_row(address)
    return True


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


def _digest(wide: tuple[Any, ...]) -> bytes:
    return sha256(spelled(wide)).digest()


def _proved(row: tuple[Any, ...], proofs: Proofs) -> tuple[Recorded, bytes]:
    proof = proofs.row(row[: _WIDTH - 1])
    if not fits(proof, row[_WIDTH - 1]) or _digest(row[_WIDTH:]) != row[_WIDTH - 2]:
        raise _doubted(row[0])
    return _recorded(row), proof


def _recorded(row: tuple[Any, ...]) -> Recorded:
    address, digest, _, links, due_at, settled, standing, serial = row[: _WIDTH - 2]
    uid, provider, attributes, spec, observed, protected, refs = row[_WIDTH:]
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
        serial=serial,
    )


def _doubted(address: object) -> DamagedStore:
    return not_authentic(f"the row of {address} was changed, or an older one was put back", address=str(address))


def _damaged(where: str) -> DamagedStore:
    return DamagedStore(
        f"The state is damaged: the {where} is not what was written",
        suggestion="It is left as it is. Put back a copy from a backup, then run the command again.",
    )
