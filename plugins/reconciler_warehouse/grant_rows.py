"""Grants in the key ring: which are needed, and which wait to be retired."""

from __future__ import annotations

import sqlite3


def let_go(ring: sqlite3.Connection, grant_id: str, key_arn: str) -> None:
    """Note a grant for retirement, unless something needs it."""
    if not is_needed(ring, grant_id):
        ring.execute("INSERT OR IGNORE INTO retiring (grant_id, key_arn) VALUES (?,?)", (grant_id, key_arn))


def is_needed(ring: sqlite3.Connection, grant_id: str) -> bool:
    """Whether a CEK, a copy grant or what is under escrow rests on the grant, or is about to."""
    return any(
        ring.execute(f"SELECT 1 FROM {table} WHERE grant_id = ?", (grant_id,)).fetchone()  # noqa: S608  # these four
        for table in ("cek", "copy_grant", "escrow_wrap", "escrow_grant")
    )
