"""The chain through the audit table: each row's hash covers all that the record says and the hash before it (AU4).

The last row's place and hash stand in ``audit_head`` under a MAC of the store's ``proofs``, so rows cannot be changed,
taken out or cut off by whoever lacks that key. Whoever appends looks at the head first; where it is not what was
written, that is recorded for good and the chain goes on, for a log that stops would be one more way to attack the
service. What no file can tell by itself is that all of it was put back to an older copy.
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, NamedTuple

from reconciler.audit.checked import AuditBreak, CheckedAudit
from reconciler.envelope.canonical import encode
from reconciler.envelope.mac import HmacSha256
from reconciler.model.ports import Random
from reconciler_softkms import audit_log
from reconciler_softkms.own_records import own_record
from reconciler_softkms.rows import Names
from reconciler_softkms.store import Store

BROKEN: Final = "ReportAuditBreak"
NOTHING: Final = bytes(32)
_PURPOSE: Final = "softkms audit head"
_SPELLING: Final = 2  # of marshal: a value with its type and length, so no two rows are spelled alike
_INSERT: Final = "INSERT INTO audit (serial, time, request_id, event_id, said, hash) VALUES (?, ?, ?, ?, ?, ?)"
# Whatever is there already belongs to a record that was taken out behind our back: it must not keep others out.
_SAY: Final = f"INSERT OR REPLACE INTO audit_said (said, {audit_log.SAID}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - fixed text
_WHOLE: Final = f"SELECT serial, hash, {audit_log.COLUMNS} FROM audit LEFT JOIN audit_said USING (said) ORDER BY serial"  # noqa: S608 - fixed text


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
        known: dict[audit_log.Said, tuple[int, bytes]] = {}  # of this batch alone: nothing to go stale
        for time, request_id, event_id, said in rows:
            serial += 1
            found = known.get(said)
            if found is None:
                found = known[said] = serial, digest(said)
            first, digested = found
            before = link(before, (serial, time, request_id, event_id, digested))
            chained.append((serial, time, request_id, event_id, first, before))
        connection.executemany(_SAY, [(first, *said) for said, (first, _) in known.items()])
        connection.executemany(_INSERT, chained)
        connection.execute(
            "INSERT OR REPLACE INTO audit_head (only, serial, hash, mac) VALUES (1, ?, ?, ?)",
            (serial, before, self._mac(self._message(serial, before))),
        )

    def check(self, connection: sqlite3.Connection) -> CheckedAudit:
        """Follow the whole chain: how many records there are, and the first that is not what was written."""
        count, expected, before = 0, 1, NOTHING
        found = connection.execute(_WHOLE)
        for serial, kept, time, request_id, event_id, *said in found:
            if serial != expected:
                return CheckedAudit(count, AuditBreak(expected, f"records {expected} to {serial - 1} are not there"))
            if link(before, (serial, time, request_id, event_id, digest(tuple(said)))) != kept:
                return CheckedAudit(count, AuditBreak(serial, "it, or what came before it, was changed"))
            if said[0] == BROKEN:
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
        parameters = {"after": head.serial, "reason": wrong}
        return own_record(self._names, self._random, now=now, name=BROKEN, parameters=parameters)

    def _message(self, serial: int, last: bytes) -> bytes:
        return encode("audit head", 1, self._names.account, self._names.region, serial, last)

    @cached_property
    def _mac(self) -> Callable[[bytes], bytes]:
        return HmacSha256(self._store.seal().proofs).derived(_PURPOSE)


def digest(said: tuple[Any, ...]) -> bytes:
    """The hash of what a record says. Frozen by a vector in the tests, as ``link`` is."""
    return sha256(marshal.dumps(said, _SPELLING)).digest()


def link(before: bytes, record: tuple[int, int, bytes, bytes, bytes]) -> bytes:
    """The hash of a record, given the hash before it: of serial, time, request id, event id and the digest of what it
    says."""
    return sha256(before + marshal.dumps(record, _SPELLING)).digest()
