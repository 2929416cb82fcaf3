"""Work that comes due by itself: what an apply does beside its plan, because stored times say so (RE2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class DueWork:
    """One thing that the next apply does. ``what`` is a sentence; ``kind`` (cluster, snapshot, key) and ``name`` say
    what it is done to, as the provider calls it. ``since`` is when it came due, None where no time decides.
    ``removes_data``: data or a key are gone for good after it.

    ``provider`` (its manifest name) and ``address`` (as what it is managed, None: it is not) are filled in by whoever
    asks.
    """

    what: str
    kind: str
    name: str
    since: datetime | None = None
    removes_data: bool = False
    provider: str = ""
    address: Address | None = None
