"""KeepsAuditLog: a key service whose requests can be read back, and whose log can be proved whole (KM9, AU1, AU4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from reconciler.audit.checked import CheckedAudit
from reconciler.audit.query import EVERYTHING, AuditQuery


@runtime_checkable
class KeepsAuditLog(Protocol):
    """The audit log of one account and Region. Reading it asks for no permission and leaves no record of its own."""

    def audit_events(self, *, after: int = 0, query: AuditQuery = EVERYTHING) -> Iterator[tuple[int, dict[str, Any]]]:
        """Serial and public event (AU1) of every record past serial ``after`` that ``query`` asks for, oldest first:
        of all processes, up to those that were answered before the call. Serials rise and are never used again, so the
        last one that was seen is where to go on from."""

    def check_audit_log(self) -> CheckedAudit:
        """Follow the log's chain from its beginning: every record is what was written, and none is missing. Reads the
        whole log. DamagedStore when what it is proved with cannot be opened."""
