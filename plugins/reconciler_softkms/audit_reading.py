"""Reading the audit log, whole: also what this and other processes have not moved into it yet. ``KeepsAuditLog``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from reconciler.audit.checked import CheckedAudit
from reconciler.audit.event import event
from reconciler.audit.query import AuditQuery
from reconciler.errors import ReconcilerError
from reconciler.host.sqlite import translated
from reconciler.host.store import one_state
from reconciler_softkms import audit_log
from reconciler_softkms.door import Door
from reconciler_softkms.schema import WHAT

_PAGE: Final = 1000


def events(door: Door, after: int, query: AuditQuery) -> Iterator[tuple[int, dict[str, Any]]]:
    """See ``KeepsAuditLog.audit_events``. Read in pages: nobody who uses a key waits for whoever reads the log."""
    with door.store.lock, translated(door.store.path, WHAT):
        gather(door)
    while True:
        with door.store.lock, translated(door.store.path, WHAT):
            connection = door.store.reading()
            found = [] if connection is None else audit_log.records(connection, door.names, after, query, _PAGE)
        for serial, record in found:
            after = serial
            if query.wants(record):
                yield serial, event(record)
        if len(found) < _PAGE:
            return


def check(door: Door) -> CheckedAudit:
    """See ``KeepsAuditLog.check_audit_log``."""
    with door.store.lock, translated(door.store.path, WHAT):
        connection = gather(door)
        if connection is None:
            return CheckedAudit(0, None)
        door.store.seal()
        with one_state(connection):  # another process writes records between the last one and the end
            return door.trail.chain.check(connection)


def gather(door: Door) -> sqlite3.Connection | None:
    """Bring everything into the log that can be; whoever may only look, or cannot open the seal, reads what is
    there."""
    connection = door.store.reading()
    if connection is not None and door.store.is_writable:
        with suppress(ReconcilerError):
            door.store.seal()
            door.trail.move()
            door.trail.take_over()
    return connection
