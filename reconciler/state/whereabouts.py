"""How far a state has come, as a key service remembers it (I16)."""

from __future__ import annotations

from reconciler.state.meta import Found
from reconciler.state.proofs import Proofs
from reconciler.state.store import Position


def position(found: Found, proofs: Proofs) -> Position:
    """Where this meta row says that the state is. The lease does not count: taking the lock changes nothing."""
    known = found.meta
    return Position(
        found.token,
        known.serial,
        proofs.head((known.serial, known.rows, known.open, known.plans, known.last, known.last_tag)),
    )
