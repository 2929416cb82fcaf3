"""What following an audit log's chain has shown (AU4)."""

from __future__ import annotations

from typing import NamedTuple


class AuditBreak(NamedTuple):
    """The first record, by its number in the log, that is not what was written there; and how that shows."""

    serial: int
    why: str


class CheckedAudit(NamedTuple):
    """``records`` are what they were when written, from the first one on; ``broken`` is None when that is all."""

    records: int
    broken: AuditBreak | None
