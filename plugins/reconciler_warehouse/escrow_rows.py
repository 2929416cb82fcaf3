"""Rows of the key ring about escrow: DEKs under a key that is not their root (RE14), and grants on such keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from reconciler_warehouse.grant_rows import let_go


def escrow_key(ring: sqlite3.Connection, holder: str) -> str | None:
    """ARN of the escrow key that opens all that the holder holds; None when none does: it opens by its root only."""
    found = {
        row[0]
        for row in ring.execute(
            """SELECT e.key_arn FROM holder o JOIN holding h ON h.holder = o.uid AND h.cek = o.cek
               LEFT JOIN escrow_wrap e ON e.holder = h.holder AND e.dek = h.dek WHERE o.uid = ?""",
            (holder,),
        )
    }
    return found.pop() if len(found) == 1 else None


def share_escrow(ring: sqlite3.Connection, holder: str, to: str) -> None:
    """What of the holder is under escrow is so for another that holds the same DEKs: a snapshot of a cluster. Needs no
    key; nothing is wrapped anew."""
    ring.execute(
        """INSERT OR REPLACE INTO escrow_wrap (holder, dek, key_arn, context, grant_id, wrapped, made_at)
           SELECT ?2, dek, key_arn, context, grant_id, wrapped, made_at FROM escrow_wrap WHERE holder = ?1
           AND dek IN (SELECT dek FROM holding WHERE holder = ?2)""",
        (holder, to),
    )


def drop_escrow_wraps(ring: sqlite3.Connection, holder: str, *, keep: str = "") -> None:
    """Forget what of the holder is under escrow, but the DEK ``keep``, and the grants that nothing needs then."""
    gone = ring.execute(
        "DELETE FROM escrow_wrap WHERE holder = ? AND dek != ? RETURNING grant_id, key_arn", (holder, keep)
    ).fetchall()
    for grant_id, key_arn in set(gone):
        if grant_id is not None:
            let_go(ring, grant_id, key_arn)


def drop_unheld_wraps(ring: sqlite3.Connection, let_go_deks: Iterable[tuple[str, str]]) -> None:
    """Wraps under escrow of DEKs that their holder does not hold any more: a change that was given up made them."""
    for holder, dek in let_go_deks:
        gone = ring.execute(
            """DELETE FROM escrow_wrap WHERE holder = ?1 AND dek = ?2
               AND NOT EXISTS (SELECT 1 FROM holding WHERE holder = ?1 AND dek = ?2) RETURNING grant_id, key_arn""",
            (holder, dek),
        ).fetchone()
        if gone is not None and gone[0] is not None:
            let_go(ring, *gone)


def note_escrow_grant(ring: sqlite3.Connection, operation: str, grant_id: str, key_arn: str) -> None:
    """A grant on an escrow key that the operation rests on until something is under it."""
    ring.execute(
        "INSERT OR REPLACE INTO escrow_grant (operation, grant_id, key_arn) VALUES (?,?,?)",
        (operation, grant_id, key_arn),
    )


def forget_escrow_grant(ring: sqlite3.Connection, operation: str) -> None:
    """The operation is over: the grant goes unless something is under its key."""
    gone = ring.execute(
        "DELETE FROM escrow_grant WHERE operation = ? RETURNING grant_id, key_arn", (operation,)
    ).fetchone()
    if gone is not None:
        let_go(ring, *gone)
