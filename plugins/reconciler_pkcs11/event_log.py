"""Reading the log (``KeepsAuditLog``), in pages: nobody who uses a key waits for whoever reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.audit.checked import CheckedAudit
from reconciler.audit.query import AuditQuery
from reconciler_pkcs11.site import Site


def events(site: Site, after: int, query: AuditQuery) -> Iterator[tuple[int, dict[str, Any]]]:
    """See ``KeepsAuditLog.audit_events``."""
    last: int | None = after
    while last is not None:
        with site.store.read() as connection:
            last, found = (None, []) if connection is None else site.log.read(connection, last, query)
        yield from found


def check(site: Site) -> CheckedAudit:
    """See ``KeepsAuditLog.check_audit_log``."""
    with site.store.read() as connection:
        if connection is None or connection.execute("SELECT 1 FROM seal").fetchone() is None:
            return CheckedAudit(0, None)
        return site.log.check(connection)
