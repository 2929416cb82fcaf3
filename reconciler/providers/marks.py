"""High-water marks: how far a store has come, remembered in the key service, a second trust domain (I16).

Whoever puts back an older, authentic copy of the state puts back its serial too; the mark in the key service stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far the state of one lineage is known to have come. ``token`` is the newest fencing token, ``serial`` the
    newest serial, ``head`` (hex) the authenticated head of its chain at that serial; "" while an apply is under way,
    when only serial and token are compared."""

    token: int
    serial: int
    head: str = ""


@runtime_checkable
class KeepsMarks(Protocol):
    """A key service that keeps marks. They hold no secret and are asked by the tool itself, not by a principal."""

    def mark(self, lineage: str) -> Mark | None:
        """The mark of that lineage, None when none was ever raised. Makes no store."""

    def raise_mark(self, lineage: str, mark: Mark) -> None:
        """Remember ``mark``, durably. One that is lower in ``token``, or equal in it and lower in ``serial``, changes
        nothing: marks only rise."""

    def reset_mark(self, lineage: str, mark: Mark) -> None:
        """Break glass: remember ``mark`` whatever stood there (``state reseal``). An audit record tells of it."""
