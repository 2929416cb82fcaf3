"""The chain through the audit table: each row's hash covers all its columns and the hash before it (AU4).

The last row's place and hash stand in ``audit_head`` under a MAC of the seal key, so rows cannot be changed, taken out
or cut off by whoever lacks that key. Whoever appends looks at the head first; where it is not what was written, that
is recorded for good and the chain goes on, for a log that stops would be one more way to attack the service. What no
file can tell by itself is that all of it was put back to an older copy.
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, NamedTuple

from reconciler.access.caller import Caller
from reconciler.audit.checked import AuditBreak, CheckedAudit
from reconciler.envelope.canonical import encode
from reconciler.envelope.mac import HmacSha256
from reconciler.model.ports import Random
from reconciler_softkms import audit_log
from reconciler_softkms.rows import Names
from reconciler_softkms.store import Store

BROKEN: Final = "ReportAuditBreak"
NOTHING: Final = bytes(32)
_PURPOSE: Final = "softkms audit head"
_SPELLING: Final = 2  # of marshal: a value with its type and length, so no two rows are spelled alike
_INSERT: Final = f"INSERT INTO audit (serial, {audit_log.COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - fixed text


class _Head(NamedTuple):
    serial: int
    hash: bytes


class Chain:
    """The chain of one store. Everything happens in the caller's transaction, with the seal open."""

    def __init__(self, store: Store, names: Names, random: Random) -> None:
        self._store = store
        self._names = names
        self._random = random

    def append(self, connection: sqlite3.Connection, rows: Sequence[audit_log.Row]) -> None:
        """Add the rows, after those that were left to be chained."""
        left = audit_log.coming(connection)
        if left:
            connection.execute("DELETE FROM audit_coming")
            rows = [*left, *rows]
        if not rows:
            return
        head, wrong = self._head(connection, rows)
        if wrong is not None:
            rows = [self._report(head, wrong, rows[0][0]), *rows]
        serial, before = head
        chained = []
        for row in rows:
            serial += 1
            before = link(before, serial, row)
            chained.append((serial, *row, before))
        connection.executemany(_INSERT, chained)
        connection.execute(
            "INSERT OR REPLACE INTO audit_head (only, serial, hash, mac) VALUES (1, ?, ?, ?)",
            (serial, before, self._mac(self._message(serial, before))),
        )

    def check(self, connection: sqlite3.Connection) -> CheckedAudit:
        """Follow the whole chain: how many records there are, and the first that is not what was written."""
        count, expected, before = 0, 1, NOTHING
        found = connection.execute(f"SELECT serial, {audit_log.COLUMNS}, hash FROM audit ORDER BY serial")  # noqa: S608 - fixed text
        for serial, *columns, kept in found:
            if serial != expected:
                return CheckedAudit(count, AuditBreak(expected, f"records {expected} to {serial - 1} are not there"))
            if link(before, serial, columns) != kept:
                return CheckedAudit(count, AuditBreak(serial, "it, or what came before it, was changed"))
            if columns[1] == BROKEN:
                return CheckedAudit(count, AuditBreak(serial, "it reports that the log before it was changed"))
            count, expected, before = count + 1, serial + 1, kept
        head, wrong = self._head(connection, ())
        if wrong is None and head.serial != count:
            wrong = "its end is not the one that was written"
        return CheckedAudit(count, None if wrong is None else AuditBreak(expected, wrong))

    def _head(self, connection: sqlite3.Connection, coming: Sequence[audit_log.Row]) -> tuple[_Head, str | None]:
        """What to append ``coming`` to, and what is wrong with it."""
        last = connection.execute(
            "SELECT serial, hash FROM audit WHERE serial = (SELECT max(serial) FROM audit)"
        ).fetchone()
        kept = connection.execute("SELECT serial, hash, mac FROM audit_head WHERE only = 1").fetchone()
        end = _Head(*(last or (0, NOTHING)))
        if kept is None:
            # A store is as old as its first key. What made it was recorded with it.
            first = min((row[0] for row in coming), default=1 << 62)
            older = connection.execute("SELECT 1 FROM keys WHERE created_at < ? LIMIT 1", (first,)).fetchone()
            lost = last is not None or older is not None
            return end, ("its end is not written anywhere" if lost else None)
        after = end if end.serial >= kept[0] else _Head(kept[0], end.hash)
        if self._mac(self._message(kept[0], kept[1])) != kept[2]:
            return after, "its end is not the one that was written"
        if (end.serial, end.hash) != (kept[0], kept[1]):
            return after, f"it ends with record {end.serial}, and {kept[0]} were written"
        return end, None

    def _report(self, head: _Head, wrong: str, now: int) -> audit_log.Row:
        return audit_log.row(
            now=now,
            name=BROKEN,
            caller=Caller(principal="kms.amazonaws.com", account=self._names.account),
            key_arns=[],
            parameters={"after": head.serial, "reason": wrong},
            ids=self._random.bytes(2 * audit_log.ID_BYTES),
            by_service_itself=True,
        )

    def _message(self, serial: int, last: bytes) -> bytes:
        return encode("audit head", 1, self._names.account, self._names.region, serial, last)

    @cached_property
    def _mac(self) -> Callable[[bytes], bytes]:
        return HmacSha256(self._store.seal().proofs).derived(_PURPOSE)


def link(before: bytes, serial: int, row: Sequence[Any]) -> bytes:
    """The hash of a row, given the hash before it. Frozen by a vector in the tests."""
    return sha256(before + marshal.dumps((serial, *row), _SPELLING)).digest()
